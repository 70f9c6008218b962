/** What changed in a {@link ReadCache}. `synced` follows the first complete list and every relist. */
export type CacheEvent<T> =
  | { readonly type: 'added'; readonly key: string; readonly object: T }
  | { readonly type: 'updated'; readonly key: string; readonly object: T; readonly previous: T }
  | { readonly type: 'deleted'; readonly key: string; readonly object: T }
  | { readonly type: 'synced' };

/**
 * A local, read-only copy of one API collection, kept current by list + watch.
 * Keys are `namespace/name`, or `name` for kinds without a namespace. Objects are shared: never change them.
 */
export interface ReadCache<T> {
  /** True once a complete list was read; stays true while the API is away (the last state stands). */
  readonly synced: boolean;
  /** Resolves when {@link synced} becomes true. */
  whenSynced(): Promise<void>;
  get(key: string): T | undefined;
  list(): Iterable<T>;
  /** Calls `listener` synchronously on each change, in order; returns the function that ends it. */
  subscribe(listener: (event: CacheEvent<T>) => void): () => void;
}

/** A cache that can start with what an earlier process knew. */
export interface RestorableCache<T> extends ReadCache<T> {
  /** True while the objects are an earlier process's, until the first list: good to serve from, not to delete by. */
  readonly restored: boolean;
}

/** A cache that says how far it has come. */
export interface VersionedCache<T> extends ReadCache<T> {
  /** All changes up to this resourceVersion are in the cache, and told before; 0 before the first list. */
  readonly revision: bigint;
}
