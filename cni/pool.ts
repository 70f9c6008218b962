import type { Cidr } from '../netns/ip.ts';
import { addressAt, familyOf, parseCidr, positionIn } from '../netns/ip.ts';
import { IpamError } from './ipam-error.ts';

/** What a pool remembers, as plain data. */
export interface PoolState {
  /** Addresses by owner. */
  readonly leases: Record<string, readonly string[]>;
  /** Per range (`10.244.1.0/24`) the position after the address given out last, in decimal. */
  readonly next: Record<string, string>;
  /** When an address was given back, in Unix ms. */
  readonly released: Record<string, number>;
}

export interface PoolOptions {
  /** One range per family, primary family first: every owner gets one address of each. */
  readonly ranges: readonly string[];
  /** Addresses never given out, e.g. the gateways. */
  readonly reserved: readonly string[];
  /** How long an address that was given back rests: others may still have it in their caches. */
  readonly restMs: number;
}

/** Who has which address. Decides only; neither clock nor file. */
export class Pool {
  #ranges: readonly { readonly text: string; readonly cidr: Cidr }[] = [];
  #reserved: ReadonlySet<string> = new Set();
  readonly #restMs: number;
  readonly #leases: Map<string, readonly string[]>;
  readonly #used: Set<string>;
  readonly #next: Map<string, bigint>;
  readonly #released: Map<string, number>;

  constructor({ ranges, reserved, restMs }: PoolOptions, state: PoolState = emptyState()) {
    this.useRanges(ranges, reserved);
    this.#restMs = restMs;
    this.#leases = new Map(Object.entries(state.leases));
    this.#used = new Set(Object.values(state.leases).flat());
    this.#next = new Map(Object.entries(state.next).map(([range, position]) => [range, BigInt(position)]));
    this.#released = new Map(Object.entries(state.released));
  }

  get leases(): ReadonlyMap<string, readonly string[]> {
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
   * @throws IpamError `exhausted`, or `resting` when only addresses given back a moment ago are left
   */
  allocate(owner: string, now: number): readonly string[] {
    const present = this.#leases.get(owner);
    if (present) return present;
    this.#forgetRested(now);
    const positions = this.#ranges.map(({ text, cidr }) => this.#find(text, cidr));
    const addresses = this.#ranges.map(({ text, cidr }, i) => {
      const position = positions[i] ?? 0n;
      this.#next.set(text, position + 1n);
      return addressAt(cidr, position);
    });
    for (const address of addresses) this.#used.add(address);
    this.#leases.set(owner, addresses);
    return addresses;
  }

  /** Takes an owner's addresses back; returns whether it had any. */
  release(owner: string, now: number): boolean {
    const addresses = this.#leases.get(owner);
    if (!addresses) return false;
    this.#leases.delete(owner);
    for (const address of addresses) {
      this.#used.delete(address);
      this.#released.set(address, now);
    }
    return true;
  }

  state(): PoolState {
    return {
      leases: Object.fromEntries(this.#leases),
      next: Object.fromEntries([...this.#next].map(([range, position]) => [range, String(position)])),
      released: Object.fromEntries(this.#released),
    };
  }

  #find(text: string, cidr: Cidr): bigint {
    // Neither the network's address (IPv6: the routers' anycast address) nor IPv4's broadcast address.
    const first = 1n;
    const count = cidr.size - first - (cidr.family === 'ipv4' ? 1n : 0n);
    const start = this.#next.get(text) ?? first;
    // At most this many can be taken, so a free one comes up by then, however large the range.
    const taken = BigInt(this.#used.size + this.#released.size + this.#reserved.size);
    const tries = count < taken + 1n ? count : taken + 1n;
    for (let i = 0n; i < tries; i += 1n) {
      const position = first + ((((start - first + i) % count) + count) % count);
      if (this.#isFree(addressAt(cidr, position))) return position;
    }
    const resting = [...this.#released.keys()].some((address) => positionIn(cidr, address) !== undefined);
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

/** The state of a pool that never gave anything out. */
export function emptyState(): PoolState {
  return { leases: {}, next: {}, released: {} };
}
