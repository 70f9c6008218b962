import type { CacheEvent, RestorableCache } from '../api/client/cache.ts';

/** A cache that a test fills by hand. */
export class FakeCache<T> implements RestorableCache<T> {
  synced = false;
  restored = false;
  readonly #keyOf: (object: T) => string;
  readonly #objects = new Map<string, T>();
  readonly #listeners = new Set<(event: CacheEvent<T>) => void>();
  readonly #synced = Promise.withResolvers<undefined>();

  constructor(keyOf: (object: T) => string) {
    this.#keyOf = keyOf;
  }

  async whenSynced(): Promise<void> {
    await this.#synced.promise;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): Iterable<T> {
    return this.#objects.values();
  }

  subscribe(listener: (event: CacheEvent<T>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  sync(): void {
    this.restored = false;
    this.synced = true;
    this.#synced.resolve(undefined);
    this.#tell({ type: 'synced' });
  }

  set(object: T): void {
    const key = this.#keyOf(object);
    const previous = this.#objects.get(key);
    this.#objects.set(key, object);
    this.#tell(previous ? { type: 'updated', key, object, previous } : { type: 'added', key, object });
  }

  delete(key: string): void {
    const object = this.#objects.get(key);
    if (object === undefined) return;
    this.#objects.delete(key);
    this.#tell({ type: 'deleted', key, object });
  }

  #tell(event: CacheEvent<T>): void {
    for (const listener of this.#listeners) listener(event);
  }
}
