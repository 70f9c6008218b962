import { decodeHeader, encodeFrame, ETH_P_IPV6, headerLength } from './ethernet.ts';
import { internetChecksum, pseudoHeader } from './internet-checksum.ts';
import { decodeIp, encodeIp } from './ip.ts';
import { IPPROTO_ICMPV6 } from './ip-packet.ts';
import type { FilterInstruction } from './bpf.ts';
import { decodeMac, encodeMac } from './mac.ts';

/** RFC 8200 section 3, RFC 4861 section 4. */
const ipv6Length = 40;
const SOLICITATION = 135;
const ADVERTISEMENT = 136;
const messageLength = 24;
/** What comes from further than the link itself has less (RFC 4861 section 7.1). */
const hopLimit = 255;
const SOURCE_LINK_ADDRESS = 1;
const TARGET_LINK_ADDRESS = 2;
/** linux/bpf_common.h: BPF_LD|BPF_B|BPF_ABS, BPF_JMP|BPF_JEQ, …|BPF_JGE, …|BPF_JGT, BPF_RET. */
const BPF_LD_BYTE = 0x30;
const BPF_JUMP_EQUAL = 0x15;
const BPF_JUMP_NOT_LESS = 0x35;
const BPF_JUMP_GREATER = 0x25;
const BPF_RETURN = 0x06;
const SOLICITED = 0x40;
const OVERRIDE = 0x20;

export const unspecified = '::';
/** All nodes of the link. */
export const allNodes = 'ff02::1';

/** A neighbour solicitation or advertisement (RFC 4861 sections 4.3 and 4.4), with the addresses it travels by. */
export interface NeighborMessage {
  readonly type: 'solicitation' | 'advertisement';
  readonly source: string;
  readonly destination: string;
  /** What is asked for, or told of. */
  readonly target: string;
  /** The hardware address in the message's option: the source's of a solicitation, the target's of an advertisement. */
  readonly linkAddress?: string;
  /** An advertisement's flags: it answers a solicitation; it replaces what is known. */
  readonly solicited?: boolean;
  readonly override?: boolean;
}

/**
 * The classic BPF program that lets only solicitations and advertisements through. With extension headers in between
 * nobody sends them.
 */
export const neighborFilter: readonly FilterInstruction[] = [
  { code: BPF_LD_BYTE, value: headerLength + 6 }, // the next header
  { code: BPF_JUMP_EQUAL, value: IPPROTO_ICMPV6, jumpFalse: 4 },
  { code: BPF_LD_BYTE, value: headerLength + ipv6Length }, // the message's type
  { code: BPF_JUMP_NOT_LESS, value: SOLICITATION, jumpFalse: 2 },
  { code: BPF_JUMP_GREATER, value: ADVERTISEMENT, jumpTrue: 1 },
  { code: BPF_RETURN, value: 0xffff },
  { code: BPF_RETURN, value: 0 },
];

/** The message in an Ethernet frame; undefined when there is none, or one that RFC 4861 section 7.1 calls invalid. */
export function decodeNeighborMessage(frame: Buffer): NeighborMessage | undefined {
  if (decodeHeader(frame)?.type !== ETH_P_IPV6 || frame.length < headerLength + ipv6Length) return undefined;
  const header = frame.subarray(headerLength, headerLength + ipv6Length);
  const length = header.readUInt16BE(4);
  if (header[6] !== IPPROTO_ICMPV6 || header[7] !== hopLimit || length < messageLength) return undefined;
  const message = frame.subarray(headerLength + ipv6Length, headerLength + ipv6Length + length);
  const source = decodeIp(header.subarray(8, 24));
  const destination = decodeIp(header.subarray(24, 40));
  if (message.length < length || message[1] !== 0) return undefined;
  if (checksum(source, destination, message) !== 0) return undefined;
  const type = message[0] === SOLICITATION ? 'solicitation' : 'advertisement';
  if (type === 'advertisement' && message[0] !== ADVERTISEMENT) return undefined;
  const linkAddress = findLinkAddress(
    message.subarray(messageLength),
    type === 'solicitation' ? SOURCE_LINK_ADDRESS : TARGET_LINK_ADDRESS,
  );
  if (linkAddress === undefined || message[8] === 0xff) return undefined;
  const flags = message[4] ?? 0;
  return {
    type,
    source,
    destination,
    target: decodeIp(message.subarray(8, messageLength)),
    ...(linkAddress === '' ? {} : { linkAddress }),
    ...(type === 'advertisement'
      ? { solicited: (flags & SOLICITED) !== 0, override: (flags & OVERRIDE) !== 0 }
      : {}),
  };
}

/** A frame with the message, from one hardware address to another. */
export function encodeNeighborMessage(
  macs: { readonly source: string; readonly destination: string },
  { type, source, destination, target, linkAddress, solicited, override }: NeighborMessage,
): Buffer {
  const isSolicitation = type === 'solicitation';
  const option = isSolicitation ? SOURCE_LINK_ADDRESS : TARGET_LINK_ADDRESS;
  const message = Buffer.concat([
    Buffer.of(isSolicitation ? SOLICITATION : ADVERTISEMENT, 0, 0, 0),
    Buffer.of((solicited === true ? SOLICITED : 0) | (override === true ? OVERRIDE : 0), 0, 0, 0),
    encodeIp(target),
    ...(linkAddress === undefined ? [] : [Buffer.of(option, 1), encodeMac(linkAddress)]),
  ]);
  message.writeUInt16BE(checksum(source, destination, message), 2);
  const header = Buffer.alloc(8);
  header.writeUInt8(0x60, 0);
  header.writeUInt16BE(message.length, 4);
  header.writeUInt8(IPPROTO_ICMPV6, 6);
  header.writeUInt8(hopLimit, 7);
  return encodeFrame(
    { ...macs, type: ETH_P_IPV6 },
    Buffer.concat([header, encodeIp(source), encodeIp(destination), message]),
  );
}

/** The multicast group at which an address is asked for (RFC 4291 section 2.7.1). */
export function solicitedNodeGroup(address: string): string {
  const group = encodeIp('ff02::1:ff00:0');
  encodeIp(address).copy(group, 13, 13);
  return decodeIp(group);
}

/** The Ethernet address of an IPv6 multicast group (RFC 2464 section 7). */
export function multicastMac(group: string): string {
  return `33:33:${decodeMac(encodeIp(group).subarray(12))}`;
}

/** The hardware address in the options, '' without one, undefined when an option is broken. */
function findLinkAddress(options: Buffer, type: number): string | undefined {
  let found = '';
  for (let at = 0; at < options.length;) {
    const length = (options[at + 1] ?? 0) * 8;
    if (length === 0 || at + length > options.length) return undefined;
    if (options[at] === type && length === 8) found = decodeMac(options.subarray(at + 2, at + 8));
    at += length;
  }
  return found;
}

/** RFC 4443 section 2.3; 0 over a message that carries its own. */
function checksum(source: string, destination: string, message: Buffer): number {
  return internetChecksum(pseudoHeader(source, destination, IPPROTO_ICMPV6, message.length), message);
}
