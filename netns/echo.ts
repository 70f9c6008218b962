import type { Family } from './ip.ts';
import { familyOf } from './ip.ts';
import { internetChecksum, pseudoHeader } from './internet-checksum.ts';
import type { Ends } from './ip-packet.ts';
import { IPPROTO_ICMP, IPPROTO_ICMPV6, ipHeaderBytes } from './ip-packet.ts';

/** RFC 792 and RFC 4443 section 4: what differs between the families. */
export const echoTypes: Readonly<
  Record<Family, { readonly protocol: number; readonly request: number; readonly reply: number }>
> = {
  ipv4: { protocol: IPPROTO_ICMP, request: 8, reply: 0 },
  ipv6: { protocol: IPPROTO_ICMPV6, request: 128, reply: 129 },
};

const echoHeaderBytes = 8;

/** By what a reply is known again: both are 16 bits. */
export interface EchoMark {
  readonly identifier: number;
  readonly sequence: number;
}

/** An echo request whose whole IP packet has `packetBytes`. */
export function encodeEchoRequest(
  ends: Ends,
  { identifier, sequence }: EchoMark,
  packetBytes: number,
): Buffer {
  const family = familyOf(ends.source);
  const { protocol, request } = echoTypes[family];
  const message = Buffer.alloc(Math.max(echoHeaderBytes, packetBytes - ipHeaderBytes[family]));
  message.writeUInt8(request, 0);
  message.writeUInt16BE(identifier, 4);
  message.writeUInt16BE(sequence, 6);
  const covered =
    family === 'ipv4' ? [] : [pseudoHeader(ends.source, ends.destination, protocol, message.length)];
  message.writeUInt16BE(internetChecksum(...covered, message), 2);
  return message;
}

/** The reply in what a raw socket of the family received: with the IP header over IPv4, without over IPv6. */
export function decodeEchoReply(family: Family, received: Buffer): EchoMark | undefined {
  const at = family === 'ipv4' ? ((received[0] ?? 0) & 0x0f) * 4 : 0;
  if (received.length < at + echoHeaderBytes || received[at] !== echoTypes[family].reply) return undefined;
  return { identifier: received.readUInt16BE(at + 4), sequence: received.readUInt16BE(at + 6) };
}
