import ipaddr from 'ipaddr.js';

import type { Family } from './family.ts';

type Parsed = ipaddr.IPv4 | ipaddr.IPv6;

/** Parses one address; undefined when it is none. IPv4 in its four-part form only: `10.1` is a mistake, not 10.0.0.1. */
function parseAddress(text: string): Parsed | undefined {
  const isAddress = text.includes(':') ? ipaddr.IPv6.isValid(text) : ipaddr.IPv4.isValidFourPartDecimal(text);
  if (!isAddress || text.includes('%')) return undefined;
  return ipaddr.parse(text);
}

/** The address as the kernel's tools print it (RFC 5952); undefined when it is none. */
export function normalizeAddress(text: string): string | undefined {
  return parseAddress(text)?.toString();
}

/** The CIDR with host bits cleared, as the kernel's tools print it; a bare address gets its full length. */
export function normalizeCIDR(text: string): string | undefined {
  const [address = '', length] = text.trim().split('/');
  const parsed = parseAddress(address);
  if (!parsed) return undefined;
  const bits = parsed.kind() === 'ipv4' ? 32 : 128;
  const prefix = length === undefined ? bits : Number(length);
  if (length === '' || !Number.isInteger(prefix) || prefix < 0 || prefix > bits) return undefined;
  const bytes = parsed.toByteArray().map((byte, index) => byte & (0xff << (8 - clamp(prefix - index * 8))));
  return `${ipaddr.fromByteArray(bytes).toString()}/${String(prefix)}`;
}

function clamp(bits: number): number {
  return Math.min(8, Math.max(0, bits));
}

/** The family of an address or CIDR that is known to be valid. */
export function familyOf(text: string): Family {
  return text.includes(':') ? 'ipv6' : 'ipv4';
}

/** Whether a valid address lies in a valid CIDR of any family. */
export function cidrContains(cidr: string, address: string): boolean {
  if (familyOf(cidr) !== familyOf(address)) return false;
  const [network = '', length] = cidr.split('/');
  const [bytes, others] = [bytesOf(network), bytesOf(address)];
  let bits = Number(length);
  for (let index = 0; bits > 0; index++, bits -= 8) {
    const mask = 0xff00 >> Math.min(bits, 8);
    if ((((bytes[index] ?? 0) ^ (others[index] ?? 0)) & mask) !== 0) return false;
  }
  return true;
}

/** The address's 4-bit digits, lowest first: the digits in which addresses of one range differ most. */
export function lowNibbles(address: string): number[] {
  const digits: number[] = [];
  const bytes = bytesOf(address);
  for (let index = bytes.length - 1; index >= 0; index--) {
    const byte = bytes[index] ?? 0;
    digits.push(byte & 0xf, byte >> 4);
  }
  return digits;
}

/** The bytes of a valid address. IPv4 is read by hand: tens of thousands of addresses pass here at a start. */
function bytesOf(address: string): readonly number[] {
  return address.includes(':') ? ipaddr.IPv6.parse(address).toByteArray() : address.split('.').map(Number);
}
