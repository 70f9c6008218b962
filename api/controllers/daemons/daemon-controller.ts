import { isDeepStrictEqual } from 'node:util';
import { isNamespaceTerminating, isNotFound } from '../../client/api-error.ts';
import { objectKey } from '../../client/resource.ts';
import { controllerRevisions, daemonSets, pods } from '../../client/resources.ts';
import type { ControllerRevision } from '../../kinds/controller-revision.ts';
import type { DaemonSet } from '../../kinds/daemon-set.ts';
import type { KubeObject } from '../../kinds/meta.ts';
import type { Node } from '../../kinds/node.ts';
import type { Pod } from '../../kinds/pod.ts';
import { Backoff } from '../backoff.ts';
import { Claimer } from '../workloads/claimer.ts';
import { candidatesFor, controllerOf, decideClaims } from '../workloads/claims.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { DaemonHistory } from './daemon-history.ts';
import { daemonSetOwner, hashOf, planRevisions } from './daemon-revisions.ts';
import { planDaemons } from './daemon-rollout.ts';
import type { DaemonStep } from './daemon-rollout.ts';
import { daemonSpec, endedPods, renderDaemonStatus, revisionLabel, specFor, viewNodes } from './daemons.ts';
import type { DaemonView } from './daemons.ts';
import { matchesSelector } from '../pod-conditions.ts';
import { PodControl, renderPod } from '../workloads/pod-control.ts';
import type { PodFailure } from '../workloads/pod-control.ts';
import { availableAt } from '../workloads/replication.ts';
import { taintsOf } from '../nodes/taints.ts';
import { WorkQueue } from '../work-queue.ts';
import { WriteFence } from '../write-fence.ts';

const component = 'daemonset-controller';

interface Fences {
  readonly pods: WriteFence<Pod>;
  readonly revisions: WriteFence<ControllerRevision>;
  /** Of the status. */
  readonly daemonSet: WriteFence<DaemonSet>;
}

/** Keeps one pod of each DaemonSet on every node that fits. Keys: namespace/name. */
export class DaemonController implements Controller {
  readonly #ctx: ControllerContext;
  readonly #queue: WorkQueue;
  readonly #podClaimer: Claimer<DaemonSet, Pod>;
  readonly #revisionClaimer: Claimer<DaemonSet, ControllerRevision>;
  readonly #podControl: PodControl<DaemonSet>;
  readonly #history: DaemonHistory;
  readonly #backoff = new Backoff();
  readonly #fences = new Map<string, Fences>();
  #unsubscribe: (() => void)[] = [];

  constructor(ctx: ControllerContext) {
    this.#ctx = ctx;
    const log = ctx.log.child({ controller: component });
    this.#queue = new WorkQueue({ log, workers: 5, process: (key) => this.#sync(key) });
    this.#podClaimer = new Claimer(ctx.client, daemonSetOwner, pods);
    this.#revisionClaimer = new Claimer(ctx.client, daemonSetOwner, controllerRevisions);
    this.#podControl = new PodControl(ctx, daemonSetOwner, component);
    this.#history = new DaemonHistory(ctx.client);
  }

  start(): void {
    const { caches } = this.#ctx;
    this.#unsubscribe = [
      caches.daemonSets.subscribe((event) => {
        if (event.type !== 'synced') this.#queue.add(event.key);
      }),
      caches.pods.subscribe((event) => {
        if (event.type === 'synced') this.#addAll();
        else this.#addOwners(event.object);
        if (event.type === 'updated') this.#addOwners(event.previous);
      }),
      caches.controllerRevisions.subscribe((event) => {
        if (event.type !== 'synced') this.#addOwners(event.object);
      }),
      caches.nodes.subscribe((event) => {
        // Heartbeats change nodes all the time, but not what may run there.
        if (event.type === 'updated' && attractsAlike(event.object, event.previous)) return;
        this.#addAll();
      }),
    ];
    this.#addAll();
    this.#queue.start();
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    await this.#queue.stop();
  }

  #addAll(): void {
    for (const daemonSet of this.#ctx.caches.daemonSets.list()) this.#queue.add(objectKey(daemonSet));
  }

  #addOwners({ metadata }: KubeObject): void {
    const { namespace = '', labels } = metadata;
    const owner = controllerOf(metadata);
    if (owner) {
      if (owner.kind === daemonSetOwner.kind) this.#queue.add(`${namespace}/${owner.name}`);
      return;
    }
    for (const daemonSet of this.#ctx.index.daemonSetsByNamespace.in(namespace)) {
      if (matchesSelector(daemonSet.spec.selector, labels)) this.#queue.add(objectKey(daemonSet));
    }
  }

  async #sync(key: string): Promise<void> {
    const daemonSet = this.#ctx.caches.daemonSets.get(key);
    if (!daemonSet) {
      this.#fences.delete(key);
      this.#backoff.prune(performance.now());
      return;
    }
    const fences = this.#fencesOf(key);
    // The events of our own writes bring the key back when the caches have come so far.
    if (!Object.values(fences).every((fence: { isPassed(): boolean }) => fence.isPassed())) return;
    if (daemonSet.metadata.deletionTimestamp !== undefined) return;
    try {
      const view = await this.#view(daemonSet, fences);
      const failure = await this.#carryOut(key, view, planDaemons(view), fences);
      await this.#report(key, view, fences);
      if (failure) throw new Error(failure.message);
    } catch (error) {
      // Its namespace is going, and soon the DaemonSet with it; or it is gone itself.
      if (!isNamespaceTerminating(error) && !isNotFound(error)) throw error;
    }
  }

  #fencesOf(key: string): Fences {
    const { caches } = this.#ctx;
    const fences = this.#fences.get(key) ?? {
      pods: new WriteFence(caches.pods),
      revisions: new WriteFence(caches.controllerRevisions),
      daemonSet: new WriteFence(caches.daemonSets),
    };
    this.#fences.set(key, fences);
    return fences;
  }

  /** Brings owners and history in order, and looks at what is there. */
  async #view(daemonSet: DaemonSet, fences: Fences): Promise<DaemonView> {
    const { index, caches } = this.#ctx;
    const selects = (labels: KubeObject['metadata']['labels']) =>
      matchesSelector(daemonSet.spec.selector, labels);
    const owned = decideClaims(daemonSet, selects, candidatesFor(daemonSet, index.podsByOwner));
    await this.#podClaimer.carryOut(daemonSet, owned, fences.pods);
    const revisions = decideClaims(daemonSet, selects, candidatesFor(daemonSet, index.revisionsByOwner));
    await this.#revisionClaimer.carryOut(daemonSet, revisions, fences.revisions);
    const plan = planRevisions(daemonSet, revisions.owned, owned.owned);
    const current = await this.#history.ensureCurrent(daemonSet, plan, fences.revisions);
    await this.#history.remove(plan.remove, fences.revisions);
    const nodes = viewNodes(daemonSpec(daemonSet), caches.nodes.list(), owned.owned);
    return { daemonSet, nodes, hash: hashOf(current), now: new Date() };
  }

  async #carryOut(
    key: string,
    view: DaemonView,
    step: DaemonStep,
    { pods: fence }: Fences,
  ): Promise<PodFailure | undefined> {
    const { daemonSet } = view;
    const ended = this.#takeEnded(key, view);
    const made = step.create.map((name) => renderDaemon(view, name));
    return (
      (await this.#podControl.create(daemonSet, made, fence)) ??
      (await this.#podControl.remove(daemonSet, [...ended, ...step.remove], fence))
    );
  }

  /** Ended pods that may be deleted now: what fails again and again is replaced less and less often. */
  #takeEnded(key: string, view: DaemonView): Pod[] {
    return endedPods(view).filter((pod) => {
      const { name, namespace } = pod.metadata;
      const nodeName = pod.spec.nodeName ?? '';
      const waitMs = this.#backoff.tryAt(
        `${view.daemonSet.metadata.uid ?? ''} ${view.hash} ${nodeName}`,
        performance.now(),
      );
      if (waitMs > 0) {
        this.#queue.addAfter(key, waitMs);
        return false;
      }
      const hasFailed = pod.status?.phase === 'Failed';
      const message = `Found ${hasFailed ? 'failed' : 'succeeded'} daemon pod ${namespace ?? ''}/${name} on node ${nodeName}, will try to ${hasFailed ? 'kill' : 'delete'} it`;
      const reason = hasFailed ? 'FailedDaemonPod' : 'SucceededDaemonPod';
      this.#podControl.note(view.daemonSet, hasFailed ? 'Warning' : 'Normal', reason, message);
      return true;
    });
  }

  async #report(key: string, view: DaemonView, { daemonSet: fence }: Fences): Promise<void> {
    const { daemonSet, nodes, now } = view;
    const minReadyMs = (daemonSet.spec.minReadySeconds ?? 0) * 1000;
    const waits = nodes.flatMap(({ pods }) =>
      pods.map((pod) => availableAt(pod, minReadyMs) - now.getTime()),
    );
    const next = Math.min(...waits.filter((ms) => ms > 0));
    if (Number.isFinite(next)) this.#queue.addAfter(key, next);
    const status = renderDaemonStatus(view);
    if (isDeepStrictEqual(status, daemonSet.status)) return;
    fence.wrote(await this.#ctx.client.updateStatus(daemonSets, { ...daemonSet, status }));
  }
}

/** A pod of the present revision for one node. */
function renderDaemon({ daemonSet, hash }: DaemonView, nodeName: string): Pod {
  const { metadata } = daemonSet.spec.template;
  return renderPod(daemonSetOwner, daemonSet, {
    metadata: { ...metadata, labels: { ...metadata?.labels, [revisionLabel]: hash } },
    spec: specFor(nodeName, daemonSpec(daemonSet)),
  });
}

/** Whether two states of a node are the same to DaemonSets. */
function attractsAlike(a: Node, b: Node): boolean {
  const traits = (node: Node) => ({ labels: node.metadata.labels, taints: taintsOf(node) });
  return isDeepStrictEqual(traits(a), traits(b));
}
