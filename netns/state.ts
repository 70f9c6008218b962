import type { Address } from './address.ts';
import { listAddresses } from './address.ts';
import type { Link, Vxlan } from './link.ts';
import { listLinks } from './link.ts';
import type { FdbEntry, Neighbor } from './neighbor.ts';
import { listFdb, listNeighbors } from './neighbor.ts';
import type { NetlinkSocket } from './netlink.ts';
import type { Route } from './route.ts';
import { listRoutes } from './route.ts';
import type { Sysctl } from './sysctl.ts';
import { readSysctl } from './sysctl.ts';

/** An object of the kernel with its link by name instead of by number, so that it can be wanted before it exists. */
type ByName<T extends { readonly ifindex: number }> = Omit<T, 'ifindex'> & { readonly link: string };

export type LinkAddress = ByName<Address>;
export type LinkRoute = ByName<Route>;
export type LinkNeighbor = ByName<Neighbor>;
export type LinkFdbEntry = ByName<FdbEntry>;

/** A link that shall exist; what is left out does not matter. */
export interface DesiredLink {
  readonly name: string;
  readonly kind: 'bridge' | 'vxlan' | 'veth' | 'ifb';
  /** Says in the kernel that the link is ours. */
  readonly alias: string;
  readonly up: boolean;
  readonly mtu: number;
  readonly mac?: string;
  /** Name of the bridge it is a port of; null: of none. */
  readonly master?: string | null;
  readonly isolated?: boolean;
  readonly linkLocal?: boolean;
  readonly vxlan?: Vxlan;
}

/** The part of a namespace's network that is somebody's. */
export interface NetworkState {
  readonly addresses: readonly LinkAddress[];
  readonly routes: readonly LinkRoute[];
  readonly neighbors: readonly LinkNeighbor[];
  readonly fdb: readonly LinkFdbEntry[];
  readonly sysctls: readonly Sysctl[];
}

export interface DesiredState extends NetworkState {
  /** In the order in which to make them: a bridge before its ports. */
  readonly links: readonly DesiredLink[];
}

export interface ObservedState extends NetworkState {
  /** All links of the namespace, ours or not. */
  readonly links: readonly Link[];
}

/** Which of the kernel's objects are ours. */
export interface Ownership {
  /** The protocol number of our routes, addresses and neighbours. */
  readonly protocol: number;
  ownsLink(link: Link): boolean;
}

/** Reads what is ours in the socket's namespace, and of the sysctls (in the thread's) those named. */
export function observe(socket: NetlinkSocket, own: Ownership, sysctls: readonly string[]): ObservedState {
  const links = listLinks(socket);
  const names = new Map(links.map(({ ifindex, name }) => [ifindex, name]));
  const owned = new Map(links.filter((link) => own.ownsLink(link)).map((link) => [link.ifindex, link]));
  const masters = [...owned.values()].filter(({ kind }) => kind !== 'veth');
  const byName = <T extends { readonly ifindex: number }>({ ifindex, ...rest }: T): ByName<T> => ({
    ...rest,
    link: names.get(ifindex) ?? '',
  });
  return {
    links,
    addresses: listAddresses(socket)
      // Our links are ours with all that somebody set on them; elsewhere the mark decides (kept since Linux 5.18).
      .filter(({ ifindex, protocol }) => protocol === own.protocol || (protocol === 0 && owned.has(ifindex)))
      .map(byName),
    // On whatever link: a direct way to a peer is on the underlay's.
    routes: listRoutes(socket, own.protocol).map(byName),
    neighbors: listNeighbors(socket)
      .filter(({ ifindex, protocol }) => protocol === own.protocol && owned.has(ifindex))
      .map(byName),
    fdb: masters
      .filter(({ kind }) => kind === 'vxlan')
      .flatMap(({ ifindex }) => listFdb(socket, ifindex))
      .map(byName),
    sysctls: sysctls.flatMap((name) => {
      const value = readSysctl(name);
      return value === undefined ? [] : [{ name, value }];
    }),
  };
}
