import { parseIPv4, parseIPv6, renderIPv4, renderIPv6 } from './ip-text.ts';
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
  if (familyOf(address) === 'ipv4') return Buffer.from(parseIPv4(address) ?? refuse(address));
  const bytes = Buffer.allocUnsafe(16);
  for (const [i, group] of (parseIPv6(address) ?? refuse(address)).entries())
    bytes.writeUInt16BE(group, 2 * i);
  return bytes;
}

/** The canonical text (RFC 5952) of 4 or 16 bytes. */
export function decodeIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return renderIPv4(bytes);
  return renderIPv6(
    Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)),
  );
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
  return { family, base: toNumber(address) & ~(size - 1n), prefix, size };
}

/** The text of a range, `10.244.1.0/24`. */
export function renderCidr(cidr: Cidr): string {
  return `${addressAt(cidr, 0n)}/${cidr.prefix}`;
}

/** The text of the range's n-th address; the first is 0. */
export function addressAt({ family, base }: Cidr, n: bigint): string {
  const bytes = Buffer.allocUnsafe(families[family].bits / 8);
  const number = base + n;
  if (family === 'ipv4') bytes.writeUInt32BE(Number(number));
  else {
    bytes.writeBigUInt64BE(number >> 64n, 0);
    bytes.writeBigUInt64BE(BigInt.asUintN(64, number), 8);
  }
  return decodeIp(bytes);
}

/** Which address of the range this is, counting from 0, or undefined when it lies outside. */
export function positionIn(cidr: Cidr, address: string): bigint | undefined {
  if (familyOf(address) !== cidr.family) return undefined;
  const position = toNumber(address) - cidr.base;
  return position >= 0n && position < cidr.size ? position : undefined;
}

/** Whether two ranges share an address. */
export function overlap(a: Cidr, b: Cidr): boolean {
  return a.family === b.family && a.base < b.base + b.size && b.base < a.base + a.size;
}

function toNumber(address: string): bigint {
  const bytes = encodeIp(address);
  if (bytes.length === 4) return BigInt(bytes.readUInt32BE());
  return (bytes.readBigUInt64BE(0) << 64n) | bytes.readBigUInt64BE(8);
}

function refuse(address: string): never {
  throw new RangeError(`${JSON.stringify(address)} is no IP address`);
}
