import ipaddr from 'ipaddr.js';
import { AF_INET, AF_INET6 } from './socket.ts';

export type Family = 'ipv4' | 'ipv6';

/** What differs between the families, as data. */
export const families: Readonly<Record<Family, { readonly number: number; readonly bits: number }>> = {
  ipv4: { number: AF_INET, bits: 32 },
  ipv6: { number: AF_INET6, bits: 128 },
};

/** The family of an address or CIDR in text form. */
export function familyOf(text: string): Family {
  return text.includes(':') ? 'ipv6' : 'ipv4';
}

/** The family of an AF_… number, or undefined when it is no internet family. */
export function familyOfNumber(number: number): Family | undefined {
  if (number === AF_INET) return 'ipv4';
  return number === AF_INET6 ? 'ipv6' : undefined;
}

/** An address's 4 or 16 bytes. @throws RangeError when it is none */
export function encodeIp(address: string): Buffer {
  return Buffer.from(parse(address));
}

/** The canonical text (RFC 5952) of 4 or 16 bytes. */
export function decodeIp(bytes: Uint8Array): string {
  return ipaddr.fromByteArray([...bytes]).toString();
}

/** A range of addresses. */
export interface Cidr {
  readonly family: Family;
  /** The range's first address as a number. */
  readonly base: bigint;
  readonly prefix: number;
  /** How many addresses it holds. */
  readonly size: bigint;
}

/** Parses `10.244.1.0/24`; bits behind the prefix are cleared. @throws RangeError when it is no CIDR */
export function parseCidr(text: string): Cidr {
  const [, address = '', digits = ''] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const family = familyOf(text);
  const prefix = Number(digits);
  if (address === '' || prefix > families[family].bits) {
    throw new RangeError(`${JSON.stringify(text)} is no CIDR`);
  }
  const size = 1n << BigInt(families[family].bits - prefix);
  const number = toNumber(parse(address));
  return { family, base: number - (number % size), prefix, size };
}

/** The text of a range, `10.244.1.0/24`. */
export function renderCidr(cidr: Cidr): string {
  return `${addressAt(cidr, 0n)}/${cidr.prefix}`;
}

/** The text of the range's n-th address; the first is 0. */
export function addressAt(cidr: Cidr, n: bigint): string {
  const bytes = Buffer.alloc(families[cidr.family].bits / 8);
  let rest = cidr.base + n;
  for (let i = bytes.length - 1; i >= 0; i -= 1) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return decodeIp(bytes);
}

/** Which address of the range this is, counting from 0, or undefined when it lies outside. */
export function positionIn(cidr: Cidr, address: string): bigint | undefined {
  if (familyOf(address) !== cidr.family) return undefined;
  const position = toNumber(parse(address)) - cidr.base;
  return position >= 0n && position < cidr.size ? position : undefined;
}

/** Whether two ranges share an address. */
export function overlap(a: Cidr, b: Cidr): boolean {
  return a.family === b.family && a.base < b.base + b.size && b.base < a.base + a.size;
}

/** Strict: ipaddr.js alone takes `10.1` for 10.0.0.1, as inet_aton(3) does. */
function parse(address: string): readonly number[] {
  const { IPv4, IPv6 } = ipaddr;
  if (familyOf(address) === 'ipv4' && IPv4.isValidFourPartDecimal(address)) {
    return IPv4.parse(address).toByteArray();
  }
  if (familyOf(address) === 'ipv6' && IPv6.isValid(address)) return IPv6.parse(address).toByteArray();
  throw new RangeError(`${JSON.stringify(address)} is no IP address`);
}

function toNumber(bytes: readonly number[]): bigint {
  return bytes.reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
}
