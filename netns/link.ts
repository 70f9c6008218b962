import * as m from './message.ts';
import type { Attributes, Request } from './message.ts';
import type { NetlinkSocket } from './netlink.ts';
import { AF_INET6 } from './socket.ts';
import { decodeIp, encodeIp } from './ip.ts';
import { isErrno } from './kernel-error.ts';
import { decodeMac, encodeMac } from './mac.ts';

/** linux/rtnetlink.h */
export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const headerLength = 16;
const IFF_UP = 1;
/** linux/if_link.h */
const IFLA = {
  address: 1,
  ifname: 3,
  mtu: 4,
  link: 5,
  master: 10,
  linkinfo: 18,
  alias: 20,
  afSpec: 26,
  group: 27,
  netnsFd: 28,
  extMask: 29,
} as const;
const IFLA_INFO = { kind: 1, data: 2, slaveKind: 4, slaveData: 5 } as const;
const IFLA_VXLAN = { id: 1, local: 4, learning: 7, port: 15, local6: 17 } as const;
const IFLA_BR_MCAST_SNOOPING = 23;
const IFLA_BRPORT_ISOLATED = 33;
const IFLA_INET6_CONF = 2;
const IFLA_INET6_ADDR_GEN_MODE = 8;
/** Place in the array of a link's IPv6 settings, 4 bytes each (linux/ipv6.h). */
const DEVCONF_DISABLE_IPV6 = 26;
const IN6_ADDR_GEN_MODE_NONE = 1;
const VETH_INFO_PEER = 1;
const RTEXT_FILTER_SKIP_STATS = 8;

export interface Vxlan {
  readonly vni: number;
  readonly port: number;
  /** The node's own address, the source of the encapsulated packets. */
  readonly local: string;
}

/** A link as the kernel has it. */
export interface Link {
  readonly ifindex: number;
  readonly name: string;
  /** `bridge`, `veth`, `vxlan`, …; empty for hardware and loopback. */
  readonly kind: string;
  readonly up: boolean;
  readonly mtu: number;
  readonly mac: string;
  readonly alias: string;
  /** ifindex of the bridge it is a port of; 0: none. */
  readonly master: number;
  readonly group: number;
  /** ifindex of the other end of a veth, in that end's namespace; 0: none. */
  readonly peer: number;
  /** As a bridge port: may not talk to other isolated ports. */
  readonly isolated: boolean;
  /** Whether the kernel gives it an IPv6 link-local address by itself. */
  readonly linkLocal: boolean;
  /** There, when IPv6 is switched off on it (net.ipv6.conf.<name>.disable_ipv6). */
  readonly withoutIPv6?: true;
  readonly vxlan?: Vxlan;
}

/** What to make of a link; what is left out stays as it is or the kernel's default. */
export interface LinkSettings {
  readonly up?: boolean;
  readonly mtu?: number;
  readonly mac?: string;
  readonly alias?: string;
  /** ifindex of a bridge; 0 takes it out of its bridge. */
  readonly master?: number;
  readonly group?: number;
  readonly isolated?: boolean;
  readonly linkLocal?: boolean;
  /** The source of a vxlan's encapsulated packets, of the family that it has. */
  readonly vxlanLocal?: string;
  /** A namespace's fd: moves the link there. */
  readonly namespaceFd?: number;
  readonly name?: string;
}

/** The other end of a new veth, made directly inside its namespace. It cannot be up before the first end exists. */
interface VethPeer {
  readonly name: string;
  readonly mac?: string;
  readonly mtu?: number;
  readonly namespaceFd?: number;
}

export type LinkKind =
  | { readonly kind: 'bridge' }
  | { readonly kind: 'ifb' }
  | { readonly kind: 'veth'; readonly peer: VethPeer }
  | { readonly kind: 'vxlan'; readonly vxlan: Vxlan };

/** All links of the socket's namespace. */
export function listLinks(socket: NetlinkSocket): Link[] {
  const payload = Buffer.concat([encodeHeader(0), m.encodeU32(IFLA.extMask, RTEXT_FILTER_SKIP_STATS)]);
  return socket
    .dump({ type: RTM_GETLINK, flags: 0, payload, name: 'RTM_GETLINK', about: '' })
    .map(decodeLink);
}

/** One link by name, as it is after these requests. @throws KernelError ENODEV, or of the first request that failed */
export function getLink(socket: NetlinkSocket, name: string, after: readonly Request[] = []): Link {
  const payload = Buffer.concat([
    encodeHeader(0),
    m.encodeString(IFLA.ifname, name),
    m.encodeU32(IFLA.extMask, RTEXT_FILTER_SKIP_STATS),
  ]);
  const request = { type: RTM_GETLINK, flags: 0, payload, name: 'RTM_GETLINK', about: name };
  return decodeLink(socket.get(request, after));
}

/** One link by name, or undefined when there is none. */
export function findLink(socket: NetlinkSocket, name: string): Link | undefined {
  try {
    return getLink(socket, name);
  } catch (error) {
    if (isErrno(error, 'ENODEV')) return undefined;
    throw error;
  }
}

/**
 * Asks for a new link. The kernel takes `up`, `mtu`, `mac`, `master` and `group` along with the creation; `alias`,
 * `isolated` and `linkLocal` need {@link setLink} afterwards.
 */
export function createLink(
  name: string,
  kind: LinkKind,
  settings: Pick<LinkSettings, 'up' | 'mtu' | 'mac' | 'master' | 'group'> = {},
): Request {
  const info = m.encodeNested(
    IFLA.linkinfo,
    m.encodeString(IFLA_INFO.kind, kind.kind),
    m.encodeNested(IFLA_INFO.data, encodeKindData(kind)),
  );
  const payload = Buffer.concat([
    encodeHeader(0, settings.up),
    m.encodeString(IFLA.ifname, name),
    ...encodeSettings(settings),
    info,
  ]);
  return {
    type: RTM_NEWLINK,
    flags: m.NLM_F_CREATE | m.NLM_F_EXCL,
    payload,
    name: 'RTM_NEWLINK',
    about: name,
  };
}

/** Asks for changes of a link given by name or ifindex. */
export function setLink(link: string | number, settings: LinkSettings): Request {
  const payload = Buffer.concat([
    encodeHeader(typeof link === 'number' ? link : 0, settings.up),
    ...(typeof link === 'string' ? [m.encodeString(IFLA.ifname, link)] : []),
    ...(settings.name === undefined ? [] : [m.encodeString(IFLA.ifname, settings.name)]),
    ...encodeSettings(settings),
    ...(settings.linkLocal === undefined ? [] : [encodeAddressGeneration(settings.linkLocal)]),
    ...(settings.isolated === undefined ? [] : [encodeIsolation(settings.isolated)]),
    ...(settings.vxlanLocal === undefined ? [] : [encodeVxlanLocal(settings.vxlanLocal)]),
  ]);
  return { type: RTM_NEWLINK, flags: 0, payload, name: 'RTM_NEWLINK', about: String(link) };
}

/** Asks for the end of a link given by name or ifindex. */
export function removeLink(link: string | number): Request {
  const payload = Buffer.concat([
    encodeHeader(typeof link === 'number' ? link : 0),
    ...(typeof link === 'string' ? [m.encodeString(IFLA.ifname, link)] : []),
  ]);
  return { type: RTM_DELLINK, flags: 0, payload, name: 'RTM_DELLINK', about: String(link) };
}

/** Asks for the end of all links of a group at once: one wait for RCU instead of one per link. */
export function removeLinkGroup(group: number): Request {
  const payload = Buffer.concat([encodeHeader(0), m.encodeU32(IFLA.group, group)]);
  return { type: RTM_DELLINK, flags: 0, payload, name: 'RTM_DELLINK', about: `group ${group}` };
}

/** The link of an RTM_NEWLINK or RTM_DELLINK message. */
export function decodeLink(payload: Buffer): Link {
  const attributes = m.decodeAttributes(payload, headerLength);
  const info = m.decodeNested(attributes, IFLA.linkinfo);
  const kind = text(info, IFLA_INFO.kind);
  const inet6 = m.decodeNested(m.decodeNested(attributes, IFLA.afSpec), AF_INET6);
  const vxlan = kind === 'vxlan' ? decodeVxlan(m.decodeNested(info, IFLA_INFO.data)) : undefined;
  const withoutIPv6 = s32At(inet6.get(IFLA_INET6_CONF), DEVCONF_DISABLE_IPV6) > 0;
  const isBridgePort = text(info, IFLA_INFO.slaveKind) === 'bridge';
  const port = isBridgePort ? m.decodeNested(info, IFLA_INFO.slaveData) : new Map<number, Buffer>();
  return {
    ifindex: payload.readInt32LE(4),
    name: text(attributes, IFLA.ifname),
    kind,
    up: (payload.readUInt32LE(8) & IFF_UP) !== 0,
    mtu: u32(attributes, IFLA.mtu),
    mac: decodeMac(attributes.get(IFLA.address) ?? Buffer.alloc(0)),
    alias: text(attributes, IFLA.alias),
    master: u32(attributes, IFLA.master),
    group: u32(attributes, IFLA.group),
    peer: kind === 'veth' ? u32(attributes, IFLA.link) : 0,
    isolated: port.get(IFLA_BRPORT_ISOLATED)?.[0] === 1,
    linkLocal: inet6.get(IFLA_INET6_ADDR_GEN_MODE)?.[0] !== IN6_ADDR_GEN_MODE_NONE,
    ...(withoutIPv6 ? { withoutIPv6 } : {}),
    ...(vxlan ? { vxlan } : {}),
  };
}

/** struct ifinfomsg (linux/rtnetlink.h). */
function encodeHeader(ifindex: number, up?: boolean): Buffer {
  const header = Buffer.alloc(headerLength);
  header.writeInt32LE(ifindex, 4);
  header.writeUInt32LE(up === true ? IFF_UP : 0, 8);
  header.writeUInt32LE(up === undefined ? 0 : IFF_UP, 12);
  return header;
}

function encodeSettings({ mtu, mac, alias, master, group, namespaceFd }: LinkSettings): Buffer[] {
  const attributes: Buffer[] = [];
  if (mtu !== undefined) attributes.push(m.encodeU32(IFLA.mtu, mtu));
  if (mac !== undefined) attributes.push(m.encodeAttribute(IFLA.address, encodeMac(mac)));
  if (alias !== undefined) attributes.push(m.encodeString(IFLA.alias, alias));
  if (master !== undefined) attributes.push(m.encodeU32(IFLA.master, master));
  if (group !== undefined) attributes.push(m.encodeU32(IFLA.group, group));
  if (namespaceFd !== undefined) attributes.push(m.encodeU32(IFLA.netnsFd, namespaceFd));
  return attributes;
}

function encodeKindData(kind: LinkKind): Buffer {
  switch (kind.kind) {
    case 'bridge':
      // Everything behind the bridge is routed: snooping group memberships would only cost.
      return m.encodeU8(IFLA_BR_MCAST_SNOOPING, 0);
    case 'ifb':
      return Buffer.alloc(0);
    case 'veth': {
      const { name, namespaceFd, mac, mtu } = kind.peer;
      const settings = {
        ...(mac === undefined ? {} : { mac }),
        ...(mtu === undefined ? {} : { mtu }),
        ...(namespaceFd === undefined ? {} : { namespaceFd }),
      };
      const peer = [encodeHeader(0), m.encodeString(IFLA.ifname, name), ...encodeSettings(settings)];
      return m.encodeNested(VETH_INFO_PEER, ...peer);
    }
    case 'vxlan': {
      const { vni, port, local } = kind.vxlan;
      return Buffer.concat([
        m.encodeU32(IFLA_VXLAN.id, vni),
        m.encodeU16BE(IFLA_VXLAN.port, port),
        encodeLocal(local),
        // Who is where is written into the FDB; a packet never teaches it.
        m.encodeU8(IFLA_VXLAN.learning, 0),
      ]);
    }
  }
}

function encodeLocal(local: string): Buffer {
  const address = encodeIp(local);
  return m.encodeAttribute(address.length === 4 ? IFLA_VXLAN.local : IFLA_VXLAN.local6, address);
}

function encodeVxlanLocal(local: string): Buffer {
  const data = m.encodeNested(IFLA_INFO.data, encodeLocal(local));
  return m.encodeNested(IFLA.linkinfo, m.encodeString(IFLA_INFO.kind, 'vxlan'), data);
}

function decodeVxlan(data: Attributes): Vxlan {
  const local = data.get(IFLA_VXLAN.local) ?? data.get(IFLA_VXLAN.local6);
  return {
    vni: u32(data, IFLA_VXLAN.id),
    port: data.get(IFLA_VXLAN.port)?.readUInt16BE(0) ?? 0,
    local: local ? decodeIp(local) : '',
  };
}

function encodeIsolation(isolated: boolean): Buffer {
  return m.encodeNested(
    IFLA.linkinfo,
    m.encodeString(IFLA_INFO.slaveKind, 'bridge'),
    m.encodeNested(IFLA_INFO.slaveData, m.encodeU8(IFLA_BRPORT_ISOLATED, isolated ? 1 : 0)),
  );
}

function encodeAddressGeneration(linkLocal: boolean): Buffer {
  const mode = m.encodeU8(IFLA_INET6_ADDR_GEN_MODE, linkLocal ? 0 : IN6_ADDR_GEN_MODE_NONE);
  return m.encodeNested(IFLA.afSpec, m.encodeNested(AF_INET6, mode));
}

function text(attributes: Attributes, type: number): string {
  const value = attributes.get(type);
  return value ? m.decodeString(value) : '';
}

function s32At(values: Buffer | undefined, place: number): number {
  return values && values.length >= 4 * place + 4 ? values.readInt32LE(4 * place) : 0;
}

function u32(attributes: Attributes, type: number): number {
  return attributes.get(type)?.readUInt32LE(0) ?? 0;
}
