import { isDeepStrictEqual } from 'node:util';
import { isNotFound } from '../../client/api-error.ts';
import { objectKey } from '../../client/resource.ts';
import { deployments, replicaSets } from '../../client/resources.ts';
import type { Deployment } from '../../kinds/deployment.ts';
import type { Pod } from '../../kinds/pod.ts';
import type { ReplicaSet } from '../../kinds/replica-set.ts';
import { Claimer } from '../workloads/claimer.ts';
import { candidatesFor, controllerOf, decideClaims, ownerKeys } from '../workloads/claims.ts';
import type { Owners } from '../workloads/claims.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { planRollout } from './deployment-rollout.ts';
import type { RolloutStep } from './deployment-rollout.ts';
import { deploymentOwner, findNewReplicaSet, revisionAnnotation } from './deployment-sets.ts';
import { progressDeadlineMs, renderDeploymentStatus } from './deployment-status.ts';
import type { RolloutOutcome } from './deployment-status.ts';
import { isPodTerminal } from '../../kinds/pod-status.ts';
import { matchesSelector } from '../pod-conditions.ts';
import { ReplicaSetControl } from './replica-set-control.ts';
import { WorkQueue } from '../work-queue.ts';
import { KeyedFences, WriteFence } from '../write-fence.ts';

const component = 'deployment-controller';

interface Fences {
  readonly sets: WriteFence<ReplicaSet>;
  readonly deployment: WriteFence<Deployment>;
}

/**
 * Leads the ReplicaSets of each Deployment to its template and size, one step per pass: each step's changes bring
 * the Deployment back. Keys: namespace/name.
 */
export class DeploymentController implements Controller {
  readonly #ctx: ControllerContext;
  readonly #owners: Owners<Deployment>;
  readonly #queue: WorkQueue;
  readonly #claimer: Claimer<Deployment, ReplicaSet>;
  readonly #control: ReplicaSetControl;
  readonly #fences: KeyedFences<Fences>;
  #unsubscribe: (() => void)[] = [];

  constructor(ctx: ControllerContext) {
    this.#ctx = ctx;
    this.#owners = {
      kind: deploymentOwner.kind,
      byNamespace: ctx.index.deploymentsByNamespace,
      selects: ({ spec }, labels) => matchesSelector(spec.selector, labels),
    };
    const log = ctx.log.child({ controller: component });
    this.#queue = new WorkQueue({ log, workers: 5, process: (key) => this.#sync(key) });
    this.#claimer = new Claimer(ctx.client, deploymentOwner, replicaSets);
    this.#control = new ReplicaSetControl(ctx, component);
    this.#fences = new KeyedFences(() => ({
      sets: new WriteFence(ctx.caches.replicaSets),
      deployment: new WriteFence(ctx.caches.deployments),
    }));
  }

  start(): void {
    const { deployments: cache, replicaSets: sets, pods } = this.#ctx.caches;
    this.#unsubscribe = [
      cache.subscribe((event) => {
        if (event.type !== 'synced') this.#queue.add(event.key);
      }),
      sets.subscribe((event) => {
        if (event.type === 'synced') this.#addAll();
        else this.#addOwners(event.object);
        if (event.type === 'updated') this.#addOwners(event.previous);
      }),
      pods.subscribe((event) => {
        if (event.type === 'deleted') this.#addWaiting(event.object);
        if (event.type === 'updated' && isPodTerminal(event.object)) this.#addWaiting(event.object);
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
    for (const deployment of this.#ctx.caches.deployments.list()) this.#queue.add(objectKey(deployment));
  }

  #addOwners(set: ReplicaSet): void {
    for (const key of ownerKeys(this.#owners, set)) this.#queue.add(key);
  }

  /** Only a Deployment that recreates its pods waits for a pod to be gone altogether. */
  #addWaiting({ metadata }: Pod): void {
    const { deployments: cache, replicaSets: sets } = this.#ctx.caches;
    const owner = controllerOf(metadata);
    if (owner?.kind !== 'ReplicaSet') return;
    const set = sets.get(`${metadata.namespace ?? ''}/${owner.name}`);
    const name = set && controllerOf(set.metadata)?.name;
    if (name === undefined) return;
    const key = `${metadata.namespace ?? ''}/${name}`;
    if (cache.get(key)?.spec.strategy.type === 'Recreate') this.#queue.add(key);
  }

  async #sync(key: string): Promise<void> {
    const deployment = this.#ctx.caches.deployments.get(key);
    if (!deployment) {
      this.#fences.forget(key);
      return;
    }
    if (!this.#fences.arePassed(key)) return;
    const fences = this.#fences.of(key);
    const claims = decideClaims(
      deployment,
      (labels) => this.#owners.selects(deployment, labels),
      candidatesFor(deployment, this.#ctx.index.replicaSetsByOwner),
    );
    await this.#claimer.carryOut(deployment, claims, fences.sets);
    const step = planRollout({
      deployment,
      sets: claims.owned,
      hasPods: (set) => this.#hasPods(set),
    });
    const outcome = await this.#take(step, deployment, claims.owned, fences);
    await this.#report(key, outcome, fences.deployment);
    if (outcome.failure !== undefined) throw new Error(outcome.failure);
  }

  #hasPods(set: ReplicaSet): boolean {
    return Iterator.from(this.#ctx.index.podsByOwner.in(set.metadata.uid)).some((pod) => !isPodTerminal(pod));
  }

  /** Carries out a step; what it made and changed is in the outcome, as the API answered. */
  async #take(
    step: RolloutStep,
    deployment: Deployment,
    before: readonly ReplicaSet[],
    fences: Fences,
  ): Promise<RolloutOutcome> {
    const { sets: fence } = fences;
    for (const set of step.remove) await this.#control.remove(set, fence);
    if (!step.create) {
      const changed = new Map<ReplicaSet, ReplicaSet>();
      for (const change of step.change) {
        changed.set(change.set, await this.#control.change(deployment, change, fence));
      }
      const sets = before.map((set) => changed.get(set) ?? set);
      return { deployment, sets, newest: findNewReplicaSet(deployment, sets), created: false };
    }
    const made = await this.#control.create(deployment, step.create, fence);
    if ('set' in made) {
      return { deployment, sets: [...before, made.set], newest: made.set, created: true };
    }
    const counted = {
      ...deployment,
      status: { ...deployment.status, ...(made.collisionCount && { collisionCount: made.collisionCount }) },
    };
    return { deployment: counted, sets: before, newest: undefined, created: false, failure: made.failure };
  }

  /** Writes the status, and which revision the Deployment is at. */
  async #report(key: string, outcome: RolloutOutcome, fence: WriteFence<Deployment>): Promise<void> {
    const { deployment, newest } = outcome;
    const { name, namespace, annotations, deletionTimestamp } = deployment.metadata;
    const revision = newest?.metadata.annotations?.[revisionAnnotation];
    const isKnown = revision === undefined || annotations?.[revisionAnnotation] === revision;
    try {
      if (!isKnown && deletionTimestamp === undefined) {
        const patch = { metadata: { annotations: { [revisionAnnotation]: revision } } };
        fence.wrote(await this.#ctx.client.patch(deployments, { namespace, name }, patch, 'merge'));
      }
      const now = new Date();
      const status = renderDeploymentStatus(outcome, now);
      const known = this.#ctx.caches.deployments.get(key)?.status ?? {};
      const patch = { status: withRemovals(status, known) };
      if (!isDeepStrictEqual(status, known)) {
        fence.wrote(await this.#ctx.client.patchStatus(deployments, { namespace, name }, patch, 'merge'));
      }
      const waitMs = progressDeadlineMs({ ...deployment, status }) - now.getTime();
      if (Number.isFinite(waitMs)) this.#queue.addAfter(key, Math.max(waitMs, 0) + 1000);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

/** A merge patch that leaves nothing of `before` but what `after` has. */
function withRemovals(after: object, before: object): object {
  const gone = Object.keys(before).filter((field) => !(field in after));
  return { ...Object.fromEntries(gone.map((field) => [field, null])), ...after };
}
