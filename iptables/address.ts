import ipaddr from 'ipaddr.js';

import type { Family } from './family.ts';

type Parsed = ipaddr.IPv4 | ipaddr.IPv6;

/** Parses one address; undefined when it is none. IPv4 in its four-part form only: `10.1` is a mistake, not 10.0.0.1. */
function parseAddress(text: string): Parsed | undefined {
  const isAddress = text.includes(':') ? ipaddr.IPv6.isValid(text) : ipaddr.IPv4.isValidFourPartDecimal(text);
  if (!isAddress || text.includes('%')) return undefined;
  return ipaddr.parse(text);
}

/** An IPv4 address as everybody writes it: nearly all addresses there are. */
const plainIPv4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

/** The address as the kernel's tools print it (RFC 5952), the very same text if it is; undefined when it is none. */
export function normalizeAddress(text: string): string | undefined {
  if (plainIPv4.test(text)) return text;
  const normal = parseAddress(text)?.toString();
  return normal === text ? text : normal;
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

/** Valid CIDRs of any family, to be asked often whether an address lies in one of them. */
export class CidrSet {
  readonly #ipv4: readonly { readonly network: number; readonly mask: number }[];
  readonly #ipv6: readonly [ipaddr.IPv6, number][];

  constructor(cidrs: readonly string[]) {
    const parsed = cidrs.map((cidr) => ipaddr.parseCIDR(cidr));
    this.#ipv4 = parsed.flatMap(([network, length]) => {
      if (network.kind() !== 'ipv4') return [];
      const mask = length === 0 ? 0 : (-1 << (32 - length)) >>> 0;
      return [{ network: (ipv4Number(network.toString()) & mask) >>> 0, mask }];
    });
    this.#ipv6 = parsed.filter((each): each is [ipaddr.IPv6, number] => each[0].kind() === 'ipv6');
  }

  /** Whether a valid address lies in one of them. */
  contains(address: string): boolean {
    if (familyOf(address) === 'ipv4') {
      const number = ipv4Number(address);
      return this.#ipv4.some(({ network, mask }) => (number & mask) >>> 0 === network);
    }
    if (this.#ipv6.length === 0) return false;
    const parsed = ipaddr.IPv6.parse(address);
    return this.#ipv6.some(([network, length]) => parsed.match(network, length));
  }
}

/** A valid IPv4 address as a number, without any object on the way. */
function ipv4Number(address: string): number {
  let [number, byte] = [0, 0];
  for (let at = 0; at < address.length; at += 1) {
    const code = address.charCodeAt(at);
    if (code === 46) [number, byte] = [number * 256 + byte, 0];
    else byte = byte * 10 + code - 48;
  }
  return number * 256 + byte;
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
