import ipaddr from 'ipaddr.js';
import { TakenNumbers } from './taken-numbers.ts';

/** One family's cluster range and the size of a node's share of it. */
export interface ClusterRange {
  /** e.g. `10.244.0.0/16` */
  readonly cidr: string;
  /** Prefix length of a share, e.g. 24. */
  readonly maskSize: number;
}

/** Pairs each cluster range with the mask size of its family. */
export function clusterRanges(
  clusterCIDRs: readonly string[],
  maskSizes: { readonly ipv4: number; readonly ipv6: number },
): ClusterRange[] {
  return clusterCIDRs.map((cidr) => ({ cidr, maskSize: maskSizes[ipaddr.parseCIDR(cidr)[0].kind()] }));
}

/** One share of a range. */
export interface Share {
  readonly index: number;
  readonly cidr: string;
}

/** Which shares of one range nodes have. A change costs what it concerns, however many nodes there are. */
export class ShareTable {
  readonly #maskSize: number;
  /** First address of the range, as a number. */
  readonly #base: bigint;
  /** Of an address. */
  readonly #bytes: number;
  /** Address bits below a share's prefix. */
  readonly #shift: bigint;
  readonly #count: number;
  readonly #taken: TakenNumbers;
  /** The index handed out last. */
  #last = -1;

  constructor({ cidr, maskSize }: ClusterRange) {
    const [address, prefix] = ipaddr.parseCIDR(cidr);
    const bytes = address.toByteArray();
    this.#maskSize = maskSize;
    this.#base = toNumber(bytes);
    this.#bytes = bytes.length;
    this.#shift = BigInt(bytes.length * 8 - maskSize);
    this.#count = 2 ** (maskSize - prefix);
    this.#taken = new TakenNumbers(this.#count);
  }

  /** A node has this range: what it touches of ours is not free. Any CIDR, also one of another family. */
  take(cidr: string): void {
    const touched = this.#touched(cidr);
    if (touched) this.#taken.take(touched);
  }

  /** A node that had it, as it was taken, has it no longer. */
  release(cidr: string): void {
    const touched = this.#touched(cidr);
    if (touched) this.#taken.release(touched);
  }

  /**
   * The first free share after the one handed out last, going round. Undefined when all are taken. A share that was
   * given back is thus taken again as late as possible.
   */
  next(): Share | undefined {
    const index = this.#taken.nextFree(this.#last + 1) ?? this.#taken.nextFree(0);
    if (index === undefined) return undefined;
    const address = this.#base + (BigInt(index) << this.#shift);
    const first = ipaddr.fromByteArray(toBytes(address, this.#bytes)).toString();
    return { index, cidr: `${first}/${this.#maskSize}` };
  }

  /** This share was handed out, or could not be: the next one is another. */
  pass({ index }: Share): void {
    this.#last = index;
  }

  /** Which shares a CIDR touches, as indices; undefined when it lies outside. */
  #touched(cidr: string): { readonly first: number; readonly last: number } | undefined {
    const [address, prefix] = ipaddr.parseCIDR(cidr);
    const bytes = address.toByteArray();
    if (bytes.length !== this.#bytes) return undefined;
    const hostBits = BigInt(bytes.length * 8 - prefix);
    const start = ((toNumber(bytes) >> hostBits) << hostBits) - this.#base;
    const end = start + (1n << hostBits) - 1n;
    const [first, last] = [start >> this.#shift, end >> this.#shift];
    if (last < 0n || first >= BigInt(this.#count)) return undefined;
    return { first: Math.max(0, Number(first)), last: Math.min(this.#count - 1, Number(last)) };
  }
}

function toNumber(bytes: readonly number[]): bigint {
  return bytes.reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
}

function toBytes(number: bigint, length: number): number[] {
  return Array.from({ length }, (_, index) => Number((number >> BigInt(8 * (length - 1 - index))) & 0xffn));
}
