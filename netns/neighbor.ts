import * as m from './message.ts';
import type { Request } from './message.ts';
import type { NetlinkSocket } from './netlink.ts';
import { isErrno } from './kernel-error.ts';
import { decodeIp, encodeIp, families, familyOf } from './ip.ts';
import { decodeMac, encodeMac } from './mac.ts';

/** linux/rtnetlink.h */
export const RTM_NEWNEIGH = 28;
export const RTM_DELNEIGH = 29;
const RTM_GETNEIGH = 30;
const AF_BRIDGE = 7;
const headerLength = 12;
/** linux/neighbour.h */
const NDA = { dst: 1, lladdr: 2, port: 6, vni: 7, ifindex: 8, protocol: 12 } as const;
const NUD_NONE = 0x00;
const NUD_INCOMPLETE = 0x01;
const NUD_NOARP = 0x40;
const NUD_PERMANENT = 0x80;
/** Reachable, stale, delayed, being asked, without ARP, permanent (net/neighbour.h). */
const NUD_VALID = 0xde;
const NTF_USE = 0x01;
const NTF_SELF = 0x02;

/** A permanent neighbour: an address on a link and the hardware address behind it. */
export interface Neighbor {
  readonly ifindex: number;
  readonly address: string;
  readonly mac: string;
  /** Who set it; 0 when unknown. */
  readonly protocol: number;
}

/** A vxlan device's forwarding entry: which node a hardware address lives on. */
export interface FdbEntry {
  readonly ifindex: number;
  readonly mac: string;
  /** The node's underlay address. */
  readonly destination: string;
  /** The UDP port and the network identifier that packets go there with, where they are not the device's own. */
  readonly port?: number;
  readonly vni?: number;
}

/** The permanent neighbours on one link or, without one, on all, both families. */
export function listNeighbors(socket: NetlinkSocket, ifindex?: number): Neighbor[] {
  return Object.values(families).flatMap(({ number }) =>
    // The kernel's dump header must stay zero; the link is an attribute (neigh_valid_dump_req).
    dump(
      socket,
      Buffer.concat([
        encodeHeader({ family: number }),
        ...(ifindex === undefined ? [] : [m.encodeU32(NDA.ifindex, ifindex)]),
      ]),
    ).flatMap((payload) => {
      const attributes = m.decodeAttributes(payload, headerLength);
      const [address, mac] = [attributes.get(NDA.dst), attributes.get(NDA.lladdr)];
      if ((payload.readUInt16LE(8) & NUD_PERMANENT) === 0 || !address || !mac) return [];
      const protocol = attributes.get(NDA.protocol)?.[0] ?? 0;
      return [{ ifindex: payload.readInt32LE(4), address: decodeIp(address), mac: decodeMac(mac), protocol }];
    }),
  );
}

/**
 * Whose neighbour an RTM_NEWNEIGH or RTM_DELNEIGH message is about, also one that was found out or is only a multicast
 * group; undefined: it is about a forwarding entry.
 */
export function decodeNeighborNews(payload: Buffer): Pick<Neighbor, 'address' | 'protocol'> | undefined {
  const attributes = m.decodeAttributes(payload, headerLength);
  const address = attributes.get(NDA.dst);
  if (payload.readUInt8(0) === AF_BRIDGE || !address) return undefined;
  return { address: decodeIp(address), protocol: attributes.get(NDA.protocol)?.[0] ?? 0 };
}

/** The hardware address of a neighbour on a link, permanent or found out, as long as the kernel believes in it. */
export function findNeighbor(socket: NetlinkSocket, ifindex: number, address: string): string | undefined {
  const { number: family } = families[familyOf(address)];
  const payload = Buffer.concat([
    encodeHeader({ family, ifindex }),
    m.encodeAttribute(NDA.dst, encodeIp(address)),
  ]);
  try {
    const answer = socket.get({
      type: RTM_GETNEIGH,
      flags: 0,
      payload,
      name: 'RTM_GETNEIGH',
      about: `${address} on link ${ifindex}`,
    });
    const mac = m.decodeAttributes(answer, headerLength).get(NDA.lladdr);
    return mac && (answer.readUInt16LE(8) & NUD_VALID) !== 0 ? decodeMac(mac) : undefined;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** A vxlan device's forwarding entries. */
export function listFdb(socket: NetlinkSocket, ifindex: number): FdbEntry[] {
  return dump(socket, encodeHeader({ family: AF_BRIDGE, ifindex })).flatMap((payload) => {
    const attributes = m.decodeAttributes(payload, headerLength);
    const [destination, mac] = [attributes.get(NDA.dst), attributes.get(NDA.lladdr)];
    if (payload.readInt32LE(4) !== ifindex || !destination || !mac) return [];
    const [port, vni] = [attributes.get(NDA.port)?.readUInt16BE(), attributes.get(NDA.vni)?.readUInt32LE()];
    return [
      {
        ifindex,
        mac: decodeMac(mac),
        destination: decodeIp(destination),
        // The kernel tells only what is not the device's (vxlan_fdb_info).
        ...(port === undefined ? {} : { port }),
        ...(vni === undefined ? {} : { vni }),
      },
    ];
  });
}

/** The IPv6 addresses whose neighbours on a link the kernel has asked for, and waits for. */
export function listAwaited(socket: NetlinkSocket, ifindex: number): string[] {
  const { number: family } = families.ipv6;
  const payload = Buffer.concat([encodeHeader({ family }), m.encodeU32(NDA.ifindex, ifindex)]);
  return dump(socket, payload).flatMap((answer) => {
    const address = m.decodeAttributes(answer, headerLength).get(NDA.dst);
    return answer.readUInt16LE(8) === NUD_INCOMPLETE && address ? [decodeIp(address)] : [];
  });
}

/** Has the kernel ask for a neighbour from the beginning, now; packets that wait for it go on waiting. */
export function askForNeighbor(ifindex: number, address: string): Request[] {
  const { number: family } = families[familyOf(address)];
  const about = `${address} on link ${ifindex}`;
  return [
    { state: NUD_NONE, flags: 0 },
    { state: NUD_NONE, flags: NTF_USE },
  ].map((fields) => ({
    type: RTM_NEWNEIGH,
    flags: m.NLM_F_REPLACE,
    payload: Buffer.concat([
      encodeHeader({ family, ifindex, ...fields }),
      m.encodeAttribute(NDA.dst, encodeIp(address)),
    ]),
    name: 'RTM_NEWNEIGH',
    about,
  }));
}

/** Asks for a permanent neighbour; one that is there already takes the new hardware address. */
export function ensureNeighbor(neighbor: Neighbor): Request {
  return encodeNeighbor(RTM_NEWNEIGH, 'RTM_NEWNEIGH', m.NLM_F_CREATE | m.NLM_F_REPLACE, neighbor);
}

/** Asks for the end of a neighbour. */
export function removeNeighbor(neighbor: Neighbor): Request {
  return encodeNeighbor(RTM_DELNEIGH, 'RTM_DELNEIGH', 0, neighbor);
}

/** Asks for a forwarding entry; one of the same hardware address takes the new destination. */
export function ensureFdb(entry: FdbEntry): Request {
  return encodeFdb(RTM_NEWNEIGH, 'RTM_NEWNEIGH', m.NLM_F_CREATE | m.NLM_F_REPLACE, entry);
}

/** Asks for the end of a forwarding entry. */
export function removeFdb(entry: FdbEntry): Request {
  return encodeFdb(RTM_DELNEIGH, 'RTM_DELNEIGH', 0, entry);
}

function dump(socket: NetlinkSocket, payload: Buffer): Buffer[] {
  return socket.dump({ type: RTM_GETNEIGH, flags: 0, payload, name: 'RTM_GETNEIGH', about: '' });
}

function encodeNeighbor(type: number, name: string, flags: number, neighbor: Neighbor): Request {
  const { ifindex, address, mac, protocol } = neighbor;
  const payload = Buffer.concat([
    encodeHeader({ family: families[familyOf(address)].number, ifindex, state: NUD_PERMANENT }),
    m.encodeAttribute(NDA.dst, encodeIp(address)),
    m.encodeAttribute(NDA.lladdr, encodeMac(mac)),
    m.encodeU8(NDA.protocol, protocol),
  ]);
  return { type, flags, payload, name, about: `${address} on link ${ifindex}` };
}

function encodeFdb(type: number, name: string, flags: number, entry: FdbEntry): Request {
  const { ifindex, mac, destination, port, vni } = entry;
  const payload = Buffer.concat([
    encodeHeader({ family: AF_BRIDGE, ifindex, state: NUD_NOARP | NUD_PERMANENT, flags: NTF_SELF }),
    m.encodeAttribute(NDA.lladdr, encodeMac(mac)),
    m.encodeAttribute(NDA.dst, encodeIp(destination)),
    ...(port === undefined ? [] : [m.encodeU16BE(NDA.port, port)]),
    ...(vni === undefined ? [] : [m.encodeU32(NDA.vni, vni)]),
  ]);
  return { type, flags, payload, name, about: `${mac} at ${destination}` };
}

interface NeighborHeader {
  readonly family: number;
  readonly ifindex?: number;
  readonly state?: number;
  readonly flags?: number;
}

/** struct ndmsg (linux/neighbour.h). */
function encodeHeader({ family, ifindex = 0, state = 0, flags = 0 }: NeighborHeader): Buffer {
  const header = Buffer.alloc(headerLength);
  header.writeUInt8(family, 0);
  header.writeInt32LE(ifindex, 4);
  header.writeUInt16LE(state, 8);
  header.writeUInt8(flags, 10);
  return header;
}
