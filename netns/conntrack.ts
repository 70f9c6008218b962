import * as m from './message.ts';
import type { Attributes, Request } from './message.ts';
import { KeptSocket } from './kept-socket.ts';
import { NETLINK_NETFILTER } from './netlink.ts';
import type { NetlinkSocket } from './netlink.ts';
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

/**
 * More filters than this are looked for in one listing: for each search the kernel walks its whole table, 5 ms with a
 * quarter of a million connections, and a change of 10,000 Services would hold it for a minute.
 */
const mostSearches = 16;

/** Which connections to forget: those that match all of it. */
export interface ConntrackFilter {
  readonly family: Family;
  /** Absent: whichever. */
  readonly protocol?: keyof typeof protocols;
  /** Who began it, e.g. a pod that is gone. */
  readonly origSrc?: string;
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

/** Tracked connections, in the network namespace of its first use. */
export class Conntrack implements Disposable {
  readonly #socket = new KeptSocket({ protocol: NETLINK_NETFILTER });

  /** The tracked flows of one protocol, both families. @throws KernelError */
  list(protocol: keyof typeof protocols): TrackedFlow[] {
    return this.#socket.use((socket) =>
      (['ipv4', 'ipv6'] as const).flatMap((family) =>
        collectEntries(socket, family, (payload) => {
          const ends = decodeEnds(m.decodeAttributes(payload, 4), family);
          return ends.protocol === protocols[protocol] ? toFlow(ends, family) : [];
        }),
      ),
    );
  }

  /**
   * Forgets connections, so that their next packet is looked up in the rules again. No match is fine. Needs Linux 5.8.
   *
   * A few filters for IPv4 are searched by the kernel, one message each. Its filter for IPv6 addresses is inverted
   * (ctnetlink_filter_match_tuple tests `!ipv6_addr_cmp`, up to 6.18 at least) and would hit everybody else's
   * connections: there, and for many filters, we list once, match and delete one by one.
   * @throws KernelError
   */
  forget(filters: readonly ConntrackFilter[]): void {
    if (filters.length === 0) return;
    filters.forEach(checkFilter);
    const answers = this.#socket.use((socket) => socket.attempt(listRequests(socket, filters)));
    // An entry listed may have ended by itself since.
    const error = answers.find((answer) => answer !== undefined && answer.code !== 'ENOENT');
    if (error) throw error;
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}

function listRequests(socket: NetlinkSocket, filters: readonly ConntrackFilter[]): Request[] {
  return (['ipv4', 'ipv6'] as const).flatMap((family) => {
    const ours = filters.filter((filter) => filter.family === family);
    if (family === 'ipv4' && ours.length <= mostSearches) return ours.map(encodeDeleteByFilter);
    return ours.length === 0
      ? []
      : listMatching(socket, family, ours).map((entry) => encodeDeleteEntry(family, entry));
  });
}

function checkFilter({ protocol, origSrc, origDst, origDstPort, replySrc }: ConntrackFilter): void {
  if (origDstPort !== undefined && protocol === undefined) throw new TypeError('a port is one of a protocol');
  if (origSrc ?? origDst ?? origDstPort ?? replySrc) return;
  throw new TypeError('a conntrack filter needs an address or a port: one without would forget everything');
}

function encodeDeleteByFilter(filter: ConntrackFilter): Request {
  const { protocol, origSrc, origDst, origDstPort, replySrc } = filter;
  const ip = CTA_IP[filter.family];
  const protocolFlag = protocol === undefined ? 0 : FILTER.protocol;
  const originalFlags =
    protocolFlag |
    (origSrc === undefined ? 0 : FILTER.source) |
    (origDst === undefined ? 0 : FILTER.destination) |
    (origDstPort === undefined ? 0 : FILTER.destinationPort);
  const replyFlags = replySrc === undefined ? 0 : protocolFlag | FILTER.source;
  const addresses = [encodeAddress(ip.source, origSrc), encodeAddress(ip.destination, origDst)];
  const port = origDstPort === undefined ? [] : [m.encodeU16BE(CTA_PROTO.destinationPort, origDstPort)];
  return encodeRequest(
    'delete',
    filter.family,
    encodeTuple(CTA_TUPLE_ORIG, filter, Buffer.concat(addresses), ...port),
    ...(replySrc === undefined
      ? []
      : [encodeTuple(CTA_TUPLE_REPLY, filter, encodeAddress(ip.source, replySrc))]),
    m.encodeNested(CTA_FILTER, m.encodeU32(1, originalFlags), m.encodeU32(2, replyFlags)),
  );
}

/** Exactly this entry: its tuple could belong to a new connection already, its id cannot. */
function encodeDeleteEntry(family: Family, entry: Attributes): Request {
  const attributes = [CTA_TUPLE_ORIG, CTA_ID, CTA_ZONE].flatMap((type) => {
    const value = entry.get(type);
    if (!value) return [];
    return [type === CTA_TUPLE_ORIG ? m.encodeNested(type, value) : m.encodeAttribute(type, value)];
  });
  return encodeRequest('delete', family, ...attributes);
}

function listMatching(
  socket: NetlinkSocket,
  family: Family,
  filters: readonly ConntrackFilter[],
): Attributes[] {
  const byProtocol = Map.groupBy(filters, ({ protocol }) => protocol);
  const matchers = Array.from(byProtocol, ([protocol, its]) => ({ protocol, matches: makeMatcher(its) }));
  return collectEntries(socket, family, (payload) => {
    const entry = m.decodeAttributes(payload, 4);
    const ends = decodeEnds(entry, family);
    const isMeant = matchers.some(
      ({ protocol, matches }) =>
        (protocol === undefined || protocols[protocol] === ends.protocol) && matches(ends),
    );
    return isMeant ? [m.decodeAttributes(Buffer.from(payload), 4)] : [];
  });
}

const filterFields = ['origSrc', 'origDst', 'origDstPort', 'replySrc'] as const;

/** Whether a connection is meant by one of many filters of its protocol: by look-up, whatever their number. */
function makeMatcher(filters: readonly ConntrackFilter[]): (ends: Ends) => boolean {
  /** What filters name, by the fields in which they do it. */
  const wanted = new Map<string, { fields: (typeof filterFields)[number][]; values: Set<string> }>();
  for (const filter of filters) {
    const fields = filterFields.filter((field) => filter[field] !== undefined);
    const known = wanted.get(fields.join()) ?? { fields, values: new Set<string>() };
    known.values.add(fields.map((field) => normal(filter[field])).join());
    wanted.set(fields.join(), known);
  }
  const forms = [...wanted.values()];
  return (ends) => forms.some(({ fields, values }) => values.has(fields.map((field) => ends[field]).join()));
}

/** An address as {@link decodeEnds} writes it. */
function normal(value: string | number | undefined): string {
  return typeof value === 'string' ? decodeIp(encodeIp(value)) : String(value);
}

/**
 * What `pick` makes of each entry, whose bytes are only valid during its call: a node can track a quarter of a million
 * connections, of which a handful are asked for.
 */
function collectEntries<T>(
  socket: NetlinkSocket,
  family: Family,
  pick: (payload: Buffer) => readonly T[],
): T[] {
  for (;;) {
    const picked: T[] = [];
    const whole = socket.visit(encodeRequest('get', family), (payload) => {
      picked.push(...pick(payload));
    });
    if (whole) return picked;
  }
}

/** Who talks to whom, as far as an entry tells: only some protocols have ports. */
interface Ends {
  /** IP's number of it. */
  readonly protocol: number | undefined;
  readonly origSrc: string | undefined;
  readonly origDst: string | undefined;
  readonly origDstPort: number | undefined;
  readonly replySrc: string | undefined;
  readonly replySrcPort: number | undefined;
}

function decodeEnds(entry: Attributes, family: Family): Ends {
  const decodeTuple = (type: number) => {
    const tuple = m.decodeNested(entry, type);
    return { ip: m.decodeNested(tuple, CTA_TUPLE_IP), proto: m.decodeNested(tuple, CTA_TUPLE_PROTO) };
  };
  const [original, reply] = [decodeTuple(CTA_TUPLE_ORIG), decodeTuple(CTA_TUPLE_REPLY)];
  const address = (value: Buffer | undefined): string | undefined => value && decodeIp(value);
  const { source, destination } = CTA_IP[family];
  return {
    protocol: original.proto.get(CTA_PROTO.number)?.[0],
    origSrc: address(original.ip.get(source)),
    origDst: address(original.ip.get(destination)),
    origDstPort: original.proto.get(CTA_PROTO.destinationPort)?.readUInt16BE(0),
    replySrc: address(reply.ip.get(source)),
    replySrcPort: reply.proto.get(CTA_PROTO.sourcePort)?.readUInt16BE(0),
  };
}

function toFlow({ origDst, origDstPort, replySrc, replySrcPort }: Ends, family: Family): TrackedFlow[] {
  if (origDst === undefined || replySrc === undefined) return [];
  if (origDstPort === undefined || replySrcPort === undefined) return [];
  return [{ family, origDst, origDstPort, replySrc, replySrcPort }];
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
  const number = protocol === undefined ? [] : [m.encodeU8(CTA_PROTO.number, protocols[protocol])];
  return m.encodeNested(
    type,
    m.encodeNested(CTA_TUPLE_IP, address),
    ...(number.length === 0 ? [] : [m.encodeNested(CTA_TUPLE_PROTO, ...number, ...port)]),
  );
}
