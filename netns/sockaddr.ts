import ipaddr from 'ipaddr.js';
import { decodeIp, familyOfNumber } from './ip.ts';
import { AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_UNIX } from './socket.ts';

/** struct sockaddr_in or sockaddr_in6 (linux/in.h, linux/in6.h) for a literal address. */
export function encodeInetAddress(host: string, port: number): Buffer {
  const address = ipaddr.parse(host);
  const bytes = Buffer.from(address.toByteArray());
  const v4 = bytes.length === 4;
  const encoded = Buffer.alloc(v4 ? 16 : 28);
  encoded.writeUInt16LE(v4 ? AF_INET : AF_INET6, 0);
  encoded.writeUInt16BE(port, 2);
  bytes.copy(encoded, v4 ? 4 : 8);
  return encoded;
}

/** The port of an encoded internet address. */
export function decodePort(encoded: Buffer): number {
  return encoded.readUInt16BE(2);
}

/** What an encoded internet address says, in canonical text; undefined where it is of another family. */
export function decodeInetAddress(encoded: Buffer): { host: string; port: number } | undefined {
  const family = familyOfNumber(encoded.readUInt16LE(0));
  if (!family) return undefined;
  const bytes = family === 'ipv4' ? encoded.subarray(4, 8) : encoded.subarray(8, 24);
  return { host: decodeIp(bytes), port: decodePort(encoded) };
}

/** struct sockaddr_un (linux/un.h); a leading `@` means the abstract namespace, as systemd writes it. */
export function encodeUnixAddress(path: string): Buffer {
  const encoded = Buffer.concat([
    Buffer.alloc(2),
    Buffer.from(path),
    Buffer.alloc(path.startsWith('@') ? 0 : 1),
  ]);
  encoded.writeUInt16LE(AF_UNIX, 0);
  if (path.startsWith('@')) encoded[2] = 0;
  return encoded;
}

/** struct sockaddr_nl (linux/netlink.h): let the kernel choose the port, join `groups` (legacy bit mask). */
export function encodeNetlinkAddress(groups: number): Buffer {
  const encoded = Buffer.alloc(12);
  encoded.writeUInt16LE(AF_NETLINK, 0);
  encoded.writeUInt32LE(groups, 8);
  return encoded;
}

/** struct sockaddr_ll (linux/if_packet.h): frames of one Ethernet type on one link. */
export function encodeLinkAddress(ifindex: number, etherType: number): Buffer {
  const encoded = Buffer.alloc(20);
  encoded.writeUInt16LE(AF_PACKET, 0);
  encoded.writeUInt16BE(etherType, 2);
  encoded.writeInt32LE(ifindex, 4);
  return encoded;
}
