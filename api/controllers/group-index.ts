import type { ReadCache } from '../client/cache.ts';
import { objectKey } from '../client/resource.ts';
import type { ApiObject } from '../client/resource.ts';

/** A cache's objects by some name they share (namespace, node), so that one group costs only its own objects. */
export class GroupIndex<T extends ApiObject> {
  readonly #groups = new Map<string, Map<string, T>>();
  readonly #groupOf: (object: T) => string | undefined;

  /** Follows the cache from now on: make it before the cache starts, and before other subscribers. */
  constructor(cache: ReadCache<T>, groupOf: (object: T) => string | undefined) {
    this.#groupOf = groupOf;
    cache.subscribe((event) => {
      if (event.type === 'synced') return;
      if (event.type !== 'added') this.#take(event.type === 'updated' ? event.previous : event.object);
      if (event.type !== 'deleted') this.#put(event.object);
    });
  }

  in(group: string | undefined): Iterable<T> {
    return this.#groups.get(group ?? '')?.values() ?? [];
  }

  groups(): Iterable<string> {
    return this.#groups.keys();
  }

  #put(object: T): void {
    const group = this.#groupOf(object);
    if (group === undefined) return;
    const members = this.#groups.get(group) ?? new Map<string, T>();
    this.#groups.set(group, members.set(objectKey(object), object));
  }

  #take(object: T): void {
    const group = this.#groupOf(object) ?? '';
    const members = this.#groups.get(group);
    members?.delete(objectKey(object));
    if (members?.size === 0) this.#groups.delete(group);
  }
}
