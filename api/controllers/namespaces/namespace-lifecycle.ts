import { isDeepStrictEqual } from 'node:util';
import { ignoreMissing, isConflict, isNotFound } from '../../client/api-error.ts';
import { objectKey } from '../../client/resource.ts';
import { namespaces } from '../../client/resources.ts';
import type { Namespace } from '../../kinds/namespace.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { renderTime } from '../event-recorder.ts';
import { renderConditions } from './namespace-conditions.ts';
import type { Remainder } from './namespace-conditions.ts';
import { listNamespacedResources, removeContent } from './namespace-content.ts';
import { WorkQueue } from '../work-queue.ts';

/** The entry of spec.finalizers that keeps a namespace until its content is gone. */
const contentFinalizer = 'kubernetes';

/** Content may take its time to go: pods have a grace period. */
const lookAgainMs = 1_000;

/** Empties namespaces that are being deleted, then lets them go. Keys: namespace names. */
export class NamespaceLifecycle implements Controller {
  readonly #ctx: ControllerContext;
  readonly #queue: WorkQueue;
  #unsubscribe: (() => void) | undefined;

  constructor(ctx: ControllerContext) {
    this.#ctx = ctx;
    const log = ctx.log.child({ controller: 'namespace' });
    this.#queue = new WorkQueue({ log, workers: 5, process: (name) => this.#sync(name) });
  }

  start(): void {
    const { namespaces: cache } = this.#ctx.caches;
    this.#unsubscribe = cache.subscribe((event) => {
      if (event.type !== 'synced') this.#queue.add(event.key);
    });
    for (const namespace of cache.list()) this.#queue.add(objectKey(namespace));
    this.#queue.start();
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.();
    await this.#queue.stop();
  }

  async #sync(name: string): Promise<void> {
    const namespace = this.#ctx.caches.namespaces.get(name);
    if (namespace?.metadata.deletionTimestamp === undefined) return;
    if (!(namespace.spec?.finalizers ?? []).includes(contentFinalizer)) return;
    const remainders: Remainder[] = [];
    for (const resource of await listNamespacedResources(this.#ctx.client)) {
      const objects = await removeContent(this.#ctx.client, resource, name);
      remainders.push({ ...resource, objects });
    }
    if (remainders.every(({ objects }) => objects.length === 0)) return this.#finalize(namespace);
    this.#queue.addAfter(name, lookAgainMs);
    await this.#report(namespace, remainders);
  }

  /** Says what the namespace waits for. */
  async #report({ metadata, status }: Namespace, remainders: readonly Remainder[]): Promise<void> {
    const before = status?.conditions ?? [];
    const conditions = renderConditions(before, remainders, renderTime(new Date()));
    if (isDeepStrictEqual(conditions, before)) return;
    const patch = { status: { conditions } };
    const at = { name: metadata.name };
    await ignoreMissing(this.#ctx.client.patchStatus(namespaces, at, patch, 'merge'));
  }

  async #finalize(namespace: Namespace): Promise<void> {
    const { name } = namespace.metadata;
    const finalizers = (namespace.spec?.finalizers ?? []).filter((one) => one !== contentFinalizer);
    const body = {
      ...namespace,
      apiVersion: 'v1',
      kind: 'Namespace',
      spec: { ...namespace.spec, finalizers },
    };
    try {
      await this.#ctx.client.updateSubresource(namespaces, { name }, 'finalize', body);
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }
}
