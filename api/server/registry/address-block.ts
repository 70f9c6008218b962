import ipaddr from 'ipaddr.js';
import { toBigInt } from './address-range.ts';

/** A CIDR as numbers. Two of a family are apart, or one lies within the other. */
export interface AddressBlock {
  /** As it was written; it may name an address within. */
  readonly cidr: string;
  readonly family: 'ipv4' | 'ipv6';
  readonly bits: number;
  readonly prefix: number;
  /** The network's address, as a number. */
  readonly first: bigint;
}

/** Throws for text that is no CIDR. */
export function parseBlock(cidr: string): AddressBlock {
  const [address, prefix] = ipaddr.parseCIDR(cidr);
  const bytes = address.toByteArray();
  const block = { cidr, family: address.kind(), bits: bytes.length * 8, prefix };
  return { ...block, first: networkOf({ ...block, first: toBigInt(bytes) }, prefix) };
}

/** The first address of the block with a shorter (or the same) prefix that a block lies in. */
export function networkOf({ first, bits }: AddressBlock, prefix: number): bigint {
  const hostBits = BigInt(bits - prefix);
  return (first >> hostBits) << hostBits;
}

/** Whether two blocks have an address in common. */
export function overlaps(a: AddressBlock, b: AddressBlock): boolean {
  const shorter = Math.min(a.prefix, b.prefix);
  return a.family === b.family && networkOf(a, shorter) === networkOf(b, shorter);
}
