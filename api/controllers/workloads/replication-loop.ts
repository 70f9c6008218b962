import { isDeepStrictEqual } from 'node:util';
import type { VersionedCache } from '../../client/cache.ts';
import { objectKey } from '../../client/resource.ts';
import { pods, replicaSets, replicationControllers } from '../../client/resources.ts';
import type { Pod } from '../../kinds/pod.ts';
import type { ReplicaSet } from '../../kinds/replica-set.ts';
import type { ReplicationController } from '../../kinds/replication-controller.ts';
import { Claimer } from './claimer.ts';
import { candidatesFor, ownerKeys } from './claims.ts';
import type { OwnerKind, Owners } from './claims.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { matchesLabels, matchesSelector } from '../pod-conditions.ts';
import { PodControl, renderPod } from './pod-control.ts';
import type { PodFailure } from './pod-control.ts';
import { decideReplicas, nextAvailableMs, renderReplicaStatus } from './replication.ts';
import type { Replicated } from './replication.ts';
import { WorkQueue } from '../work-queue.ts';
import { KeyedFences, WriteFence } from '../write-fence.ts';

/** One of the kinds that keep a number of pods. */
export interface ReplicaKind<T extends Replicated> extends OwnerKind<T>, Owners<T> {
  /** Its controller's name in events. */
  readonly component: string;
  readonly cache: VersionedCache<T>;
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
  readonly #fences: KeyedFences<Fences<T>>;
  #unsubscribe: (() => void)[] = [];

  constructor(ctx: ControllerContext, kind: ReplicaKind<T>) {
    this.#ctx = ctx;
    this.#kind = kind;
    const log = ctx.log.child({ controller: kind.component });
    this.#queue = new WorkQueue({ log, workers: 5, process: (key) => this.#sync(key) });
    this.#claimer = new Claimer(ctx.client, kind, pods);
    this.#podControl = new PodControl(ctx, kind, kind.component);
    this.#fences = new KeyedFences(() => ({
      pods: new WriteFence(ctx.caches.pods),
      controller: new WriteFence(kind.cache),
    }));
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
    for (const key of ownerKeys(this.#kind, pod)) this.#queue.add(key);
  }

  async #sync(key: string): Promise<void> {
    const controller = this.#kind.cache.get(key);
    if (!controller) {
      this.#fences.forget(key);
      return;
    }
    if (!this.#fences.arePassed(key)) return;
    const { pods: fence, controller: statusFence } = this.#fences.of(key);
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

  async #updateStatus(
    key: string,
    controller: T,
    replicas: readonly Pod[],
    failure: PodFailure | undefined,
  ): Promise<T | undefined> {
    const now = new Date();
    const status = renderReplicaStatus(controller, replicas, now, failure);
    const waitMs = nextAvailableMs(controller, replicas, now);
    if (waitMs !== undefined) this.#queue.addAfter(key, waitMs);
    if (isDeepStrictEqual(status, controller.status)) return undefined;
    return this.#ctx.client.updateStatus(this.#kind.resource, { ...controller, status });
  }
}
