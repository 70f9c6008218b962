import type { CacheEvent } from '../api/client/cache.ts';
import { serviceNameLabel } from '../api/kinds/service-labels.ts';
import type { EndpointSlice } from '../api/kinds/endpoint-slice.ts';

/** `namespace/name` of the Service that a slice belongs to; undefined: none. */
function ownerOf({ metadata }: EndpointSlice): string | undefined {
  const name = metadata.labels?.[serviceNameLabel];
  return name === undefined ? undefined : `${metadata.namespace ?? 'default'}/${name}`;
}

/** EndpointSlices by their Service. Nearly all Services have one: it stands for itself, without a list around it. */
export class SliceIndex {
  readonly #slices = new Map<string, EndpointSlice | readonly EndpointSlice[]>();

  /** The slices of one Service, by name. */
  of(owner: string): readonly EndpointSlice[] {
    const slices = this.#slices.get(owner) ?? [];
    return isList(slices) ? slices : [slices];
  }

  /** Puts `slice` in the place of the one of its name. Returns its Service. */
  add(slice: EndpointSlice): string | undefined {
    const owner = ownerOf(slice);
    if (owner === undefined) return undefined;
    const others = this.#others(owner, slice);
    this.#slices.set(
      owner,
      others.length === 0 ? slice : [...others, slice].sort((a, b) => compareNames(a, b)),
    );
    return owner;
  }

  /** Takes out the slice of this name. Returns its Service. */
  remove(slice: EndpointSlice): string | undefined {
    const owner = ownerOf(slice);
    if (owner === undefined) return undefined;
    const others = this.#others(owner, slice);
    const [only] = others;
    if (only === undefined) this.#slices.delete(owner);
    else this.#slices.set(owner, others.length === 1 ? only : others);
    return owner;
  }

  /** Takes over one event of the slices' cache. Returns the Services that it concerns. */
  note(event: CacheEvent<EndpointSlice>): string[] {
    if (event.type === 'synced') return [];
    const owners = new Set<string | undefined>();
    if (event.type === 'updated') owners.add(this.remove(event.previous));
    owners.add(event.type === 'deleted' ? this.remove(event.object) : this.add(event.object));
    return [...owners].filter((owner) => owner !== undefined);
  }

  clear(): void {
    this.#slices.clear();
  }

  #others(owner: string, { metadata }: EndpointSlice): readonly EndpointSlice[] {
    return this.of(owner).filter((slice) => slice.metadata.name !== metadata.name);
  }
}

function isList(slices: EndpointSlice | readonly EndpointSlice[]): slices is readonly EndpointSlice[] {
  return Array.isArray(slices);
}

function compareNames(a: EndpointSlice, b: EndpointSlice): number {
  return a.metadata.name < b.metadata.name ? -1 : 1;
}
