import * as m from './message.ts';
import type { Request } from './message.ts';
import type { NetlinkSocket } from './netlink.ts';
import { decodeIp, encodeIp, families, familyOf, familyOfNumber } from './ip.ts';

/** linux/rtnetlink.h */
export const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const headerLength = 8;
/** linux/if_addr.h; IFA_PROTO is kept since Linux 5.18 and ignored before. */
const IFA = { address: 1, local: 2, cacheinfo: 6, flags: 8, proto: 11 } as const;
const IFA_F_SECONDARY = 0x01;
const IFA_F_NODAD = 0x02;
const IFA_F_OPTIMISTIC = 0x04;
const IFA_F_DADFAILED = 0x08;
const IFA_F_TENTATIVE = 0x40;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_HOST = 254;
const forever = 0xffffffff;

/** An address of a link. */
export interface Address {
  readonly ifindex: number;
  readonly address: string;
  readonly prefix: number;
  /** Who set it; 0 when unknown. */
  readonly protocol: number;
  /**
   * Only answered on, never chosen as the source of a connection: scope host (IPv4), deprecated (IPv6).
   */
  readonly passive: boolean;
}

/** An address as the kernel has it. */
export interface ObservedAddress extends Address {
  /** Not yet, or not, proved to be unique on its link (RFC 4862, 5.4): nothing can be bound to it. */
  readonly tentative: boolean;
  /** Another address of the same subnet comes first (IPv4); for a few hours only (IPv6, RFC 8981). */
  readonly secondary: boolean;
}

/** All addresses of the socket's namespace. */
export function listAddresses(socket: NetlinkSocket): ObservedAddress[] {
  const payload = Buffer.alloc(headerLength);
  const request = { type: RTM_GETADDR, flags: 0, payload, name: 'RTM_GETADDR', about: '' };
  return socket.dump(request).flatMap((answer) => decodeAddress(answer) ?? []);
}

/** Asks for an address; one that is there already takes the new settings. */
export function ensureAddress(address: Address): Request {
  return encodeAddress(RTM_NEWADDR, 'RTM_NEWADDR', m.NLM_F_CREATE | m.NLM_F_REPLACE, address);
}

/** Asks for the end of an address. */
export function removeAddress(address: Address): Request {
  return encodeAddress(RTM_DELADDR, 'RTM_DELADDR', 0, address);
}

/** The address of an RTM_NEWADDR or RTM_DELADDR message, or undefined when it is of another family. */
export function decodeAddress(payload: Buffer): ObservedAddress | undefined {
  const family = familyOfNumber(payload.readUInt8(0));
  const attributes = m.decodeAttributes(payload, headerLength);
  const bytes = attributes.get(IFA.local) ?? attributes.get(IFA.address);
  if (!family || !bytes) return undefined;
  const flags = attributes.get(IFA.flags)?.readUInt32LE(0) ?? payload.readUInt8(2);
  const unproved = (flags & IFA_F_TENTATIVE) !== 0 && (flags & IFA_F_OPTIMISTIC) === 0;
  const preferredSeconds = attributes.get(IFA.cacheinfo)?.readUInt32LE(0) ?? forever;
  return {
    ifindex: payload.readUInt32LE(4),
    address: decodeIp(bytes),
    prefix: payload.readUInt8(1),
    protocol: attributes.get(IFA.proto)?.[0] ?? 0,
    passive: family === 'ipv4' ? payload.readUInt8(3) === RT_SCOPE_HOST : preferredSeconds === 0,
    tentative: unproved || (flags & IFA_F_DADFAILED) !== 0,
    secondary: (flags & IFA_F_SECONDARY) !== 0,
  };
}

function encodeAddress(type: number, name: string, flags: number, address: Address): Request {
  const family = familyOf(address.address);
  const bytes = encodeIp(address.address);
  const header = Buffer.alloc(headerLength);
  header.writeUInt8(families[family].number, 0);
  header.writeUInt8(address.prefix, 1);
  header.writeUInt8(family === 'ipv4' && address.passive ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE, 3);
  header.writeUInt32LE(address.ifindex, 4);
  const lifetime = Buffer.alloc(16);
  lifetime.writeUInt32LE(family === 'ipv6' && address.passive ? 0 : forever, 0);
  lifetime.writeUInt32LE(forever, 4);
  const payload = Buffer.concat([
    header,
    m.encodeAttribute(IFA.local, bytes),
    m.encodeAttribute(IFA.address, bytes),
    // We hand out the addresses: nobody else can have them, so there is nothing to detect and to wait for.
    m.encodeU32(IFA.flags, family === 'ipv6' ? IFA_F_NODAD : 0),
    m.encodeAttribute(IFA.cacheinfo, lifetime),
    m.encodeU8(IFA.proto, address.protocol),
  ]);
  return {
    type,
    flags,
    payload,
    name,
    about: `${address.address}/${address.prefix} on link ${address.ifindex}`,
  };
}
