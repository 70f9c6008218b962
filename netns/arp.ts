import { decodeHeader, encodeFrame, ETH_P_ARP, headerLength } from './ethernet.ts';
import { decodeIp, encodeIp } from './ip.ts';
import { decodeMac, encodeMac } from './mac.ts';

/** RFC 826: Ethernet (1), IPv4 (0x0800), 6 and 4 bytes long. */
const preamble = Buffer.of(0, 1, 8, 0, 6, 4);
const packetLength = 28;
const operations = { request: 1, reply: 2 } as const;

/** An ARP packet for IPv4 over Ethernet (RFC 826). */
export interface ArpPacket {
  readonly operation: keyof typeof operations;
  readonly sender: ArpParty;
  readonly target: ArpParty;
}

interface ArpParty {
  readonly mac: string;
  readonly address: string;
}

/** "Nobody": the target of a request is what is asked for, the sender of a probe has no address yet (RFC 5227). */
export const nobody = { mac: '00:00:00:00:00:00', address: '0.0.0.0' } as const;

/** The packet in an Ethernet frame; undefined when there is none for IPv4 over Ethernet. */
export function decodeArp(frame: Buffer): ArpPacket | undefined {
  if (decodeHeader(frame)?.type !== ETH_P_ARP) return undefined;
  const packet = frame.subarray(headerLength, headerLength + packetLength);
  if (packet.length < packetLength || !packet.subarray(0, 6).equals(preamble)) return undefined;
  const number = packet.readUInt16BE(6);
  const operation = (['request', 'reply'] as const).find((each) => operations[each] === number);
  if (operation === undefined) return undefined;
  return { operation, sender: decodeParty(packet, 8), target: decodeParty(packet, 18) };
}

/** A frame with an ARP packet, from its sender to `destination`. */
export function encodeArp(destination: string, { operation, sender, target }: ArpPacket): Buffer {
  const packet = Buffer.concat([
    preamble,
    Buffer.of(0, operations[operation]),
    encodeParty(sender),
    encodeParty(target),
  ]);
  return encodeFrame({ destination, source: sender.mac, type: ETH_P_ARP }, packet);
}

function decodeParty(packet: Buffer, at: number): ArpParty {
  return { mac: decodeMac(packet.subarray(at, at + 6)), address: decodeIp(packet.subarray(at + 6, at + 10)) };
}

function encodeParty({ mac, address }: ArpParty): Buffer {
  return Buffer.concat([encodeMac(mac), encodeIp(address)]);
}
