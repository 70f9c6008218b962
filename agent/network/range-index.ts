import type { Cidr, Family } from '../../netns/ip.ts';

interface Entry {
  readonly cidr: Cidr;
  readonly owner: string;
}

/**
 * Who holds which range, searchable by overlap. Two ranges are apart or one lies within the other, so a search is a
 * few binary ones: those within begin inside, those around begin where the range would with their shorter prefix.
 */
export class RangeIndex {
  /** By first address. */
  readonly #entries: Record<Family, Entry[]> = { ipv4: [], ipv6: [] };
  /** Every prefix length that ever was in: a handful. */
  readonly #prefixes: Record<Family, Set<number>> = { ipv4: new Set(), ipv6: new Set() };

  constructor(entries: readonly Entry[] = []) {
    for (const entry of entries) {
      this.#entries[entry.cidr.family].push(entry);
      this.#prefixes[entry.cidr.family].add(entry.cidr.prefix);
    }
    for (const list of Object.values(this.#entries)) list.sort(compareBases);
  }

  /** The owners of all ranges that share an address with another one; costs no more than to look at each. */
  contested(): Set<string> {
    const owners = new Set<string>();
    for (const entries of Object.values(this.#entries)) {
      /** The one of those before that reaches furthest. */
      let around: Entry | undefined;
      for (const entry of entries) {
        const { base, size } = entry.cidr;
        if (around && base < around.cidr.base + around.cidr.size) {
          owners.add(entry.owner).add(around.owner);
          if (size <= around.cidr.size) continue;
        }
        around = entry;
      }
    }
    return owners;
  }

  add(cidr: Cidr, owner: string): void {
    const entries = this.#entries[cidr.family];
    entries.splice(firstFrom(entries, cidr.base), 0, { cidr, owner });
    this.#prefixes[cidr.family].add(cidr.prefix);
  }

  remove(cidr: Cidr, owner: string): void {
    const entries = this.#entries[cidr.family];
    for (let at = firstFrom(entries, cidr.base); entries[at]?.cidr.base === cidr.base; at += 1) {
      if (entries[at]?.owner !== owner || entries[at]?.cidr.prefix !== cidr.prefix) continue;
      entries.splice(at, 1);
      return;
    }
  }

  /** The owners of all ranges that share an address with this one; an owner of several comes as often. */
  *overlapping({ family, base, prefix, size }: Cidr): Generator<string> {
    const entries = this.#entries[family];
    for (let at = firstFrom(entries, base); at < entries.length; at += 1) {
      const entry = entries[at];
      if (!entry || entry.cidr.base >= base + size) break;
      yield entry.owner;
    }
    for (const shorter of this.#prefixes[family]) {
      if (shorter >= prefix) continue;
      const start = base - (base % (size << BigInt(prefix - shorter)));
      // One that begins with the range was found above.
      if (start === base) continue;
      for (let at = firstFrom(entries, start); entries[at]?.cidr.base === start; at += 1) {
        const entry = entries[at];
        if (entry?.cidr.prefix === shorter) yield entry.owner;
      }
    }
  }
}

function compareBases({ cidr: a }: Entry, { cidr: b }: Entry): number {
  return a.base < b.base ? -1 : Number(a.base > b.base);
}

/** Where the first entry stands that begins at this address or behind it. */
function firstFrom(entries: readonly Entry[], base: bigint): number {
  let [low, high] = [0, entries.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((entries[middle]?.cidr.base ?? 0n) < base) low = middle + 1;
    else high = middle;
  }
  return low;
}
