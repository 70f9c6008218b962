import { ignoreMissing } from '../../client/api-error.ts';
import { onlyThis } from '../../client/client.ts';
import { nodes, pods } from '../../client/resources.ts';
import type { Node } from '../../kinds/node.ts';
import type { Pod } from '../../kinds/pod.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { renderTime } from '../event-recorder.ts';
import { judgeNode, observeLease, podsToEvict, podsToMarkNotReady, renderSilentNode } from './node-health.ts';
import type { LeaseSighting, NodeHealthTiming } from './node-health.ts';
import { renderTaints } from './node-taints.ts';
import { podCondition } from '../pod-conditions.ts';
import { readyCondition } from './taints.ts';
import { WorkQueue } from '../work-queue.ts';

const component = 'node-controller';

/** Where every node renews a lease of its own name. */
const leaseNamespace = 'kube-node-lease';

/** A node must be missing for this long before its pods are removed (upstream's quarantine). */
const quarantineMs = 40_000;

/**
 * Taints nodes by their conditions. Notices those that stopped renewing their lease: marks them and their pods not
 * ready, evicts the pods after five minutes, and removes pods of nodes that no longer exist. Keys: node names.
 */
export class NodeLifecycle implements Controller {
  readonly #ctx: ControllerContext;
  readonly #timing: NodeHealthTiming;
  readonly #queue: WorkQueue;
  readonly #sightings = new Map<string, LeaseSighting>();
  readonly #missingSince = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #unsubscribe: (() => void)[] = [];

  constructor(ctx: ControllerContext, timing: NodeHealthTiming) {
    this.#ctx = ctx;
    this.#timing = timing;
    const log = ctx.log.child({ controller: component });
    this.#queue = new WorkQueue({ log, workers: 5, process: (name) => this.#sync(name) });
  }

  start(): void {
    const { nodes: nodeCache, leases } = this.#ctx.caches;
    this.#unsubscribe = [
      nodeCache.subscribe((event) => {
        if (event.type !== 'synced') this.#queue.add(event.key);
      }),
      leases.subscribe((event) => {
        if (event.type === 'synced') return;
        const { namespace, name } = event.object.metadata;
        if (namespace === leaseNamespace) this.#see(name);
      }),
    ];
    this.#timer = setInterval(() => {
      this.#addAll();
    }, this.#timing.periodMs);
    this.#addAll();
    this.#queue.start();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    await this.#queue.stop();
  }

  #addAll(): void {
    for (const node of this.#ctx.caches.nodes.list()) this.#queue.add(node.metadata.name);
    for (const name of this.#ctx.index.podsByNode.groups()) this.#queue.add(name);
  }

  #see(name: string): LeaseSighting {
    const lease = this.#ctx.caches.leases.get(`${leaseNamespace}/${name}`);
    const sighting = observeLease(this.#sightings.get(name), lease, performance.now());
    this.#sightings.set(name, sighting);
    return sighting;
  }

  async #sync(name: string): Promise<void> {
    const node = this.#ctx.caches.nodes.get(name);
    if (!node) return this.#collectPods(name);
    this.#missingSince.delete(name);
    await this.#taint(node);
    // While the API itself is away no lease can move, and that is no node's fault.
    if (!this.#ctx.caches.leases.synced) return;
    const at = { nowMs: performance.now(), graceMs: this.#timing.graceMs };
    if (judgeNode(node, this.#see(name), at) === 'Unknown') return this.#declareSilent(node);
    const onNode = [...this.#ctx.index.podsByNode.in(name)];
    for (const pod of podsToMarkNotReady(node, onNode)) await this.#markNotReady(pod);
    for (const pod of podsToEvict(node, onNode, Date.now())) await this.#evict(pod, name);
  }

  async #taint(node: Node): Promise<void> {
    const taints = renderTaints(node, renderTime(new Date()));
    if (!taints) return;
    const { name, resourceVersion } = node.metadata;
    const patch = { metadata: { resourceVersion }, spec: { taints } };
    await ignoreMissing(this.#ctx.client.patch(nodes, { name }, patch, 'merge'));
  }

  async #declareSilent(node: Node): Promise<void> {
    const { name } = node.metadata;
    const before = readyCondition(node)?.status ?? 'none';
    await this.#ctx.client.patchStatus(
      nodes,
      { name },
      renderSilentNode(node, renderTime(new Date())),
      'strategic',
    );
    this.#ctx.log.warn({ node: name, before }, 'node stopped renewing its lease');
    this.#note(node, 'Node', 'NodeNotReady', `Node ${name} status is now: NodeNotReady`);
  }

  async #markNotReady(pod: Pod): Promise<void> {
    const { name, namespace, uid } = pod.metadata;
    const before = podCondition(pod, 'Ready');
    const condition = {
      ...before,
      type: 'Ready',
      status: 'False',
      lastTransitionTime: renderTime(new Date()),
    };
    const patch = { metadata: { uid }, status: { conditions: [condition] } };
    await ignoreMissing(this.#ctx.client.patchStatus(pods, { namespace, name }, patch, 'strategic'));
    this.#note(pod, 'Pod', 'NodeNotReady', 'Node is not ready');
  }

  async #evict(pod: Pod, nodeName: string): Promise<void> {
    const { name, namespace } = pod.metadata;
    await ignoreMissing(this.#ctx.client.delete(pods, { namespace, name }, onlyThis(pod)));
    const message = `Marking for deletion Pod ${namespace}/${name}: node ${nodeName} is not ready`;
    this.#note(pod, 'Pod', 'TaintManagerEviction', message);
  }

  /** Nobody will ever end the pods of a node that is gone. */
  async #collectPods(nodeName: string): Promise<void> {
    this.#sightings.delete(nodeName);
    const onNode = [...this.#ctx.index.podsByNode.in(nodeName)];
    if (onNode.length === 0) {
      this.#missingSince.delete(nodeName);
      return;
    }
    const since = this.#missingSince.get(nodeName) ?? performance.now();
    this.#missingSince.set(nodeName, since);
    if (performance.now() - since < quarantineMs || (await this.#exists(nodeName))) return;
    for (const pod of onNode) {
      const { name, namespace } = pod.metadata;
      const options = { gracePeriodSeconds: 0, ...onlyThis(pod) };
      await ignoreMissing(this.#ctx.client.delete(pods, { namespace, name }, options));
    }
  }

  async #exists(nodeName: string): Promise<boolean> {
    return (await ignoreMissing(this.#ctx.client.get(nodes, { name: nodeName }))) !== undefined;
  }

  #note(object: Node | Pod, kind: string, reason: string, message: string): void {
    const type = reason === 'TaintManagerEviction' || kind === 'Node' ? 'Normal' : 'Warning';
    this.#ctx.events.record({ component, apiVersion: 'v1', kind, object, type, reason, message });
  }
}
