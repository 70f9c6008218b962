import { encodeFrame, ETH_P_IP, ETH_P_IPV6, headerLength } from './ethernet.ts';
import type { EthernetHeader } from './ethernet.ts';
import type { Family } from './ip.ts';
import { familyOf } from './ip.ts';
import { ipHeaderBytes, udpHeaderBytes } from './ip-packet.ts';

/** RFC 7348 section 5: the flag that the network identifier is valid. */
const VALID_VNI = 0x08;
const vxlanHeaderBytes = 8;

/** Bytes that vxlan puts around a packet, by the family of its nodes' addresses: IP, UDP, vxlan and Ethernet headers. */
export const vxlanOverheadBytes: Readonly<Record<Family, number>> = {
  ipv4: ipHeaderBytes.ipv4 + udpHeaderBytes + vxlanHeaderBytes + headerLength,
  ipv6: ipHeaderBytes.ipv6 + udpHeaderBytes + vxlanHeaderBytes + headerLength,
};

/** What a vxlan datagram carries: the head and a frame with one IP packet of `source`'s family in it. */
export function encodeVxlan(
  vni: number,
  macs: Pick<EthernetHeader, 'source' | 'destination'>,
  { source, packet }: { readonly source: string; readonly packet: Buffer },
): Buffer {
  const head = Buffer.alloc(vxlanHeaderBytes);
  head.writeUInt8(VALID_VNI, 0);
  head.writeUInt32BE(vni * 0x100, 4);
  const type = familyOf(source) === 'ipv4' ? ETH_P_IP : ETH_P_IPV6;
  return Buffer.concat([head, encodeFrame({ ...macs, type }, packet)]);
}
