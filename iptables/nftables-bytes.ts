import { isIPv6 } from 'node:net';

import { encodeIp } from '../netns/ip.ts';
import { RulesError } from './error.ts';
import type { Protocol } from './model.ts';

/** What one part of a key or value is. Each part starts at a multiple of four bytes. */
export type Part = 'address4' | 'address6' | 'protocol' | 'port' | 'number';

/** IANA protocol numbers. */
export const protocolNumbers: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17, sctp: 132 };

/** The length of a part with its padding. */
export function partBytes(part: Part): number {
  return part === 'address6' ? 16 : 4;
}

/** The length of parts in a row. */
export function partsBytes(parts: readonly Part[]): number {
  return parts.reduce((sum, part) => sum + partBytes(part), 0);
}

/** Parts one behind the other, as the kernel concatenates them. */
export function concatenate(...parts: readonly Buffer[]): Buffer {
  let length = 0;
  for (const part of parts) length += part.length;
  const bytes = Buffer.allocUnsafe(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/**
 * An address in network byte order. Thousands are written at once, in the kernel's own notation: taken apart by hand.
 * @throws RulesError REFUSED when it is none
 */
export function addressBytes(text: string): Buffer {
  const bytes = text.includes(':') ? ipv6Bytes(text) : ipv4Bytes(text);
  if (!bytes) throw new RulesError('REFUSED', `${JSON.stringify(text)} is not an address`);
  return bytes;
}

function ipv4Bytes(text: string): Buffer | undefined {
  const bytes = Buffer.allocUnsafe(4);
  let at = 0;
  let number = -1;
  for (let index = 0; index <= text.length; index += 1) {
    const code = index < text.length ? text.charCodeAt(index) : 0x2e;
    if (code >= 0x30 && code <= 0x39) number = Math.max(number, 0) * 10 + code - 0x30;
    else if (code === 0x2e && number >= 0 && number <= 255 && at < 4) {
      bytes[at++] = number;
      number = -1;
    } else return undefined;
  }
  return at === 4 ? bytes : undefined;
}

function ipv6Bytes(text: string): Buffer | undefined {
  if (!isIPv6(text) || text.includes('%')) return undefined;
  // An IPv4 address at its end.
  if (text.includes('.')) return encodeIp(text);
  const [head = '', tail] = text.split('::');
  const bytes = Buffer.alloc(16);
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  front.forEach((group, index) => bytes.writeUInt16BE(parseInt(group, 16), 2 * index));
  back.forEach((group, index) => bytes.writeUInt16BE(parseInt(group, 16), 16 - 2 * (back.length - index)));
  return bytes;
}

/** A protocol: one byte. */
export function protocolBytes(protocol: Protocol): Buffer {
  return Buffer.of(protocolNumbers[protocol], 0, 0, 0);
}

/**
 * A port: two bytes in network byte order.
 * @throws RulesError REFUSED when there is no such port
 */
export function portBytes(port: number): Buffer {
  if (!Number.isInteger(port) || port < 0 || port > 0xffff) {
    throw new RulesError('REFUSED', `${String(port)} is not a port`);
  }
  return Buffer.of(port >> 8, port & 0xff, 0, 0);
}

/** A mark or another number: the host's byte order, little-endian here. */
export function numberBytes(number: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32LE(number >>> 0);
  return bytes;
}

/** The first and the last address of a CIDR; a bare address is a range of one. @throws RulesError REFUSED */
export function rangeBytes(cidr: string): { first: Buffer; last: Buffer } {
  const [address = '', length] = cidr.split('/');
  const first = addressBytes(address);
  const prefix = length === undefined ? first.length * 8 : Number(length);
  if (!Number.isInteger(prefix) || prefix < 0 || prefix > first.length * 8) {
    throw new RulesError('REFUSED', `${JSON.stringify(cidr)} is not a range of addresses`);
  }
  const last = Buffer.from(first);
  for (let index = 0; index < first.length; index += 1) {
    const hostBits = 0xff >> Math.min(8, Math.max(0, prefix - index * 8));
    first[index] = (first[index] ?? 0) & ~hostBits;
    last[index] = (first[index] ?? 0) | hostBits;
  }
  return { first, last };
}

/** The address behind this one; undefined behind the last. */
export function nextAddress(address: Buffer): Buffer | undefined {
  const next = Buffer.from(address);
  for (let index = next.length - 1; index >= 0; index -= 1) {
    next[index] = ((next[index] ?? 0) + 1) & 0xff;
    if (next[index] !== 0) return next;
  }
  return undefined;
}
