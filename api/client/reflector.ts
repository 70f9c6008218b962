import { setTimeout } from 'node:timers/promises';
import type { Logger } from 'pino';
import { ApiError, isAway } from './api-error.ts';
import type { CacheEvent, RestorableCache, VersionedCache } from './cache.ts';
import type { ApiClient } from './client.ts';
import { objectKey } from './resource.ts';
import type { ApiObject, Resource } from './resource.ts';
import { isInitialEnd } from './watch.ts';

export interface ReflectorOptions<T> {
  readonly client: ApiClient;
  readonly resource: Resource<T>;
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** What of each object to keep; applied as objects arrive, so that the rest never stays in memory. */
  readonly trim?: (object: T) => T;
  /** What an earlier process knew, asked for when the first list fails; undefined: nothing. */
  readonly lastKnown?: () => readonly T[] | undefined;
  /** A server from which nothing came for so long after the start is as good as failed. Default: it is waited for. */
  readonly patienceMs?: number;
  readonly log?: Logger;
  /** Items per page of a list. Default 500. */
  readonly pageSize?: number;
  /** A watch without event or bookmark for this long is torn down; kube-apiserver sends a bookmark a minute. Default 90,000. */
  readonly idleMs?: number;
  /** First delay after a failure; doubles up to `maxRetryMs`. Defaults 200 and 10,000. */
  readonly retryMs?: number;
  readonly maxRetryMs?: number;
}

type Change<T> = Exclude<CacheEvent<T>, { type: 'synced' }>;

/**
 * Mirrors one collection: a watch that begins with all there is, or, where the server has no such watch, a list page
 * by page and a watch from its revision. A broken watch goes on where it ended; after a compacted revision (410) all
 * there is comes anew, and its difference to the cache is told as ordinary events. While the API is away the last
 * state stands.
 */
export class Reflector<T extends ApiObject> implements VersionedCache<T>, RestorableCache<T> {
  readonly #options: ReflectorOptions<T>;
  readonly #listeners = new Set<(event: CacheEvent<T>) => void>();
  readonly #stop = new AbortController();
  #objects = new Map<string, T>();
  /** Where the next watch starts; undefined: list first. */
  #revision: string | undefined;
  /** Whether the server may know watches that begin with all there is. */
  #streams = true;
  #seen: string | undefined;
  readonly #synced = Promise.withResolvers<undefined>();
  #isSynced = false;
  #isRestored = false;
  #lastContact: number | undefined;
  #lastError: ApiError | undefined;
  #loop: Promise<void> | undefined;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
  }

  get synced(): boolean {
    return this.#isSynced;
  }

  get restored(): boolean {
    return this.#isRestored;
  }

  /** When the server last sent anything for this collection, in ms since the epoch; undefined before the first. */
  get lastContact(): number | undefined {
    return this.#lastContact;
  }

  /** Why the collection cannot be read now; undefined while all is well. */
  get lastError(): ApiError | undefined {
    return this.#lastError;
  }

  get revision(): bigint {
    // Since Kubernetes 1.35 resourceVersions of one collection are promised to be comparable numbers (KEP-5504).
    return BigInt(this.#seen ?? '0');
  }

  whenSynced(): Promise<void> {
    return this.#synced.promise;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): Iterable<T> {
    return this.#objects.values();
  }

  get size(): number {
    return this.#objects.size;
  }

  subscribe(listener: (event: CacheEvent<T>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  start(): void {
    if (this.#loop) return;
    this.#loop = this.#run();
    void this.#restoreUnlessHeard();
  }

  /** Ends the watch; the cache keeps its last state. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stopped()) {
      const before = this.#lastContact;
      try {
        if (this.#revision === undefined && !this.#streams) await this.#relist();
        await this.#watch(this.#revision);
        failures = 0;
        this.#lastError = undefined;
        // A server that ends watches at once must not be asked in a tight loop.
        if (this.#lastContact === before) await sleep(this.#options.retryMs ?? 200, this.#stop.signal);
      } catch (error) {
        if (this.#stopped()) return;
        if (this.#isRefusedStream(error)) continue;
        // A watch that delivered something before it broke starts over with a short delay.
        failures = this.#lastContact === before ? failures + 1 : 1;
        await this.#recover(error, failures);
      }
    }
  }

  #stopped(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Notes that the server does not know watches that begin with all there is. */
  #isRefusedStream(error: unknown): boolean {
    if (!this.#streams || this.#revision !== undefined || !(error instanceof ApiError)) return false;
    this.#streams = error.code !== 422 && error.code !== 400;
    return !this.#streams;
  }

  async #recover(error: unknown, failures: number): Promise<void> {
    if (!(error instanceof ApiError)) throw error;
    if (needsRelist(error)) this.#revision = undefined;
    this.#lastError = error;
    this.#restore();
    const { retryMs = 200, maxRetryMs = 10_000 } = this.#options;
    // Half of it random, so that many nodes do not come back in one instant.
    const delayMs = Math.min(retryMs * 2 ** (failures - 1), maxRetryMs) * (0.5 + Math.random() / 2);
    this.#options.log?.[error.code === 410 ? 'debug' : 'warn'](
      { resource: this.#options.resource.plural, reason: error.reason, delayMs: Math.round(delayMs) },
      error.message,
    );
    await sleep(delayMs, this.#stop.signal);
  }

  /** Not before the API failed to answer: while it is there, a moment without knowledge is better than old knowledge. */
  #restore(): void {
    if (this.#isSynced || this.#isRestored) return;
    const objects = this.#options.lastKnown?.();
    if (!objects) return;
    this.#isRestored = true;
    for (const object of objects) this.#apply({ type: 'added', key: objectKey(object), object });
  }

  /** A server that is switched off refuses nothing: its failure shows after half a minute only. */
  async #restoreUnlessHeard(): Promise<void> {
    const { patienceMs } = this.#options;
    if (patienceMs === undefined) return;
    await sleep(patienceMs, this.#stop.signal);
    if (this.#lastContact === undefined && !this.#stopped()) this.#restore();
  }

  async #relist(): Promise<void> {
    const { client, resource, pageSize = 500, namespace, labelSelector, fieldSelector } = this.#options;
    const signal = this.#stop.signal;
    const fresh = new Map<string, T>();
    let continueToken: string | undefined;
    let revision: string | undefined;
    do {
      const page = await client.list(resource, {
        namespace,
        labelSelector,
        fieldSelector,
        limit: pageSize,
        continue: continueToken,
        signal,
      });
      this.#touch();
      for (const item of page.items) fresh.set(objectKey(item), this.#trimmed(item));
      continueToken = page.metadata.continue;
      revision = page.metadata.resourceVersion;
    } while (continueToken);
    this.#revision = revision;
    this.#seen = revision;
    this.#replace(fresh);
  }

  #replace(fresh: Map<string, T>): void {
    const events: Change<T>[] = [];
    for (const [key, previous] of this.#objects) {
      if (!fresh.has(key)) events.push({ type: 'deleted', key, object: previous });
    }
    for (const [key, object] of fresh) {
      const previous = this.#objects.get(key);
      // The same name with another uid is another object: its listeners must see the first one go.
      if (previous && previous.metadata.uid !== object.metadata.uid) {
        events.push({ type: 'deleted', key, object: previous }, { type: 'added', key, object });
      } else if (!previous) {
        events.push({ type: 'added', key, object });
      } else if (previous.metadata.resourceVersion !== object.metadata.resourceVersion) {
        events.push({ type: 'updated', key, object, previous });
      }
    }
    for (const event of events) this.#apply(event);
    this.#isRestored = false;
    this.#isSynced = true;
    this.#synced.resolve(undefined);
    this.#emit({ type: 'synced' });
  }

  async #watch(revision: string | undefined): Promise<void> {
    const { client, resource, namespace, labelSelector, fieldSelector, idleMs = 90_000 } = this.#options;
    const watch = client.watch(resource, {
      namespace,
      labelSelector,
      fieldSelector,
      resourceVersion: revision,
      initialEvents: revision === undefined,
      bookmarks: true,
      // As client-go: five to ten minutes, spread out.
      timeoutSeconds: Math.round(300 * (1 + Math.random())),
      idleMs,
      // Where nothing changes nothing is told for a minute: that a broken watch goes on ends the error. Not so one that
      // fell silent: it was open, too.
      onOpen: () => {
        const error = revision === undefined ? undefined : this.#lastError;
        if (error && isAway(error) && error.reason !== 'Stale') this.#lastError = undefined;
      },
      signal: this.#stop.signal,
    });
    let fresh = revision === undefined ? new Map<string, T>() : undefined;
    for await (const event of watch) {
      this.#touch();
      if (fresh && !isInitialEnd(event)) {
        if (event.type !== 'BOOKMARK') fresh.set(objectKey(event.object), this.#trimmed(event.object));
        continue;
      }
      this.#lastError = undefined;
      this.#revision = event.object.metadata.resourceVersion;
      this.#seen = this.#revision;
      if (fresh) this.#replace(fresh);
      else if (event.type !== 'BOOKMARK') this.#take(event.type, event.object);
      fresh = undefined;
    }
  }

  #take(type: 'ADDED' | 'MODIFIED' | 'DELETED', received: T): void {
    const key = objectKey(received);
    const previous = this.#objects.get(key);
    const object = this.#trimmed(received);
    if (type === 'DELETED') {
      if (previous) this.#apply({ type: 'deleted', key, object });
    } else if (previous && previous.metadata.uid === object.metadata.uid) {
      this.#apply({ type: 'updated', key, object, previous });
    } else {
      if (previous) this.#apply({ type: 'deleted', key, object: previous });
      this.#apply({ type: 'added', key, object });
    }
  }

  #trimmed(object: T): T {
    return this.#options.trim ? this.#options.trim(object) : object;
  }

  #apply(event: Change<T>): void {
    if (event.type === 'deleted') this.#objects.delete(event.key);
    else this.#objects.set(event.key, event.object);
    this.#emit(event);
  }

  #emit(event: CacheEvent<T>): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        // One broken listener must not keep the others, and this cache, from going on.
        this.#options.log?.error({ err: error, resource: this.#options.resource.plural }, 'listener failed');
      }
    }
  }

  #touch(): void {
    this.#lastContact = Date.now();
  }
}

/** Whether going on from the last revision is hopeless: it is compacted, or the server says it knows it not. */
function needsRelist(error: ApiError): boolean {
  return error.code >= 400 && error.code !== 429 && error.code !== 503;
}

/** Resolves early when `signal` aborts. */
async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await setTimeout(ms, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
