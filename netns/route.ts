import * as m from './message.ts';
import type { Request } from './message.ts';
import type { NetlinkSocket } from './netlink.ts';
import type { Family } from './ip.ts';
import { decodeIp, encodeIp, families, familyOf, familyOfNumber, parseCidr } from './ip.ts';

/** linux/rtnetlink.h */
export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;
const headerLength = 12;
const RTA = { dst: 1, oif: 4, gateway: 5, priority: 6, prefsrc: 7, metrics: 8, table: 15, via: 18 } as const;
const RTAX_MTU = 2;
const RT_TABLE_MAIN = 254;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
const RT_SCOPE_NOWHERE = 255;
const RTN_UNICAST = 1;
const RTNH_F_ONLINK = 4;

/** A unicast route of the main table. */
export interface Route {
  /** `10.244.2.0/24`; a default route is `0.0.0.0/0` or `::/0`. */
  readonly destination: string;
  readonly ifindex: number;
  /**
   * The next hop; absent: the destination is on the link itself. That of an IPv4 destination may be an IPv6 address
   * (since Linux 5.2).
   */
  readonly gateway?: string;
  /** The next hop is taken as a neighbour on the link although no route says so. */
  readonly onlink: boolean;
  /** Preferred source address of the node's own packets. */
  readonly source?: string;
  /** Longest packet in bytes that the way takes, where it is less than the link does. Forwarding heeds it, too. */
  readonly mtu?: number;
  /** Who set it (rtm_protocol). */
  readonly protocol: number;
}

/** The main table's unicast routes that `protocol` set, both families. */
export function listRoutes(socket: NetlinkSocket, protocol: number): Route[] {
  return Object.values(families).flatMap((family) => {
    const payload = encodeHeader(family.number, 0, { protocol, table: RT_TABLE_MAIN, type: RTN_UNICAST });
    const request = { type: RTM_GETROUTE, flags: 0, payload, name: 'RTM_GETROUTE', about: '' };
    return socket.dump(request).flatMap((answer) => {
      const route = decodeRoute(answer);
      return route?.protocol === protocol ? [route] : [];
    });
  });
}

/** Whether a notification tells of a route that `protocol` set, one of our own for instance. */
export function isRouteOf(protocol: number, type: number, payload: Buffer): boolean {
  return (type === RTM_NEWROUTE || type === RTM_DELROUTE) && payload.readUInt8(5) === protocol;
}

/** Asks for a new route. A route of anybody to the same destination makes it fail with EEXIST. */
export function createRoute(route: Route): Request {
  return encodeRoute(route, m.NLM_F_CREATE | m.NLM_F_EXCL);
}

/** Asks for another way to a destination whose route is ours, without a moment between. */
export function replaceRoute(route: Route): Request {
  return encodeRoute(route, m.NLM_F_CREATE | m.NLM_F_REPLACE);
}

/** Asks for the end of a route. */
export function removeRoute(route: Route): Request {
  const family = families[familyOf(route.destination)];
  const { prefix } = parseCidr(route.destination);
  const payload = Buffer.concat([
    // Scope and type "any": the kernel would otherwise only find routes of exactly these.
    encodeHeader(family.number, prefix, {
      protocol: route.protocol,
      table: RT_TABLE_MAIN,
      scope: RT_SCOPE_NOWHERE,
    }),
    encodeDestination(route.destination),
    m.encodeU32(RTA.oif, route.ifindex),
  ]);
  return { type: RTM_DELROUTE, flags: 0, payload, name: 'RTM_DELROUTE', about: route.destination };
}

/** The way that packets to an address take. */
export interface Way {
  readonly ifindex: number;
  /** The source of the node's own packets. */
  readonly source?: string;
}

/** Asks the kernel which way a packet of this node would take. @throws KernelError ENETUNREACH when there is none */
export function findWay(socket: NetlinkSocket, address: string): Way {
  const { number, bits } = families[familyOf(address)];
  const payload = Buffer.concat([
    encodeHeader(number, bits, { protocol: 0, table: 0 }),
    m.encodeAttribute(RTA.dst, encodeIp(address)),
  ]);
  const request = { type: RTM_GETROUTE, flags: 0, payload, name: 'RTM_GETROUTE', about: address };
  const attributes = m.decodeAttributes(socket.get(request), headerLength);
  const source = attributes.get(RTA.prefsrc);
  return {
    ifindex: attributes.get(RTA.oif)?.readUInt32LE(0) ?? 0,
    ...(source ? { source: decodeIp(source) } : {}),
  };
}

/** The route of an RTM_NEWROUTE or RTM_DELROUTE message, or undefined when it is of another kind or table. */
/** The route of an RTM_NEWROUTE or RTM_DELROUTE message; undefined where it is none of unicast, of the main table. */
export function decodeRoute(payload: Buffer): Route | undefined {
  const family = familyOfNumber(payload.readUInt8(0));
  const attributes = m.decodeAttributes(payload, headerLength);
  const table = attributes.get(RTA.table)?.readUInt32LE(0) ?? payload.readUInt8(4);
  if (!family || table !== RT_TABLE_MAIN || payload.readUInt8(7) !== RTN_UNICAST) return undefined;
  // struct rtvia: the family in two bytes, the address.
  const gateway = attributes.get(RTA.gateway) ?? attributes.get(RTA.via)?.subarray(2);
  const source = attributes.get(RTA.prefsrc);
  const mtu = m.decodeNested(attributes, RTA.metrics).get(RTAX_MTU)?.readUInt32LE(0);
  return {
    destination: `${decodeDestination(family, attributes.get(RTA.dst))}/${payload.readUInt8(1)}`,
    ifindex: attributes.get(RTA.oif)?.readUInt32LE(0) ?? 0,
    ...(gateway ? { gateway: decodeIp(gateway) } : {}),
    onlink: (payload.readUInt32LE(8) & RTNH_F_ONLINK) !== 0,
    ...(source ? { source: decodeIp(source) } : {}),
    ...(mtu === undefined ? {} : { mtu }),
    protocol: payload.readUInt8(5),
  };
}

function encodeRoute(route: Route, flags: number): Request {
  const family = families[familyOf(route.destination)];
  const { prefix } = parseCidr(route.destination);
  const attributes = [encodeDestination(route.destination), m.encodeU32(RTA.oif, route.ifindex)];
  if (route.gateway !== undefined) attributes.push(encodeGateway(route.destination, route.gateway));
  if (route.source !== undefined) attributes.push(m.encodeAttribute(RTA.prefsrc, encodeIp(route.source)));
  if (route.mtu !== undefined) attributes.push(m.encodeNested(RTA.metrics, m.encodeU32(RTAX_MTU, route.mtu)));
  const header = encodeHeader(family.number, prefix, {
    protocol: route.protocol,
    table: RT_TABLE_MAIN,
    scope: route.gateway === undefined ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
    type: RTN_UNICAST,
    flags: route.onlink ? RTNH_F_ONLINK : 0,
  });
  const payload = Buffer.concat([header, ...attributes]);
  return { type: RTM_NEWROUTE, flags, payload, name: 'RTM_NEWROUTE', about: route.destination };
}

function encodeGateway(destination: string, gateway: string): Buffer {
  const family = familyOf(gateway);
  if (family === familyOf(destination)) return m.encodeAttribute(RTA.gateway, encodeIp(gateway));
  const via = Buffer.concat([Buffer.alloc(2), encodeIp(gateway)]);
  via.writeUInt16LE(families[family].number, 0);
  return m.encodeAttribute(RTA.via, via);
}

interface RouteHeader {
  readonly protocol: number;
  readonly table: number;
  readonly scope?: number;
  readonly type?: number;
  readonly flags?: number;
}

/** struct rtmsg (linux/rtnetlink.h). */
function encodeHeader(family: number, prefix: number, fields: RouteHeader): Buffer {
  const header = Buffer.alloc(headerLength);
  header.writeUInt8(family, 0);
  header.writeUInt8(prefix, 1);
  header.writeUInt8(fields.table, 4);
  header.writeUInt8(fields.protocol, 5);
  header.writeUInt8(fields.scope ?? RT_SCOPE_UNIVERSE, 6);
  header.writeUInt8(fields.type ?? 0, 7);
  header.writeUInt32LE(fields.flags ?? 0, 8);
  return header;
}

function encodeDestination(destination: string): Buffer {
  const slash = destination.indexOf('/');
  return m.encodeAttribute(RTA.dst, encodeIp(destination.slice(0, slash)));
}

function decodeDestination(family: Family, bytes: Buffer | undefined): string {
  return decodeIp(bytes ?? Buffer.alloc(families[family].bits / 8));
}
