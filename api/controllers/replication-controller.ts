import { isDeepStrictEqual } from 'node:util';
import { isNamespaceTerminating, isNotFound } from '../client/api-error.ts';
import { objectKey } from '../client/resource.ts';
import { pods, replicationControllers } from '../client/resources.ts';
import type { Pod } from '../kinds/pod.ts';
import type { ReplicationController } from '../kinds/replication-controller.ts';
import type { Controller, ControllerContext } from './controller.ts';
import { matchesLabels } from './pod-conditions.ts';
import {
  availableAt,
  controllerOf,
  decideReplicas,
  renderReplica,
  renderReplicaStatus,
  replicaOwner,
} from './replication.ts';
import { WorkQueue } from './work-queue.ts';
import { WriteFence } from './write-fence.ts';

const component = 'replication-controller';

interface Failure {
  readonly reason: string;
  readonly message: string;
}

interface Fences {
  readonly pods: WriteFence<Pod>;
  /** Of the status. */
  readonly controller: WriteFence<ReplicationController>;
}

/** Keeps as many pods of each ReplicationController as it asks for, and its status. Keys: namespace/name. */
export class ReplicationLoop implements Controller {
  readonly #ctx: ControllerContext;
  readonly #queue: WorkQueue;
  readonly #fences = new Map<string, Fences>();
  #unsubscribe: (() => void)[] = [];

  constructor(ctx: ControllerContext) {
    this.#ctx = ctx;
    const log = ctx.log.child({ controller: component });
    this.#queue = new WorkQueue({ log, workers: 5, process: (key) => this.#sync(key) });
  }

  start(): void {
    const { replicationControllers: controllers, pods: podCache } = this.#ctx.caches;
    this.#unsubscribe = [
      controllers.subscribe((event) => {
        if (event.type !== 'synced') this.#queue.add(event.key);
      }),
      podCache.subscribe((event) => {
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
    for (const controller of this.#ctx.caches.replicationControllers.list())
      this.#queue.add(objectKey(controller));
  }

  #addOwners(pod: Pod): void {
    const namespace = pod.metadata.namespace ?? '';
    const owner = controllerOf(pod.metadata);
    if (owner) {
      if (owner.kind === 'ReplicationController') this.#queue.add(`${namespace}/${owner.name}`);
      return;
    }
    for (const controller of this.#ctx.index.replicationControllersByNamespace.in(namespace)) {
      if (matchesLabels(controller.spec.selector, pod.metadata.labels))
        this.#queue.add(objectKey(controller));
    }
  }

  async #sync(key: string): Promise<void> {
    const controller = this.#ctx.caches.replicationControllers.get(key);
    if (!controller) {
      this.#fences.delete(key);
      return;
    }
    const { pods: fence, controller: statusFence } = this.#fencesOf(key);
    // The events of our own writes bring the key back when the caches have come so far.
    if (!fence.isPassed() || !statusFence.isPassed()) return;
    const decision = decideReplicas(
      controller,
      this.#ctx.index.podsByNamespace.in(controller.metadata.namespace),
    );
    if (decision.adopt.length > 0) await this.#confirm(controller);
    for (const pod of decision.adopt) await this.#adopt(controller, pod, fence);
    for (const pod of decision.release) await this.#release(controller, pod, fence);
    const failure =
      (await this.#create(controller, decision.create, fence)) ??
      (await this.#remove(controller, decision.remove, fence));
    const updated = await this.#updateStatus(key, controller, decision.pods, failure);
    if (updated) statusFence.wrote(updated);
    if (failure) throw new Error(failure.message);
  }

  #fencesOf(key: string): Fences {
    const { caches } = this.#ctx;
    const fences = this.#fences.get(key) ?? {
      pods: new WriteFence(caches.pods),
      controller: new WriteFence(caches.replicationControllers),
    };
    this.#fences.set(key, fences);
    return fences;
  }

  /** Asks the API itself before taking over pods: a cache that is late would adopt them for a deleted controller. */
  async #confirm(controller: ReplicationController): Promise<void> {
    const { name, namespace, uid } = controller.metadata;
    const { metadata } = await this.#ctx.client.get(replicationControllers, { namespace, name });
    if (metadata.uid !== uid || metadata.deletionTimestamp !== undefined) {
      throw new Error(`ReplicationController ${namespace}/${name} is gone: adopts nothing`);
    }
  }

  async #adopt(controller: ReplicationController, pod: Pod, fence: WriteFence<Pod>): Promise<void> {
    const { name, uid = '' } = controller.metadata;
    await this.#patchOwner(pod, replicaOwner(name, uid), fence);
  }

  async #release(controller: ReplicationController, pod: Pod, fence: WriteFence<Pod>): Promise<void> {
    await this.#patchOwner(pod, { $patch: 'delete', uid: controller.metadata.uid }, fence);
  }

  async #patchOwner(pod: Pod, reference: object, fence: WriteFence<Pod>): Promise<void> {
    const { name, namespace, uid } = pod.metadata;
    const patch = { metadata: { uid, ownerReferences: [reference] } };
    try {
      fence.wrote(await this.#ctx.client.patch(pods, { namespace, name }, patch, 'strategic'));
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /** Slow start: one, two, four, … at a time, so that a template nobody accepts costs one request, not hundreds. */
  async #create(
    controller: ReplicationController,
    count: number,
    fence: WriteFence<Pod>,
  ): Promise<Failure | undefined> {
    for (let done = 0, batch = 1; done < count; done += batch, batch *= 2) {
      batch = Math.min(batch, count - done);
      const failures = await Promise.all(
        Array.from({ length: batch }, () => this.#createOne(controller, fence)),
      );
      const failure = failures.find((one) => one !== undefined);
      if (failure) return failure;
    }
    return undefined;
  }

  async #createOne(controller: ReplicationController, fence: WriteFence<Pod>): Promise<Failure | undefined> {
    try {
      const pod = await this.#ctx.client.create(pods, renderReplica(controller));
      fence.wrote(pod);
      this.#note(controller, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`);
      return undefined;
    } catch (error) {
      // Its namespace is going, and soon the controller with it.
      if (isNamespaceTerminating(error)) return undefined;
      const message = `Error creating: ${(error as Error).message}`;
      this.#note(controller, 'Warning', 'FailedCreate', message);
      return { reason: 'FailedCreate', message };
    }
  }

  async #remove(
    controller: ReplicationController,
    surplus: readonly Pod[],
    fence: WriteFence<Pod>,
  ): Promise<Failure | undefined> {
    const failures = await Promise.all(surplus.map((pod) => this.#removeOne(controller, pod, fence)));
    return failures.find((one) => one !== undefined);
  }

  async #removeOne(
    controller: ReplicationController,
    pod: Pod,
    fence: WriteFence<Pod>,
  ): Promise<Failure | undefined> {
    const { name, namespace, uid } = pod.metadata;
    try {
      await this.#ctx.client.delete(
        pods,
        { namespace, name },
        uid === undefined ? {} : { preconditions: { uid } },
      );
      fence.removed(pod);
      this.#note(controller, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`);
      return undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      const message = `Error deleting: ${(error as Error).message}`;
      this.#note(controller, 'Warning', 'FailedDelete', message);
      return { reason: 'FailedDelete', message };
    }
  }

  async #updateStatus(
    key: string,
    controller: ReplicationController,
    replicas: readonly Pod[],
    failure: Failure | undefined,
  ): Promise<ReplicationController | undefined> {
    const now = new Date();
    const status = renderReplicaStatus(controller, replicas, now, failure);
    const minReadyMs = (controller.spec.minReadySeconds ?? 0) * 1000;
    const waits = replicas.map((pod) => availableAt(pod, minReadyMs) - now.getTime());
    const next = Math.min(...waits.filter((ms) => ms > 0));
    if (Number.isFinite(next)) this.#queue.addAfter(key, next);
    if (isDeepStrictEqual(status, controller.status)) return undefined;
    return this.#ctx.client.updateStatus(replicationControllers, { ...controller, status });
  }

  #note(
    controller: ReplicationController,
    type: 'Normal' | 'Warning',
    reason: string,
    message: string,
  ): void {
    const identity = { apiVersion: 'v1', kind: 'ReplicationController', object: controller };
    this.#ctx.events.record({ component, ...identity, type, reason, message });
  }
}
