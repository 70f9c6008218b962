import { isConflict, isNotFound } from '../../client/api-error.ts';
import { objectKey } from '../../client/resource.ts';
import { pods } from '../../client/resources.ts';
import type { Pod } from '../../kinds/pod.ts';
import { controllerOf } from '../workloads/claims.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { renderTime } from '../event-recorder.ts';
import { hostPortsOf } from '../../kinds/host-ports.ts';
import { isPodTerminal } from '../../kinds/pod-status.ts';
import { podCondition } from '../pod-conditions.ts';
import { addAmounts, podRequests } from './resource-fit.ts';
import type { Amounts } from './resource-fit.ts';
import { alikePods, awaitsScheduling, placePod } from './scheduling.ts';
import type { NodeLoad } from './scheduling.ts';
import { WorkQueue } from '../work-queue.ts';

const component = 'default-scheduler';

/** Unplaced pods are looked at again this often even if nothing seems to have changed. */
const retryPendingMs = 30_000;

/** Binds pods to nodes, one after the other, so that each decision sees the ones before it. Keys: namespace/name. */
export class Scheduler implements Controller {
  readonly #ctx: ControllerContext;
  readonly #queue: WorkQueue;
  /** By pod uid: bindings that the cache does not show yet. */
  readonly #assumed = new Map<string, { readonly nodeName: string; readonly pod: Pod }>();
  readonly #pending = new Set<string>();
  #unsubscribe: (() => void)[] = [];

  constructor(ctx: ControllerContext) {
    this.#ctx = ctx;
    const log = ctx.log.child({ controller: component });
    this.#queue = new WorkQueue({ log, process: (key) => this.#schedule(key) });
  }

  start(): void {
    const { nodes, pods: podCache } = this.#ctx.caches;
    this.#unsubscribe = [
      podCache.subscribe((event) => {
        if (event.type === 'synced') return;
        const { uid = '' } = event.object.metadata;
        if (event.object.spec.nodeName || event.type === 'deleted') this.#assumed.delete(uid);
        if (event.type === 'deleted') this.#pending.delete(event.key);
        // What it was promised is free again.
        if (event.type === 'deleted' || isPodTerminal(event.object)) this.#retryPending();
        else if (awaitsScheduling(event.object)) this.#queue.add(event.key);
      }),
      nodes.subscribe((event) => {
        // Heartbeats change nodes all the time: only what is waiting for a node is looked at again.
        if (event.type !== 'deleted') this.#retryPending();
      }),
    ];
    for (const pod of podCache.list()) if (awaitsScheduling(pod)) this.#queue.add(objectKey(pod));
    this.#queue.start();
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    await this.#queue.stop();
  }

  #retryPending(): void {
    for (const key of this.#pending) this.#queue.add(key);
  }

  async #schedule(key: string): Promise<void> {
    const pod = this.#ctx.caches.pods.get(key);
    if (!pod || !awaitsScheduling(pod) || this.#assumed.has(pod.metadata.uid ?? '')) {
      this.#pending.delete(key);
      return;
    }
    const placement = placePod(pod, this.#loadsFor(pod));
    if ('nodeName' in placement) {
      this.#pending.delete(key);
      await this.#bind(pod, placement.nodeName);
      return;
    }
    this.#pending.add(key);
    this.#queue.addAfter(key, retryPendingMs);
    await this.#refuse(pod, placement.message);
  }

  #loadsFor(pod: Pod): NodeLoad[] {
    const { caches, index } = this.#ctx;
    const { namespace } = pod.metadata;
    const services = index.servicesByNamespace.in(namespace);
    const alike = new Map<string, number>();
    // Those of its controller are found at once; only a pod without one is compared with all of its namespace.
    const owner = controllerOf(pod.metadata);
    const others = owner ? index.podsByOwner.in(owner.uid) : index.podsByNamespace.in(namespace);
    for (const other of alikePods(pod, others, services)) {
      const nodeName = other.spec.nodeName ?? this.#assumed.get(other.metadata.uid ?? '')?.nodeName;
      if (nodeName) alike.set(nodeName, (alike.get(nodeName) ?? 0) + 1);
    }
    const assumed = Map.groupBy(this.#assumed.values(), ({ nodeName }) => nodeName);
    // Most pods are promised nothing: then what the others are promised need not be counted.
    const counts = podRequests(pod).size > 0;
    const claims = hostPortsOf(pod.spec).length > 0;
    return [...caches.nodes.list()].map((node) => {
      const { name } = node.metadata;
      const running = [...index.podsByNode.in(name)].filter((other) => !isPodTerminal(other));
      running.push(...(assumed.get(name) ?? []).map((each) => each.pod));
      const promised: Amounts = counts ? addAmounts(running.map(podRequests)) : new Map();
      const hostPorts = claims ? running.flatMap(({ spec }) => hostPortsOf(spec)) : [];
      return { node, pods: running.length, alike: alike.get(name) ?? 0, promised, hostPorts };
    });
  }

  async #bind(pod: Pod, nodeName: string): Promise<void> {
    const { name, namespace = '', uid = '' } = pod.metadata;
    const binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name, namespace, uid },
      target: { apiVersion: 'v1', kind: 'Node', name: nodeName },
    };
    this.#assumed.set(uid, { nodeName, pod });
    try {
      await this.#ctx.client.createSubresource(pods, { namespace, name }, 'binding', binding);
    } catch (error) {
      this.#assumed.delete(uid);
      // Gone, or bound by somebody else: the cache will say so.
      if (isNotFound(error) || isConflict(error)) return;
      throw error;
    }
    const message = `Successfully assigned ${namespace}/${name} to ${nodeName}`;
    this.#ctx.events.record({
      component,
      apiVersion: 'v1',
      kind: 'Pod',
      object: pod,
      type: 'Normal',
      reason: 'Scheduled',
      message,
    });
  }

  /** Says in the pod's condition and once per reason in an Event why it stays unscheduled. */
  async #refuse(pod: Pod, message: string): Promise<void> {
    const before = podCondition(pod, 'PodScheduled');
    if (before?.status === 'False' && before.message === message) return;
    const { name, namespace } = pod.metadata;
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      lastProbeTime: null,
      lastTransitionTime: before?.status === 'False' ? before.lastTransitionTime : renderTime(new Date()),
      reason: 'Unschedulable',
      message,
    };
    this.#ctx.events.record({
      component,
      apiVersion: 'v1',
      kind: 'Pod',
      object: pod,
      type: 'Warning',
      reason: 'FailedScheduling',
      message,
    });
    const patch = { status: { conditions: [condition] } };
    await this.#ctx.client.patchStatus(pods, { namespace, name }, patch, 'strategic');
  }
}
