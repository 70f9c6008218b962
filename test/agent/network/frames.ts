import { encodeFrame, ETH_P_IPV6 } from '../../../netns/ethernet.ts';
import { encodeIp, familyOf } from '../../../netns/ip.ts';

/** A UDP datagram as somebody could put it on a link. */
export interface Datagram {
  readonly sourceMac: string;
  readonly destinationMac: string;
  readonly source: string;
  readonly destination: string;
  readonly port: number;
}

/** A frame with the datagram (RFC 768, RFC 791, RFC 8200), without data and without a UDP checksum. */
export function udpFrame({ sourceMac, destinationMac, source, destination, port }: Datagram): Buffer {
  const udp = Buffer.alloc(8);
  udp.writeUInt16BE(40_000, 0);
  udp.writeUInt16BE(port, 2);
  udp.writeUInt16BE(udp.length, 4);
  const addresses = Buffer.concat([encodeIp(source), encodeIp(destination)]);
  const macs = { source: sourceMac, destination: destinationMac };
  if (familyOf(source) === 'ipv6') {
    const header = Buffer.from([0x60, 0, 0, 0, 0, udp.length, 17, 64]);
    return encodeFrame({ ...macs, type: ETH_P_IPV6 }, Buffer.concat([header, addresses, udp]));
  }
  const header = Buffer.concat([Buffer.from([0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0]), addresses]);
  header.writeUInt16BE(checksum(header), 10);
  return encodeFrame({ ...macs, type: 0x0800 }, Buffer.concat([header, udp]));
}

/** RFC 1071. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
