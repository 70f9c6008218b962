import type { Cidr } from '../netns/ip.ts';
import { addressAt, decodeIp, encodeIp, familyOf, parseCidr, positionIn } from '../netns/ip.ts';
import { IpamError } from './ipam-error.ts';
import type { AddressSpan, Stretch } from './span.ts';
import { stretchesOf, usableStretch, walkRound } from './span.ts';

/** What an owner has, and what its holder wrote down of it, as plain data. */
export interface Lease<R> {
  readonly addresses: readonly string[];
  /** When they were given out, in Unix ms. Leases of earlier versions do not tell. */
  readonly since?: number;
  readonly record?: R;
}

/** What a pool remembers, as plain data. */
export interface PoolState<R = unknown> {
  /** By owner. */
  readonly leases: Record<string, Lease<R>>;
  /** Per range (`10.244.1.0/24`) the position after the address given out last, in decimal. */
  readonly next: Record<string, string>;
  /** When an address was given back, in Unix ms. */
  readonly released: Record<string, number>;
}

/** One change of what a pool remembers, as plain data. */
export type PoolChange<R = unknown> =
  | { readonly owner: string; readonly lease: Lease<R>; readonly next: PoolState['next'] }
  /** Unix ms. */
  | { readonly owner: string; readonly releasedAt: number };

export interface PoolOptions {
  /** One range per family, primary family first: every owner gets one address of each. */
  readonly ranges: readonly string[];
  /** Addresses never given out, e.g. the gateways. */
  readonly reserved: readonly string[];
  /** How long an address that was given back rests: others may still have it in their caches. */
  readonly restMs: number;
}

/** What an owner asks for beyond one address of each range. */
export interface AddressRequest<R = unknown> {
  /** These very addresses, at most one of a family; of other families any. */
  readonly addresses?: readonly string[];
  /** Only out of these parts of the ranges; families without any: out of the whole range. */
  readonly spans?: readonly AddressSpan[];
  /** To be kept with the lease. */
  readonly record?: R;
}

interface Range {
  readonly text: string;
  readonly cidr: Cidr;
}

/** Who has which address. Decides only; neither clock nor file. */
export class Pool<R = unknown> {
  #ranges: readonly Range[] = [];
  #reserved: ReadonlySet<string> = new Set();
  readonly #restMs: number;
  readonly #leases = new Map<string, Lease<R>>();
  /** Owners by address. */
  readonly #used = new Map<string, string>();
  readonly #next: Map<string, bigint>;
  readonly #released: Map<string, number>;

  constructor({ ranges, reserved, restMs }: PoolOptions, state: PoolState<R> = emptyState()) {
    this.useRanges(ranges, reserved);
    this.#restMs = restMs;
    this.#next = new Map(Object.entries(state.next).map(([range, position]) => [range, BigInt(position)]));
    this.#released = new Map(Object.entries(state.released));
    for (const [owner, lease] of Object.entries(state.leases)) this.#give(owner, lease);
  }

  /** What was given back, until somebody gets something after it has rested. */
  get resting(): Iterable<string> {
    return this.#released.keys();
  }

  get leases(): ReadonlyMap<string, Lease<R>> {
    return this.#leases;
  }

  /** Gives out of these ranges from now on; what was given out before stays its owner's. */
  useRanges(ranges: readonly string[], reserved: readonly string[]): void {
    this.#ranges = ranges.map((text) => ({ text, cidr: parseCidr(text) }));
    this.#reserved = new Set(reserved);
  }

  /**
   * One address of each range for an owner; the ones it has when it has them. Walks round each range, so that an
   * address comes back as late as possible.
   * @throws IpamError `exhausted`; `resting` when only addresses given back a moment ago are left; `taken`, `outside`
   */
  allocate(owner: string, now: number, request: AddressRequest<R> = {}): Lease<R> {
    const present = this.#leases.get(owner);
    if (present) return this.#keep(owner, present, request);
    this.#forgetRested(now);
    const asked = this.#canonical(request.addresses ?? []);
    const positions = this.#ranges.map((range) => this.#choose(range, asked, request.spans ?? []));
    const addresses = this.#ranges.map(({ text, cidr }, i) => {
      const { position, walked } = positions[i] ?? { position: 0n, walked: false };
      if (walked) this.#next.set(text, position + 1n);
      return addressAt(cidr, position);
    });
    return this.#give(owner, toLease(addresses, now, request.record));
  }

  ownerOf(address: string): string | undefined {
    return this.#used.get(address);
  }

  /** Whether an owner that asks for nothing special would get addresses now. @throws IpamError as {@link allocate} */
  probe(now: number): void {
    this.#forgetRested(now);
    for (const range of this.#ranges) this.#choose(range, [], []);
  }

  /** Takes an owner's addresses back; returns whether it had any. */
  release(owner: string, now: number): boolean {
    const lease = this.#leases.get(owner);
    if (!lease) return false;
    this.#leases.delete(owner);
    for (const address of lease.addresses) {
      this.#used.delete(address);
      this.#released.set(address, now);
    }
    return true;
  }

  /** Does again what a pool like this one did. To do once more what was done since, in order, changes nothing. */
  replay(change: PoolChange<R>): void {
    if ('releasedAt' in change) {
      this.release(change.owner, change.releasedAt);
      return;
    }
    const { owner, lease, next } = change;
    this.release(owner, 0);
    for (const [range, position] of Object.entries(next)) this.#next.set(range, BigInt(position));
    this.#give(owner, lease);
  }

  /** Where the walk round each range is. */
  get next(): PoolState['next'] {
    return Object.fromEntries([...this.#next].map(([range, position]) => [range, String(position)]));
  }

  state(): PoolState<R> {
    return {
      leases: Object.fromEntries(this.#leases),
      next: this.next,
      released: Object.fromEntries(this.#released),
    };
  }

  /** An owner that comes again has what it has: it cannot ask for something else. */
  #keep(owner: string, present: Lease<R>, { addresses = [], record }: AddressRequest<R>): Lease<R> {
    const other = this.#canonical(addresses).find((address) => !present.addresses.includes(address));
    if (other !== undefined) {
      const has = present.addresses.join(', ');
      throw new IpamError('taken', `${owner} has ${has} already and cannot have ${other} as well`);
    }
    return record === undefined ? present : this.#give(owner, { ...present, record });
  }

  /** @throws TypeError when one of the addresses is none */
  #give(owner: string, lease: Lease<R>): Lease<R> {
    for (const address of lease.addresses) {
      encodeIp(address);
      this.#used.set(address, owner);
      this.#released.delete(address);
    }
    this.#leases.set(owner, lease);
    return lease;
  }

  /** The addresses as the kernel writes them. @throws IpamError `outside` */
  #canonical(addresses: readonly string[]): string[] {
    return addresses.map((text) => {
      const address = decodeIp(encodeIp(text));
      if (this.#ranges.some(({ cidr }) => positionIn(cidr, address) !== undefined)) return address;
      const ranges = this.#ranges.map((range) => range.text).join(' and ');
      throw new IpamError('outside', `address ${address} is not within this node's ${ranges}`);
    });
  }

  #choose(
    { text, cidr }: Range,
    asked: readonly string[],
    spans: readonly AddressSpan[],
  ): { readonly position: bigint; readonly walked: boolean } {
    const address = asked.find((candidate) => familyOf(candidate) === cidr.family);
    if (address !== undefined) return { position: this.#claim(text, cidr, address), walked: false };
    const own = spans.filter(({ first }) => familyOf(first) === cidr.family);
    const stretches = own.length === 0 ? [usableStretch(cidr)] : stretchesOf(text, cidr, own);
    return { position: this.#find(text, cidr, stretches), walked: true };
  }

  /** An address that somebody names does not have to rest: whoever names it wants it back. */
  #claim(text: string, cidr: Cidr, address: string): bigint {
    const position = positionIn(cidr, address) ?? 0n;
    const { first, last } = usableStretch(cidr);
    if (position < first || position > last || this.#reserved.has(address)) {
      throw new IpamError('outside', `address ${address} of ${text} is nobody's to have`);
    }
    const owner = this.#used.get(address);
    if (owner !== undefined) throw new IpamError('taken', `address ${address} is ${owner}'s`);
    return position;
  }

  #find(text: string, cidr: Cidr, stretches: readonly Stretch[]): bigint {
    // At most this many can be taken, so a free one comes up by then, however large the range.
    let tries = this.#used.size + this.#released.size + this.#reserved.size + 1;
    for (const position of walkRound(stretches, this.#next.get(text) ?? 1n)) {
      if (this.#isFree(addressAt(cidr, position))) return position;
      tries -= 1;
      if (tries === 0) break;
    }
    const resting = [...this.#released.keys()].some((address) => {
      const position = positionIn(cidr, address);
      return (
        position !== undefined && stretches.some(({ first, last }) => position >= first && position <= last)
      );
    });
    throw resting
      ? new IpamError('resting', `every free address of ${text} was given back a moment ago; try again`)
      : new IpamError('exhausted', `no address of ${text} is free; the ${familyOf(text)} range is too small`);
  }

  #isFree(address: string): boolean {
    return !this.#used.has(address) && !this.#released.has(address) && !this.#reserved.has(address);
  }

  #forgetRested(now: number): void {
    for (const [address, at] of this.#released) {
      // A time from the future is a clock that was set back: it says nothing.
      if (now - at >= this.#restMs || at > now) this.#released.delete(address);
    }
  }
}

function toLease<R>(addresses: readonly string[], since: number, record: R | undefined): Lease<R> {
  return { addresses, since, ...(record === undefined ? {} : { record }) };
}

/** The state of a pool that never gave anything out. */
export function emptyState<R>(): PoolState<R> {
  return { leases: {}, next: {}, released: {} };
}
