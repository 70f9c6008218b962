import { isDeepStrictEqual } from 'node:util';
import type { VersionedCache } from '../../client/cache.ts';
import { objectKey } from '../../client/resource.ts';
import { pods, replicaSets, replicationControllers } from '../../client/resources.ts';
import type { Pod } from '../../kinds/pod.ts';
import type { ReplicaSet } from '../../kinds/replica-set.ts';
import type { ReplicationController } from '../../kinds/replication-controller.ts';
import { Claimer } from './claimer.ts';
import { candidatesFor, controllerOf } from './claims.ts';
import type { Labels, OwnerKind } from './claims.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import type { GroupIndex } from '../group-index.ts';
import { matchesLabels, matchesSelector } from '../pod-conditions.ts';
import { PodControl, renderPod } from './pod-control.ts';
import type { PodFailure } from './pod-control.ts';
import { availableAt, decideReplicas, renderReplicaStatus } from './replication.ts';
import type { Replicated } from './replication.ts';
import { WorkQueue } from '../work-queue.ts';
import { WriteFence } from '../write-fence.ts';

/** One of the kinds that keep a number of pods. */
export interface ReplicaKind<T extends Replicated> extends OwnerKind<T> {
  /** Its controller's name in events. */
  readonly component: string;
  readonly cache: VersionedCache<T>;
  readonly byNamespace: GroupIndex<T>;
  readonly selects: (controller: T, labels: Labels) => boolean;
}

export function replicationControllerKind(ctx: ControllerContext): ReplicaKind<ReplicationController> {
  return {
    apiVersion: 'v1',
    kind: 'ReplicationController',
    resource: replicationControllers,
    component: 'replication-controller',
    cache: ctx.caches.replicationControllers,
    byNamespace: ctx.index.replicationControllersByNamespace,
    selects: ({ spec }, labels) => matchesLabels(spec.selector, labels),
  };
}

export function replicaSetKind(ctx: ControllerContext): ReplicaKind<ReplicaSet> {
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    resource: replicaSets,
    component: 'replicaset-controller',
    cache: ctx.caches.replicaSets,
    byNamespace: ctx.index.replicaSetsByNamespace,
    selects: ({ spec }, labels) => matchesSelector(spec.selector, labels),
  };
}

interface Fences<T extends Replicated> {
  readonly pods: WriteFence<Pod>;
  /** Of the status. */
  readonly controller: WriteFence<T>;
}

/** Keeps as many pods of each object of one kind as it asks for, and its status. Keys: namespace/name. */
export class ReplicationLoop<T extends Replicated> implements Controller {
  readonly #ctx: ControllerContext;
  readonly #kind: ReplicaKind<T>;
  readonly #queue: WorkQueue;
  readonly #claimer: Claimer<T, Pod>;
  readonly #podControl: PodControl<T>;
  readonly #fences = new Map<string, Fences<T>>();
  #unsubscribe: (() => void)[] = [];

  constructor(ctx: ControllerContext, kind: ReplicaKind<T>) {
    this.#ctx = ctx;
    this.#kind = kind;
    const log = ctx.log.child({ controller: kind.component });
    this.#queue = new WorkQueue({ log, workers: 5, process: (key) => this.#sync(key) });
    this.#claimer = new Claimer(ctx.client, kind, pods);
    this.#podControl = new PodControl(ctx, kind, kind.component);
  }

  start(): void {
    this.#unsubscribe = [
      this.#kind.cache.subscribe((event) => {
        if (event.type !== 'synced') this.#queue.add(event.key);
      }),
      this.#ctx.caches.pods.subscribe((event) => {
        if (event.type === 'synced') this.#addAll();
        else this.#addOwners(event.object);
        if (event.type === 'updated') this.#addOwners(event.previous);
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
    for (const controller of this.#kind.cache.list()) this.#queue.add(objectKey(controller));
  }

  #addOwners(pod: Pod): void {
    const { namespace = '', labels } = pod.metadata;
    const owner = controllerOf(pod.metadata);
    if (owner) {
      if (owner.kind === this.#kind.kind) this.#queue.add(`${namespace}/${owner.name}`);
      return;
    }
    for (const controller of this.#kind.byNamespace.in(namespace)) {
      if (this.#kind.selects(controller, labels)) this.#queue.add(objectKey(controller));
    }
  }

  async #sync(key: string): Promise<void> {
    const controller = this.#kind.cache.get(key);
    if (!controller) {
      this.#fences.delete(key);
      return;
    }
    const { pods: fence, controller: statusFence } = this.#fencesOf(key);
    // The events of our own writes bring the key back when the caches have come so far.
    if (!fence.isPassed() || !statusFence.isPassed()) return;
    const { claims, create, remove } = decideReplicas(
      controller,
      (labels) => this.#kind.selects(controller, labels),
      candidatesFor(controller, this.#ctx.index.podsByOwner),
    );
    await this.#claimer.carryOut(controller, claims, fence);
    const wanted = Array.from({ length: create }, () =>
      renderPod(this.#kind, controller, controller.spec.template),
    );
    const failure =
      (await this.#podControl.create(controller, wanted, fence)) ??
      (await this.#podControl.remove(controller, remove, fence));
    const updated = await this.#updateStatus(key, controller, claims.owned, failure);
    if (updated) statusFence.wrote(updated);
    if (failure) throw new Error(failure.message);
  }

  #fencesOf(key: string): Fences<T> {
    const fences = this.#fences.get(key) ?? {
      pods: new WriteFence(this.#ctx.caches.pods),
      controller: new WriteFence(this.#kind.cache),
    };
    this.#fences.set(key, fences);
    return fences;
  }

  async #updateStatus(
    key: string,
    controller: T,
    replicas: readonly Pod[],
    failure: PodFailure | undefined,
  ): Promise<T | undefined> {
    const now = new Date();
    const status = renderReplicaStatus(controller, replicas, now, failure);
    const minReadyMs = (controller.spec.minReadySeconds ?? 0) * 1000;
    const waits = replicas.map((pod) => availableAt(pod, minReadyMs) - now.getTime());
    const next = Math.min(...waits.filter((ms) => ms > 0));
    if (Number.isFinite(next)) this.#queue.addAfter(key, next);
    if (isDeepStrictEqual(status, controller.status)) return undefined;
    return this.#ctx.client.updateStatus(this.#kind.resource, { ...controller, status });
  }
}
