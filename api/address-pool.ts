import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

type Family = 'IPv4' | 'IPv6';

/** Consecutive addresses of one family, all of them to be given away. */
export interface AddressPool {
  /** As it was written: `192.0.2.16/28` or `192.0.2.16-192.0.2.31`. */
  readonly text: string;
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
}

/** Reads a range or its first and last address; undefined for other text, mixed families or a range upside down. */
export function parseAddressPool(text: string): AddressPool | undefined {
  const [from = '', to = '', ...more] = text.split('-').map((part) => part.trim());
  if (more.length > 0) return undefined;
  if (to === '') return parseRange(text.trim());
  const family = familyOf(from);
  if (family === undefined || family !== familyOf(to)) return undefined;
  const [first, last] = [toNumber(from), toNumber(to)];
  return first <= last ? { text, family, first, last } : undefined;
}

function parseRange(text: string): AddressPool | undefined {
  const [address = '', digits = ''] = text.split('/');
  const family = familyOf(address);
  const bits = family === 'IPv4' ? 32 : 128;
  if (family === undefined || !/^\d{1,3}$/.test(digits) || Number(digits) > bits) return undefined;
  const size = 1n << BigInt(bits - Number(digits));
  const first = (toNumber(address) / size) * size;
  return { text, family, first, last: first + size - 1n };
}

/** Reads the pools of a cluster's settings, which were checked when they were given. */
export function parseAddressPools(texts: readonly string[]): AddressPool[] {
  return texts.map(parseAddressPool).filter((pool) => pool !== undefined);
}

export function poolContains(pool: AddressPool, address: string): boolean {
  if (familyOf(address) !== pool.family) return false;
  const number = toNumber(address);
  return pool.first <= number && number <= pool.last;
}

/** The fewest ranges that together are the pool, e.g. for packet filters: `192.0.2.16/28`. */
export function poolCIDRs({ family, first, last }: AddressPool): string[] {
  const bits = family === 'IPv4' ? 32 : 128;
  const ranges: string[] = [];
  for (let start = first; start <= last;) {
    let prefix = bits;
    // The range twice as large, as long as it begins here and ends in the pool.
    while (prefix > 0) {
      const size = 1n << BigInt(bits - prefix + 1);
      if (start % size !== 0n || start + size - 1n > last) break;
      prefix -= 1;
    }
    ranges.push(`${toText(start, family)}/${prefix}`);
    start += 1n << BigInt(bits - prefix);
  }
  return ranges;
}

export function poolsOverlap(a: AddressPool, b: AddressPool): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last;
}

/** The pool's lowest address that is free, in canonical text. */
export function firstFree(pool: AddressPool, isFree: (address: string) => boolean): string | undefined {
  for (let number = pool.first; number <= pool.last; number += 1n) {
    const address = toText(number, pool.family);
    if (isFree(address)) return address;
  }
  return undefined;
}

function familyOf(address: string): Family | undefined {
  const version = isIP(address);
  return version === 4 ? 'IPv4' : version === 6 ? 'IPv6' : undefined;
}

function toNumber(address: string): bigint {
  return BigInt(`0x${Buffer.from(ipaddr.parse(address).toByteArray()).toString('hex')}`);
}

function toText(number: bigint, family: Family): string {
  const bytes = family === 'IPv4' ? 4 : 16;
  const hex = number.toString(16).padStart(2 * bytes, '0');
  return ipaddr.fromByteArray([...Buffer.from(hex, 'hex')]).toString();
}
