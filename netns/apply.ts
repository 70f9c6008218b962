import { ensureAddress, removeAddress } from './address.ts';
import type { StateChanges } from './diff.ts';
import { diffLinks, diffState } from './diff.ts';
import { familyOf, parseCidr, positionIn } from './ip.ts';
import type { LinkKind } from './link.ts';
import { createLink, getLink, listLinks, removeLink, setLink } from './link.ts';
import type { Request } from './message.ts';
import { ensureFdb, ensureNeighbor, removeFdb, removeNeighbor } from './neighbor.ts';
import type { NetlinkSocket } from './netlink.ts';
import type { Route } from './route.ts';
import { createRoute, removeRoute, replaceRoute } from './route.ts';
import type { DesiredLink, DesiredState, NetworkState, ObservedState, Ownership } from './state.ts';
import { observe } from './state.ts';
import { writeSysctl } from './sysctl.ts';

export interface EnsureOptions {
  /** Whether what is ours and not wanted goes away. False while the wish may be incomplete. */
  readonly prune: boolean;
}

/** What a pass did. */
export interface Outcome {
  /** What was asked of the kernel, e.g. `RTM_NEWLINK weft0`; empty when all was as it shall be. */
  readonly changes: readonly string[];
  /** What the kernel refused. */
  readonly errors: readonly Error[];
  readonly observed: ObservedState;
}

/** Makes the namespace as desired: reads it, writes the difference. What fails does not stop the rest. */
export function ensureState(
  socket: NetlinkSocket,
  desired: DesiredState,
  own: Ownership,
  { prune }: EnsureOptions,
): Outcome {
  const sysctls = desired.sysctls.map(({ name }) => name);
  const changes: string[] = [];
  const errors: Error[] = [];
  const send = (requests: readonly Request[]): void => {
    changes.push(...requests.map(describe));
    errors.push(...socket.attempt(requests).filter((error) => error !== undefined));
  };
  let observed = observe(socket, own, sysctls);
  const links = diffLinks(desired.links, observed.links, (link) => own.ownsLink(link));
  errors.push(
    ...links.conflicts.map(
      ({ name }) => new Error(`link ${name} exists and is not ours; rename or remove it`),
    ),
  );
  const wanted = new Set(desired.links.map(({ name }) => name));
  const remove = links.remove.filter(({ name }) => prune || wanted.has(name));
  if (remove.length + links.create.length + links.update.length > 0) {
    send(remove.map(({ ifindex }) => removeLink(ifindex)));
    // A bridge must be there before its ports can name it, and so each link is looked up when its turn comes.
    for (const link of links.create) send(encodeCreation(link, indexesOf(socket)));
    for (const link of links.update) {
      // In its place: what leads to the peers stays on the device. By itself: the kernel takes no MTU along with it.
      if (link.vxlan) send([setLink(link.name, { vxlanLocal: link.vxlan.local })]);
      send(encodeUpdate(link, indexesOf(socket)));
    }
    // What was on a link goes and comes with it.
    observed = observe(socket, own, sysctls);
  }
  const rest = diffState(desired, observed);
  const indexes = new Map(observed.links.map(({ name, ifindex }) => [name, ifindex]));
  for (const sysctl of rest.sysctls) {
    changes.push(`sysctl ${sysctl.name}=${sysctl.value}`);
    try {
      writeSysctl(sysctl);
    } catch (error) {
      errors.push(error as Error);
    }
  }
  send(encodeAdditions(rest, indexes));
  if (prune) send(encodeRemovals(rest, indexes));
  return { changes, errors, observed };
}

/** Something in the state that one thing leads to, such as the ways to one other node. */
type PartialState = Omit<NetworkState, 'addresses' | 'sysctls'>;

/**
 * Turns a part of a state that was ensured into another, without reading the kernel: costs what differs. Whoever did
 * otherwise with it meanwhile is found out by the next {@link ensureState}.
 */
export function changeState(
  socket: NetlinkSocket,
  before: PartialState,
  after: PartialState,
): Omit<Outcome, 'observed'> & {
  /** Of how many things taken away the kernel tells those who listen. */
  readonly removed: number;
} {
  const rest = { addresses: [], sysctls: [] };
  const changes = diffState({ ...after, ...rest }, { ...before, ...rest });
  const names = [before, after].flatMap(({ routes, neighbors, fdb }) => [...routes, ...neighbors, ...fdb]);
  const indexes = new Map(
    [...new Set(names.map(({ link }) => link))].map((name) => [name, getLink(socket, name).ifindex]),
  );
  const requests = [...encodeAdditions(changes, indexes), ...encodeRemovals(changes, indexes)];
  return {
    changes: requests.map(describe),
    errors: socket.attempt(requests).filter((error) => error !== undefined),
    removed: requests.filter(({ name }) => name.startsWith('RTM_DEL')).length,
  };
}

function describe({ name, about }: Request): string {
  return `${name} ${about}`;
}

/** The kernel takes the MAC and MTU along with a veth's or bridge's birth; the rest is set before it goes up. */
function encodeCreation(link: DesiredLink, indexes: ReadonlyMap<string, number>): Request[] {
  const kind = kindOf(link);
  if (!kind) return [];
  const mac = link.mac === undefined ? {} : { mac: link.mac };
  // A bridge follows its ports' MTUs until it is given another one than it has (net/bridge/br_device.c).
  const birth = kind.kind === 'bridge' ? mac : { mtu: link.mtu, ...mac };
  return [createLink(link.name, kind, birth), ...encodeUpdate(link, indexes)];
}

/** A veth is not made here: its other end and what is set there belong to whoever attaches a pod. */
function kindOf({ kind, vxlan }: DesiredLink): LinkKind | undefined {
  if (kind === 'bridge' || kind === 'ifb') return { kind };
  return kind === 'vxlan' && vxlan ? { kind, vxlan } : undefined;
}

function encodeUpdate(link: DesiredLink, indexes: ReadonlyMap<string, number>): Request[] {
  const { name, mtu, mac, alias, isolated, linkLocal, up } = link;
  const master = link.master === null ? 0 : indexes.get(link.master ?? '');
  const port = {
    ...(mac === undefined ? {} : { mac }),
    ...(master === undefined ? {} : { master }),
    ...(linkLocal === undefined ? {} : { linkLocal }),
  };
  return [
    setLink(name, { mtu, alias, ...port }),
    // Port settings need the bridge to be the master already; going up makes the link-local address.
    setLink(name, { up, ...(isolated === undefined || !master ? {} : { isolated }) }),
  ];
}

/** What a thing needs comes before it: a route's source is an address, its next hop a neighbour. */
function encodeAdditions(changes: StateChanges, indexes: ReadonlyMap<string, number>): Request[] {
  const { addresses, routes, neighbors, fdb } = changes;
  const at = numbering(indexes);
  return [
    ...[...addresses.create, ...addresses.replace].map((item) => ensureAddress(at(item))),
    ...[...fdb.create, ...fdb.replace].map((item) => ensureFdb(at(item))),
    ...[...neighbors.create, ...neighbors.replace].map((item) => ensureNeighbor(at(item))),
    ...routes.replace.flatMap((item) => encodeReplacement(at(item))),
    ...routes.create.map((item) => createRoute(at(item))),
  ];
}

/**
 * IPv6 takes no next hop to which another link leads (ip6_route_check_nh_onlink), and where it lies in the destination
 * that is what the route to be replaced does: for that moment the next hop has a route of its own.
 */
function encodeReplacement(route: Route): Request[] {
  const { destination, gateway, ifindex, protocol } = route;
  const isWithin = gateway !== undefined && positionIn(parseCidr(destination), gateway) !== undefined;
  if (!isWithin || familyOf(destination) === 'ipv4') return [replaceRoute(route)];
  const step = { destination: `${gateway}/128`, ifindex, onlink: false, protocol };
  return [createRoute(step), replaceRoute(route), removeRoute(step)];
}

function encodeRemovals(changes: StateChanges, indexes: ReadonlyMap<string, number>): Request[] {
  const { addresses, routes, neighbors, fdb } = changes;
  const at = numbering(indexes);
  return [
    ...routes.remove.map((item) => removeRoute(at(item))),
    ...neighbors.remove.map((item) => removeNeighbor(at(item))),
    ...fdb.remove.map((item) => removeFdb(at(item))),
    ...addresses.remove.map((item) => removeAddress(at(item))),
  ];
}

/** Puts the link's number beside its name; one that is gone has 0, which the kernel refuses. */
function numbering(indexes: ReadonlyMap<string, number>) {
  return <T extends { readonly link: string }>(item: T): T & { readonly ifindex: number } => ({
    ...item,
    ifindex: indexes.get(item.link) ?? 0,
  });
}

function indexesOf(socket: NetlinkSocket): ReadonlyMap<string, number> {
  return new Map(listLinks(socket).map(({ name, ifindex }) => [name, ifindex]));
}

/** Takes away everything of ours in the socket's namespace. @throws KernelError the first that was refused */
export function removeState(socket: NetlinkSocket, own: Ownership): void {
  const { links, addresses, routes } = observe(socket, own, []);
  const index = new Map(links.map(({ name, ifindex }) => [name, ifindex]));
  const owned = links.filter((link) => own.ownsLink(link));
  const names = new Set(owned.map(({ name }) => name));
  const errors = socket.attempt([
    // Neighbours, forwarding entries and most routes go with their links.
    ...routes.filter(({ link }) => !names.has(link)).map((route) => removeRoute(numbering(index)(route))),
    ...addresses
      .filter(({ link }) => !names.has(link))
      .map((address) => removeAddress(numbering(index)(address))),
    ...owned.map(({ ifindex }) => removeLink(ifindex)),
  ]);
  // A veth may have gone with its other end.
  const error = errors.find((answer) => answer !== undefined && answer.code !== 'ENODEV');
  if (error) throw error;
}
