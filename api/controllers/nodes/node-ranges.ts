import ipaddr from 'ipaddr.js';

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

interface Shares {
  /** First address of the range, as a number. */
  readonly base: bigint;
  /** Address bits below a share's prefix. */
  readonly shift: bigint;
  readonly count: number;
  readonly bytes: number;
  readonly maskSize: number;
}

function sharesOf(range: ClusterRange): Shares {
  const [address, prefix] = ipaddr.parseCIDR(range.cidr);
  const bytes = address.toByteArray().length;
  const base = toNumber(address.toByteArray());
  const shift = BigInt(bytes * 8 - range.maskSize);
  return { base, shift, count: 2 ** (range.maskSize - prefix), bytes, maskSize: range.maskSize };
}

/** Which of a range's shares a CIDR touches, as indices; `undefined` when it lies outside. */
export function shareIndices(range: ClusterRange, cidr: string): { first: number; last: number } | undefined {
  const shares = sharesOf(range);
  const [address, prefix] = ipaddr.parseCIDR(cidr);
  if (address.toByteArray().length !== shares.bytes) return undefined;
  const start = toNumber(address.toByteArray()) - shares.base;
  const end = start + (1n << BigInt(shares.bytes * 8 - prefix)) - 1n;
  const first = start >> shares.shift;
  const last = end >> shares.shift;
  if (last < 0n || first >= BigInt(shares.count)) return undefined;
  return { first: Math.max(0, Number(first)), last: Math.min(shares.count - 1, Number(last)) };
}

/**
 * The first free share after index `after`, going round. Undefined when all are taken. A share that was given
 * back is thus taken again as late as possible.
 */
export function nextShare(
  range: ClusterRange,
  taken: ReadonlySet<number>,
  after: number,
): { readonly index: number; readonly cidr: string } | undefined {
  const shares = sharesOf(range);
  for (let step = 1; step <= Math.min(shares.count, taken.size + 1); step += 1) {
    const index = (after + step) % shares.count;
    if (taken.has(index)) continue;
    const address = shares.base + (BigInt(index) << shares.shift);
    return {
      index,
      cidr: `${ipaddr.fromByteArray(toBytes(address, shares.bytes)).toString()}/${shares.maskSize}`,
    };
  }
  return undefined;
}

function toNumber(bytes: readonly number[]): bigint {
  return bytes.reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
}

function toBytes(number: bigint, length: number): number[] {
  return Array.from({ length }, (_, index) => Number((number >> BigInt(8 * (length - 1 - index))) & 0xffn));
}
