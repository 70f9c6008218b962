import { decodeMac, encodeMac } from './mac.ts';

/** linux/if_ether.h */
export const ETH_P_IP = 0x0800;
export const ETH_P_ARP = 0x0806;
export const ETH_P_IPV6 = 0x86dd;
/** Length of an Ethernet header without VLAN tag; the kernel takes the tag off before a VLAN device sees a frame. */
export const headerLength = 14;

export const broadcastMac = 'ff:ff:ff:ff:ff:ff';

/** The head of an Ethernet II frame. */
export interface EthernetHeader {
  readonly destination: string;
  readonly source: string;
  readonly type: number;
}

export function encodeFrame({ destination, source, type }: EthernetHeader, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(headerLength);
  header.set(encodeMac(destination), 0);
  header.set(encodeMac(source), 6);
  header.writeUInt16BE(type, 12);
  return Buffer.concat([header, payload]);
}

/** The head of a frame; undefined when the frame is too short for one. */
export function decodeHeader(frame: Buffer): EthernetHeader | undefined {
  if (frame.length < headerLength) return undefined;
  return {
    destination: decodeMac(frame.subarray(0, 6)),
    source: decodeMac(frame.subarray(6, 12)),
    type: frame.readUInt16BE(12),
  };
}
