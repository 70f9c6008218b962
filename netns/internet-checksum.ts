import type { Family } from './ip.ts';
import { encodeIp, familyOf } from './ip.ts';

/** The Internet checksum (RFC 1071); 0 over bytes that carry their own. All parts but the last are of even length. */
export function internetChecksum(...parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts) {
    const even = part.length - (part.length % 2);
    for (let at = 0; at < even; at += 2) sum += ((part[at] ?? 0) << 8) | (part[at + 1] ?? 0);
    if (even < part.length) sum += (part[even] ?? 0) << 8;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

const layouts: Readonly<Record<Family, (rest: Buffer, protocol: number, length: number) => void>> = {
  ipv4(rest, protocol, length) {
    rest.writeUInt16BE(protocol, 0);
    rest.writeUInt16BE(length, 2);
  },
  ipv6(rest, protocol, length) {
    rest.writeUInt32BE(length, 0);
    rest.writeUInt32BE(protocol, 4);
  },
};

/** What a transport's checksum covers before the message itself (RFC 9293 section 3.1, RFC 8200 section 8.1). */
export function pseudoHeader(source: string, destination: string, protocol: number, length: number): Buffer {
  const family = familyOf(source);
  const rest = Buffer.alloc(family === 'ipv4' ? 4 : 8);
  layouts[family](rest, protocol, length);
  return Buffer.concat([encodeIp(source), encodeIp(destination), rest]);
}
