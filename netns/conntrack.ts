import * as m from './message.ts';
import type { Attributes, Request } from './message.ts';
import { NETLINK_NETFILTER, NetlinkSocket } from './netlink.ts';
import type { Family } from './ip.ts';
import { decodeIp, encodeIp, families } from './ip.ts';

/** linux/netfilter/nfnetlink.h, linux/netfilter/nfnetlink_conntrack.h */
const NFNL_SUBSYS_CTNETLINK = 1;
const IPCTNL_MSG_CT = { get: 1, delete: 2 } as const;
const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_REPLY = 2;
const CTA_ID = 12;
const CTA_ZONE = 18;
const CTA_FILTER = 25;
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_PROTO = { number: 1, sourcePort: 2, destinationPort: 3 } as const;
const CTA_IP = { ipv4: { source: 1, destination: 2 }, ipv6: { source: 3, destination: 4 } } as const;
/** Which fields of a tuple count (nf_conntrack_netlink.c, CTA_FILTER_F_…). */
const FILTER = { source: 1, destination: 2, protocol: 8, destinationPort: 32 } as const;
const protocols = { tcp: 6, udp: 17, sctp: 132 } as const;

/** Which connections to forget: those that match all of it. */
export interface ConntrackFilter {
  readonly family: Family;
  readonly protocol: keyof typeof protocols;
  /** Where the client sent to, e.g. a clusterIP. */
  readonly origDst?: string;
  readonly origDstPort?: number;
  /** Who answers after address translation, e.g. a pod that is gone. */
  readonly replySrc?: string;
}

/** One tracked flow: where its client sends to, and who answers after address translation. */
export interface TrackedFlow {
  readonly family: Family;
  readonly origDst: string;
  readonly origDstPort: number;
  readonly replySrc: string;
  readonly replySrcPort: number;
}

/** The tracked flows of one protocol in the current namespace, both families. @throws KernelError */
export function listConntrack(protocol: keyof typeof protocols): TrackedFlow[] {
  using socket = new NetlinkSocket({ protocol: NETLINK_NETFILTER });
  return (['ipv4', 'ipv6'] as const).flatMap((family) =>
    listEntries(socket, family).flatMap((entry) => decodeFlow(entry, family, protocol)),
  );
}

/**
 * Forgets tracked connections in the current namespace, so that their next packet is looked up in the rules again.
 * No match is fine. Needs Linux 5.8.
 *
 * IPv4 is searched by the kernel, one message per filter. Its filter for IPv6 addresses is inverted
 * (ctnetlink_filter_match_tuple tests `!ipv6_addr_cmp`, up to 6.18 at least) and would hit everybody else's
 * connections: there we list, match and delete one by one.
 * @throws KernelError
 */
export function deleteConntrack(...filters: readonly ConntrackFilter[]): void {
  if (filters.length === 0) return;
  filters.forEach(checkFilter);
  using socket = new NetlinkSocket({ protocol: NETLINK_NETFILTER });
  const v6 = filters.filter(({ family }) => family === 'ipv6');
  const v4 = filters.filter(({ family }) => family === 'ipv4');
  const entries = v6.length === 0 ? [] : listMatching(socket, v6);
  const answers = socket.attempt([...v4.map(encodeDeleteByFilter), ...entries.map(encodeDeleteEntry)]);
  // An entry listed may have ended by itself since.
  const error = answers.find((answer) => answer !== undefined && answer.code !== 'ENOENT');
  if (error) throw error;
}

function checkFilter({ origDst, origDstPort, replySrc }: ConntrackFilter): void {
  if (origDst ?? origDstPort ?? replySrc) return;
  throw new TypeError('a conntrack filter needs an address or a port: one without would forget everything');
}

function encodeDeleteByFilter(filter: ConntrackFilter): Request {
  const { origDst, origDstPort, replySrc } = filter;
  const ip = CTA_IP[filter.family];
  const originalFlags =
    FILTER.protocol |
    (origDst === undefined ? 0 : FILTER.destination) |
    (origDstPort === undefined ? 0 : FILTER.destinationPort);
  const replyFlags = replySrc === undefined ? 0 : FILTER.protocol | FILTER.source;
  const port = origDstPort === undefined ? [] : [m.encodeU16BE(CTA_PROTO.destinationPort, origDstPort)];
  return encodeRequest(
    'delete',
    filter.family,
    encodeTuple(CTA_TUPLE_ORIG, filter, encodeAddress(ip.destination, origDst), ...port),
    ...(replySrc === undefined
      ? []
      : [encodeTuple(CTA_TUPLE_REPLY, filter, encodeAddress(ip.source, replySrc))]),
    m.encodeNested(CTA_FILTER, m.encodeU32(1, originalFlags), m.encodeU32(2, replyFlags)),
  );
}

/** Exactly this entry: its tuple could belong to a new connection already, its id cannot. */
function encodeDeleteEntry(entry: Attributes): Request {
  const attributes = [CTA_TUPLE_ORIG, CTA_ID, CTA_ZONE].flatMap((type) => {
    const value = entry.get(type);
    if (!value) return [];
    return [type === CTA_TUPLE_ORIG ? m.encodeNested(type, value) : m.encodeAttribute(type, value)];
  });
  return encodeRequest('delete', 'ipv6', ...attributes);
}

function listMatching(socket: NetlinkSocket, filters: readonly ConntrackFilter[]): Attributes[] {
  return listEntries(socket, 'ipv6').filter((entry) => filters.some((filter) => matches(entry, filter)));
}

function listEntries(socket: NetlinkSocket, family: Family): Attributes[] {
  return socket.dump(encodeRequest('get', family)).map((payload) => m.decodeAttributes(payload, 4));
}

function decodeFlow(entry: Attributes, family: Family, protocol: keyof typeof protocols): TrackedFlow[] {
  const [original, reply] = [CTA_TUPLE_ORIG, CTA_TUPLE_REPLY].map((type) => {
    const tuple = m.decodeNested(entry, type);
    return { ip: m.decodeNested(tuple, CTA_TUPLE_IP), proto: m.decodeNested(tuple, CTA_TUPLE_PROTO) };
  });
  const origDst = original?.ip.get(CTA_IP[family].destination);
  const replySrc = reply?.ip.get(CTA_IP[family].source);
  const origDstPort = original?.proto.get(CTA_PROTO.destinationPort)?.readUInt16BE(0);
  const replySrcPort = reply?.proto.get(CTA_PROTO.sourcePort)?.readUInt16BE(0);
  if (original?.proto.get(CTA_PROTO.number)?.[0] !== protocols[protocol]) return [];
  if (!origDst || !replySrc || origDstPort === undefined || replySrcPort === undefined) return [];
  return [{ family, origDst: decodeIp(origDst), origDstPort, replySrc: decodeIp(replySrc), replySrcPort }];
}

function matches(
  entry: Attributes,
  { family, protocol, origDst, origDstPort, replySrc }: ConntrackFilter,
): boolean {
  const original = m.decodeNested(entry, CTA_TUPLE_ORIG);
  const originalIp = m.decodeNested(original, CTA_TUPLE_IP);
  const originalProto = m.decodeNested(original, CTA_TUPLE_PROTO);
  const replyIp = m.decodeNested(m.decodeNested(entry, CTA_TUPLE_REPLY), CTA_TUPLE_IP);
  const is = (value: Buffer | undefined, address: string | undefined): boolean =>
    address === undefined || value?.equals(encodeIp(address)) === true;
  return (
    originalProto.get(CTA_PROTO.number)?.[0] === protocols[protocol] &&
    (origDstPort === undefined ||
      originalProto.get(CTA_PROTO.destinationPort)?.readUInt16BE(0) === origDstPort) &&
    is(originalIp.get(CTA_IP[family].destination), origDst) &&
    is(replyIp.get(CTA_IP[family].source), replySrc)
  );
}

function encodeRequest(verb: keyof typeof IPCTNL_MSG_CT, family: Family, ...attributes: Buffer[]): Request {
  return {
    type: (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT[verb],
    flags: 0,
    // struct nfgenmsg (linux/netfilter/nfnetlink.h)
    payload: Buffer.concat([Buffer.of(families[family].number, 0, 0, 0), ...attributes]),
    name: 'conntrack',
    about: verb,
  };
}

function encodeAddress(type: number, address: string | undefined): Buffer {
  return address === undefined ? Buffer.alloc(0) : m.encodeAttribute(type, encodeIp(address));
}

function encodeTuple(
  type: number,
  { protocol }: ConntrackFilter,
  address: Buffer,
  ...port: Buffer[]
): Buffer {
  return m.encodeNested(
    type,
    m.encodeNested(CTA_TUPLE_IP, address),
    m.encodeNested(CTA_TUPLE_PROTO, m.encodeU8(CTA_PROTO.number, protocols[protocol]), ...port),
  );
}
