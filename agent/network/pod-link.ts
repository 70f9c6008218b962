import { ensureAddress } from '../../netns/address.ts';
import { families, familyOf } from '../../netns/ip.ts';
import { isErrno } from '../../netns/kernel-error.ts';
import { createLink, findLink, getLink, removeLink, removeLinkGroup, setLink } from '../../netns/link.ts';
import type { Link, LinkSettings } from '../../netns/link.ts';
import type { Request } from '../../netns/message.ts';
import type { NamespaceHandle } from '../../netns/namespace.ts';
import { openNamespace, runInNamespace } from '../../netns/namespace.ts';
import { ensureNeighbor, removeNeighbor } from '../../netns/neighbor.ts';
import { NetlinkSocket } from '../../netns/netlink.ts';
import { sendFrames } from '../../netns/packet-socket.ts';
import { replaceRoute } from '../../netns/route.ts';
import { writeSysctl } from '../../netns/sysctl.ts';
import { announcementsOf } from '../announce/frames.ts';
import type { Attachment } from './attachment.ts';
import * as marks from './marks.ts';
import { NetworkError } from './network-error.ts';
import { defaultRoutes, podNeighbors, podRoutes } from './pods.ts';
import type { TrafficKeeper } from './traffic-keeper.ts';
import type { PodPlan } from './view.ts';

/** Both ends of a pod's link. */
export interface PodLink {
  readonly host: Pick<Link, 'mac' | 'mtu'>;
  /** The ifindex inside. */
  readonly inner: number;
}

/**
 * Connects a namespace, or completes what is there. Synchronous, so nobody sees it half done.
 * @throws NetworkError `exists`; KernelError
 */
export function ensurePodLink(
  socket: NetlinkSocket,
  namespace: NamespaceHandle,
  attachment: Attachment,
  { plan, traffic }: { readonly plan: PodPlan; readonly traffic: TrafficKeeper },
): PodLink {
  using inside = new NetlinkSocket({ namespace });
  const bridge = getLink(socket, marks.bridgeName);
  const { host, isNew } = ensureVeth(socket, inside, attachment, {
    namespace,
    mtu: plan.mtu,
    // What pods know as their gateway: behind a port it is the bridge's address, a routed link has it itself.
    ...(plan.podLink === 'bridge' ? { master: bridge.ifindex } : { master: 0, mac: plan.bridgeMac }),
  });
  const limiter = ensureLimiter(socket, attachment, plan.mtu, isNew);
  const ends = { link: host.ifindex, limiter };
  traffic.make(socket, { ends, pod: attachment, isNew }, plan.mtu, [setLink(host.ifindex, { up: true })]);
  const inner = configureInside(inside, namespace, attachment, plan);
  const ifindex = plan.podLink === 'bridge' ? bridge.ifindex : host.ifindex;
  socket.request([
    ...podNeighbors(attachment, plan).map((neighbor) => ensureNeighbor({ ...neighbor, ifindex })),
    ...podRoutes(attachment, plan).map((route) => replaceRoute({ ...route, ifindex })),
  ]);
  return { host: { mac: host.mac, mtu: host.mtu }, inner };
}

/**
 * Takes a pod's link out of service at once. To remove it takes the kernel 20–30 ms (it waits for readers, RCU):
 * the link goes into a group whose links are removed together, later ({@link removeRetiredLinks}).
 */
export function retirePodLink(
  socket: NetlinkSocket,
  { id, ips, mac, bandwidth }: Pick<Attachment, 'id' | 'ips' | 'mac' | 'bandwidth'>,
): void {
  if (bandwidth?.egress) retireLimiter(socket, id);
  const link = findLink(socket, marks.podHostLinkName(id));
  const bridge = findLink(socket, marks.bridgeName);
  const gone = { up: false, master: 0, group: marks.goneGroup, alias: marks.goneAlias };
  const neighbor = { mac, protocol: marks.protocol };
  const errors = socket.attempt([
    ...(link?.alias === marks.podAlias(id) ? [setLink(link.ifindex, gone)] : []),
    ...(bridge
      ? ips.map((address) => removeNeighbor({ ...neighbor, address, ifindex: bridge.ifindex }))
      : []),
  ]);
  // The link may have gone with the pod's namespace just now, the neighbours with the bridge.
  const error = errors.find((answer) => answer !== undefined && !isErrno(answer, 'ENODEV', 'ENOENT'));
  if (error) throw error;
}

/** Sends gratuitous ARP and unsolicited neighbour advertisements from inside (RFC 5227, RFC 4861 section 7.2.6). */
export function announcePodLink({ netns, mac, ips }: Attachment, inner: number): void {
  using namespace = openNamespace(netns);
  sendFrames(
    namespace,
    inner,
    ips.flatMap((address) => announcementsOf(address, mac)),
  );
}

/** Removes the links that were retired and did not go with their namespaces. */
export function removeRetiredLinks(socket: NetlinkSocket): void {
  const [error] = socket.attempt([removeLinkGroup(marks.goneGroup)]);
  if (error && error.code !== 'ENODEV') throw error;
}

/** The ends of a pair: how they are asked for. */
interface Pair {
  readonly namespace: NamespaceHandle;
  readonly mtu: number;
  /** ifindex of the bridge; 0: none. */
  readonly master: number;
  /** Of the node's end. */
  readonly mac?: string;
}

/** The node's end, which is not up yet. */
function ensureVeth(
  socket: NetlinkSocket,
  inside: NetlinkSocket,
  attachment: Attachment,
  { namespace, ...settings }: Pair,
): { readonly host: Link; readonly isNew: boolean } {
  const { id, hostLink: name, ifname, mac } = attachment;
  const { mtu, master } = settings;
  const peer = { name: ifname, mac, mtu, namespaceFd: namespace.fd };
  // The peer is born inside the pod: a pair made here and moved takes ten times as long.
  const creation = createLink(name, { kind: 'veth', peer }, settings);
  const marked = { alias: marks.podAlias(id), linkLocal: false, ...(master === 0 ? {} : { isolated: true }) };
  const isFree = makeWay(socket, name);
  const created = isFree ? tryCreate(socket, creation, marked) : undefined;
  if (created) return { host: created, isNew: true };
  const missing = isConnected(socket, inside, { id, name, ifname }) ? [] : [creation];
  const host = getLink(socket, name, [...missing, setLink(name, { ...settings, ...marked, group: 0 })]);
  inside.request([setLink(ifname, { mtu, mac })]);
  return { host, isNew: missing.length > 0 };
}

/**
 * Whether no link has the name any more. One that was retired and still waits for its end takes another: who comes back
 * at once does not wait for the kernel.
 */
function makeWay(socket: NetlinkSocket, name: string): boolean {
  const link = findLink(socket, name);
  if (link?.alias !== marks.goneAlias) return link === undefined;
  const [error] = socket.attempt([setLink(link.ifindex, { name: marks.goneLinkName(link.ifindex) })]);
  if (error && !isErrno(error, 'ENODEV')) throw error;
  return true;
}

/** Makes a link that has its marks from the beginning; undefined: the other end's name is taken. */
function tryCreate(socket: NetlinkSocket, creation: Request, marked: LinkSettings): Link | undefined {
  try {
    return getLink(socket, creation.about, [creation, setLink(creation.about, marked)]);
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return undefined;
    throw error;
  }
}

/**
 * Makes the link in which what a pod sends waits, where that is limited; takes one that is not wanted any more out of
 * service.
 * @returns its ifindex; 0: there is none
 */
function ensureLimiter(
  socket: NetlinkSocket,
  { id, bandwidth }: Attachment,
  mtu: number,
  isNew: boolean,
): number {
  const name = marks.limiterName(id);
  if (!bandwidth?.egress) {
    if (!isNew) retireLimiter(socket, id);
    return 0;
  }
  const settings = { mtu, alias: marks.limiterAlias(id), group: 0, linkLocal: false };
  const isThere = findLink(socket, name) !== undefined;
  socket.request([
    // Nothing can be born with an alias: until it has one it counts as gone, and is swept away if it gets none.
    ...(isThere ? [] : [createLink(name, { kind: 'ifb' }, { group: marks.goneGroup })]),
    setLink(name, settings),
    setLink(name, { up: true }),
  ]);
  return getLink(socket, name).ifindex;
}

function retireLimiter(socket: NetlinkSocket, id: string): void {
  const link = findLink(socket, marks.limiterName(id));
  if (link?.alias !== marks.limiterAlias(id)) return;
  socket.request([setLink(link.ifindex, { up: false, group: marks.goneGroup, alias: marks.goneAlias })]);
}

/**
 * Whether both ends are there. Takes away what is in the way of new ones and is ours: half of a pair, one that
 * leads into a namespace that is gone, one that was retired.
 */
function isConnected(
  socket: NetlinkSocket,
  inside: NetlinkSocket,
  { id, name, ifname }: { readonly id: string; readonly name: string; readonly ifname: string },
): boolean {
  const outer = findLink(socket, name);
  const inner = findLink(inside, ifname);
  // A retired one still has the addresses of before.
  const isInService = outer?.alias === marks.podAlias(id) || outer?.alias === '';
  if (outer && isInService && inner?.kind === 'veth' && inner.peer === outer.ifindex) return true;
  if (outer) socket.request([removeLink(outer.ifindex)]);
  if (inner && findLink(inside, ifname)) removeRetiredLinks(socket);
  if (inner && findLink(inside, ifname)) {
    throw new NetworkError('exists', `${id}: there is an interface ${ifname} in the namespace already`);
  }
  return false;
}

/** @returns the ifindex inside */
function configureInside(
  inside: NetlinkSocket,
  namespace: NamespaceHandle,
  { ips, ifname }: Attachment,
  plan: PodPlan,
): number {
  const { ifindex, withoutIPv6 } = getLink(inside, ifname, [
    setLink('lo', { up: true }),
    setLink(ifname, { linkLocal: false }),
    setLink(ifname, { up: true }),
  ]);
  // A runtime may have switched IPv6 off in the namespace that it made; for this interface it is wanted.
  if (withoutIPv6 && ips.some((address) => familyOf(address) === 'ipv6')) {
    const name = `net/ipv6/conf/${ifname}/disable_ipv6`;
    runInNamespace(namespace, () => writeSysctl({ name, value: '0' }));
  }
  const { protocol } = marks;
  inside.request(
    ips.flatMap((address) => {
      const family = familyOf(address);
      const gateway = plan.ranges.find((range) => range.family === family)?.gateway;
      if (gateway === undefined) return [];
      const { bits } = families[family];
      return [
        // Alone in its prefix, with nothing but a default route: every packet goes to the node.
        ensureAddress({ ifindex, address, prefix: bits, protocol, passive: false }),
        ensureNeighbor({ ifindex, address: gateway, mac: plan.bridgeMac, protocol }),
        replaceRoute({ destination: defaultRoutes[family], ifindex, gateway, onlink: true, protocol }),
      ];
    }),
  );
  return ifindex;
}
