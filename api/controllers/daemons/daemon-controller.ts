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
import { candidatesFor, decideClaims, ownerKeys } from '../workloads/claims.ts';
import type { Labels, Owners } from '../workloads/claims.ts';
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
import { nextAvailableMs } from '../workloads/replication.ts';
import { taintsOf } from '../nodes/taints.ts';
import { WorkQueue } from '../work-queue.ts';
import { KeyedFences, WriteFence } from '../write-fence.ts';

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
  readonly #owners: Owners<DaemonSet>;
  readonly #queue: WorkQueue;
  readonly #podClaimer: Claimer<DaemonSet, Pod>;
  readonly #revisionClaimer: Claimer<DaemonSet, ControllerRevision>;
  readonly #podControl: PodControl<DaemonSet>;
  readonly #history: DaemonHistory;
  readonly #backoff = new Backoff();
  readonly #fences: KeyedFences<Fences>;
  #unsubscribe: (() => void)[] = [];

  constructor(ctx: ControllerContext) {
    this.#ctx = ctx;
    this.#owners = {
      kind: daemonSetOwner.kind,
      byNamespace: ctx.index.daemonSetsByNamespace,
      selects: ({ spec }, labels) => matchesSelector(spec.selector, labels),
    };
    const log = ctx.log.child({ controller: component });
    this.#queue = new WorkQueue({ log, workers: 5, process: (key) => this.#sync(key) });
    this.#podClaimer = new Claimer(ctx.client, daemonSetOwner, pods);
    this.#revisionClaimer = new Claimer(ctx.client, daemonSetOwner, controllerRevisions);
    this.#podControl = new PodControl(ctx, daemonSetOwner, component);
    this.#history = new DaemonHistory(ctx.client);
    this.#fences = new KeyedFences(() => ({
      pods: new WriteFence(ctx.caches.pods),
      revisions: new WriteFence(ctx.caches.controllerRevisions),
      daemonSet: new WriteFence(ctx.caches.daemonSets),
    }));
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

  #addOwners(object: KubeObject): void {
    for (const key of ownerKeys(this.#owners, object)) this.#queue.add(key);
  }

  async #sync(key: string): Promise<void> {
    const daemonSet = this.#ctx.caches.daemonSets.get(key);
    if (!daemonSet) {
      this.#fences.forget(key);
      this.#backoff.prune(performance.now());
      return;
    }
    if (!this.#fences.arePassed(key) || daemonSet.metadata.deletionTimestamp !== undefined) return;
    const fences = this.#fences.of(key);
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

  /** Brings owners and history in order, and looks at what is there. */
  async #view(daemonSet: DaemonSet, fences: Fences): Promise<DaemonView> {
    const { index, caches } = this.#ctx;
    const selects = (labels: Labels) => this.#owners.selects(daemonSet, labels);
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
    const all = nodes.flatMap((node) => node.pods);
    const waitMs = nextAvailableMs(daemonSet, all, now);
    if (waitMs !== undefined) this.#queue.addAfter(key, waitMs);
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
