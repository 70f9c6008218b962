import type { Family } from './ip.ts';
import { encodeIp, familyOf } from './ip.ts';
import { internetChecksum, pseudoHeader } from './internet-checksum.ts';

/** linux/in.h */
export const IPPROTO_ICMP = 1;
export const IPPROTO_UDP = 17;
export const IPPROTO_ICMPV6 = 58;

/** Bytes of an IP header without options (RFC 791, RFC 8200). */
export const ipHeaderBytes: Readonly<Record<Family, number>> = { ipv4: 20, ipv6: 40 };
const hopLimit = 64;
const DONT_FRAGMENT = 0x4000;
export const udpHeaderBytes = 8;

/** Who sends to whom, in one family. */
export interface Ends {
  readonly source: string;
  readonly destination: string;
}

/** A whole IP packet that nobody may fragment. */
export function encodeIpPacket({ source, destination }: Ends, protocol: number, payload: Buffer): Buffer {
  const addresses = [encodeIp(source), encodeIp(destination)];
  if (familyOf(source) === 'ipv6') {
    const header = Buffer.alloc(8);
    header.writeUInt8(0x60, 0);
    header.writeUInt16BE(payload.length, 4);
    header.writeUInt8(protocol, 6);
    header.writeUInt8(hopLimit, 7);
    return Buffer.concat([header, ...addresses, payload]);
  }
  const header = Buffer.concat([Buffer.alloc(12), ...addresses]);
  header.writeUInt8(0x45, 0);
  header.writeUInt16BE(header.length + payload.length, 2);
  header.writeUInt16BE(DONT_FRAGMENT, 6);
  header.writeUInt8(hopLimit, 8);
  header.writeUInt8(protocol, 9);
  header.writeUInt16BE(internetChecksum(header), 10);
  return Buffer.concat([header, payload]);
}

/** A UDP message (RFC 768) with its checksum, as no card has to compute it. */
export function encodeUdp(ends: Ends, ports: readonly [from: number, to: number], data: Buffer): Buffer {
  const message = Buffer.concat([Buffer.alloc(udpHeaderBytes), data]);
  message.writeUInt16BE(ports[0], 0);
  message.writeUInt16BE(ports[1], 2);
  message.writeUInt16BE(message.length, 4);
  const sum = internetChecksum(
    pseudoHeader(ends.source, ends.destination, IPPROTO_UDP, message.length),
    message,
  );
  // 0 means that there is none.
  message.writeUInt16BE(sum === 0 ? 0xffff : sum, 6);
  return message;
}
