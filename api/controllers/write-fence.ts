import type { VersionedCache } from '../client/cache.ts';
import { objectKey } from '../client/resource.ts';
import type { ApiObject } from '../client/resource.ts';

/**
 * Keeps a controller from deciding on a cache that does not show its own last writes yet: it would create what it
 * has created already. Unlike client-go's expectations it counts nothing and so never waits for an event that a
 * relist has swallowed.
 */
export class WriteFence<T extends ApiObject> {
  readonly #cache: VersionedCache<T>;
  #revision = 0n;
  readonly #removed = new Map<string, string | undefined>();

  constructor(cache: VersionedCache<T>) {
    this.#cache = cache;
  }

  /** The server answered a create, update or patch with `object`. */
  wrote(object: T): void {
    const revision = BigInt(object.metadata.resourceVersion ?? '0');
    if (revision > this.#revision) this.#revision = revision;
  }

  /** The server accepted the deletion of `object`. */
  removed(object: T): void {
    this.#removed.set(objectKey(object), object.metadata.uid);
  }

  /** Whether the cache shows all that was written. */
  isPassed(): boolean {
    if (this.#cache.revision < this.#revision) return false;
    for (const [key, uid] of this.#removed) {
      const cached = this.#cache.get(key);
      const stillThere = cached !== undefined && cached.metadata.uid === uid && !isDeleting(cached);
      if (stillThere) return false;
      this.#removed.delete(key);
    }
    return true;
  }
}

interface Passable {
  isPassed(): boolean;
}

/** The fences that each key of a controller has. */
export class KeyedFences<F extends { readonly [Name in keyof F]: Passable }> {
  readonly #make: () => F;
  readonly #known = new Map<string, F>();

  /** `make` gives a key its fences. */
  constructor(make: () => F) {
    this.#make = make;
  }

  of(key: string): F {
    const fences = this.#known.get(key) ?? this.#make();
    this.#known.set(key, fences);
    return fences;
  }

  /** Whether the caches show all that was written for a key; if not, the events of those writes bring it back. */
  arePassed(key: string): boolean {
    return Object.values<Passable>(this.of(key)).every((fence) => fence.isPassed());
  }

  forget(key: string): void {
    this.#known.delete(key);
  }
}

function isDeleting(object: ApiObject): boolean {
  return (object.metadata as { readonly deletionTimestamp?: string }).deletionTimestamp !== undefined;
}
