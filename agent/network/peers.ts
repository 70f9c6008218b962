import type { Cidr, Family } from '../../netns/ip.ts';
import { familyOf, positionIn } from '../../netns/ip.ts';
import type { LinkFdbEntry, LinkNeighbor, LinkRoute } from '../../netns/state.ts';
import * as marks from './marks.ts';
import type { Tunnel } from './tunnel.ts';
import type { ClusterNode, NetworkMode, NetworkView, PodRange } from './view.ts';

/** What the ways to peers depend on beside the peers themselves. */
export interface Standpoint extends Pick<NetworkView, 'nodeName' | 'mode' | 'vxlan' | 'pathMtus' | 'proven'> {
  /** This node's ranges of the families that its host has. */
  readonly own: readonly PodRange[];
  /** The family that carries the vxlan. */
  readonly vxlanFamily: Family;
  /** The subnets that this node's own addresses are in, and their links. */
  readonly subnets: readonly { readonly link: string; readonly cidr: Cidr }[];
}

/** A way to a peer's range that goes straight to the peer: `auto` takes it once packets of pods are known to pass. */
export interface StraightWay {
  /** The peer's range and its first address, which is the peer's own. */
  readonly range: string;
  readonly destination: string;
  /** The peer as a neighbour. */
  readonly link: string;
  readonly gateway: string;
  /** This node's own address in its range. */
  readonly source: string;
}

/** By what a straight way is known, be it in a plan or in the kernel. */
export function straightKey({
  range,
  link,
  gateway,
}: Pick<StraightWay, 'range' | 'link' | 'gateway'>): string {
  return `${range} ${link} ${gateway}`;
}

/** What leads to one other node: routes, neighbours and forwarding entries. */
export interface PeerWays {
  readonly routes: readonly LinkRoute[];
  readonly neighbors: readonly LinkNeighbor[];
  readonly fdb: readonly LinkFdbEntry[];
  /** Those that are or may be taken instead of the vxlan, where that is left to {@link NetworkView.proven}. */
  readonly straight?: readonly StraightWay[];
  /** Why there is no way, or none that is sure to work, in a sentence. */
  readonly problem?: string;
}

/** A range that both nodes have the family of. */
interface SharedRange {
  readonly range: PodRange;
  /** This node's own address of that family. */
  readonly source: string;
}

/**
 * The ways to a node that has these ranges: direct where both are on one subnet and the mode allows it, with `auto` only
 * those that are proven; else vxlan.
 */
export function planPeer(node: ClusterNode, ranges: readonly PodRange[], from: Standpoint): PeerWays {
  const mode = agreeOnMode(from.mode, node.mode);
  const shared = shareRanges(ranges, from.own);
  const near = mode === 'vxlan' ? [] : shared.flatMap((each) => findStraightWay(node, each, from) ?? []);
  if (mode !== 'auto') return planWays(node, shared, near, mode, from);
  const proven = near.filter((way) => from.proven.has(straightKey(way)));
  return { ...planWays(node, shared, proven, mode, from), straight: near };
}

/** @param near the ways to take straight; the other ranges are reached as the mode says */
function planWays(
  node: ClusterNode,
  shared: readonly SharedRange[],
  near: readonly StraightWay[],
  mode: NetworkMode,
  from: Standpoint,
): PeerWays {
  const hops = new Map(near.map((way) => [way.range, way]));
  const direct = shared.flatMap((each) => {
    const hop = hops.get(each.range.cidr);
    return hop ? [renderRoute(each, hop, from)] : [];
  });
  const distant = shared.filter(({ range }) => !hops.has(range.cidr));
  if (distant.length === 0) return { routes: direct, neighbors: [], fdb: [] };
  if (mode === 'direct') {
    const families = distant.map(({ range }) => range.family).join(' and ');
    const problem = `node ${node.name} shares no subnet with this node for ${families}, so networkMode direct has no way to its pods; set networkMode to auto`;
    return { routes: direct, neighbors: [], fdb: [], problem };
  }
  const tunnel = planTunnel(node, distant, from);
  return { ...tunnel, routes: [...direct, ...tunnel.routes] };
}

/** A peer's range is behind its gateway, a neighbour on the vxlan, whose MAC lives at the peer's address. */
function planTunnel(node: ClusterNode, ranges: readonly SharedRange[], from: Standpoint): PeerWays {
  const destination = node.internalIPs.find((ip) => familyOf(ip) === from.vxlanFamily);
  if (destination === undefined) {
    const problem = `node ${node.name} has no ${from.vxlanFamily} address to reach it by`;
    return { routes: [], neighbors: [], fdb: [], problem };
  }
  const { vxlanName: link, protocol } = marks;
  const mac = macOf(node);
  const theirs = familyOf(node.internalIPs[0] ?? destination);
  const tunnel = node.tunnel ?? from.vxlan;
  const problems = [
    // A vxlan device listens on its own address only.
    ...(theirs === from.vxlanFamily
      ? []
      : [
          `node ${node.name} has its ${theirs} address first, this node ${from.vxlanFamily}: list the same family first in nodeIPs everywhere`,
        ]),
    ...describeTunnels(node, from.vxlan),
  ];
  return {
    routes: ranges.map((each) => renderRoute(each, { link, gateway: each.range.gateway }, from)),
    neighbors: ranges.map(({ range }) => ({ link, address: range.gateway, mac, protocol })),
    fdb: [{ link, mac, destination, ...differences(tunnel, from.vxlan) }],
    ...(problems.length === 0 ? {} : { problem: problems.join('; ') }),
  };
}

/** What of a peer's vxlan device is not as this node's: a device sends like itself unless an entry says otherwise. */
function differences(theirs: Tunnel, own: Tunnel): Partial<Tunnel> {
  return {
    ...(theirs.port === own.port ? {} : { port: theirs.port }),
    ...(theirs.vni === own.vni ? {} : { vni: theirs.vni }),
  };
}

function describeTunnels({ name, tunnel }: ClusterNode, own: Tunnel): string[] {
  if (!tunnel || Object.keys(differences(tunnel, own)).length === 0) return [];
  return [
    `node ${name} has vxlanVNI ${tunnel.vni} and vxlanPort ${tunnel.port}, this node ${own.vni} and ${own.port}: each sends as the other listens, but firewalls must let both ports pass; set them alike everywhere`,
  ];
}

const macs = new WeakMap<ClusterNode, string>();

/** Hashed once per node, not at each full pass. */
function macOf(node: ClusterNode): string {
  const mac = macs.get(node) ?? marks.vxlanMac(node.name);
  macs.set(node, mac);
  return mac;
}

/** Both ends come to the same: whoever wants vxlan has it, as that always works; then whoever wants direct. */
function agreeOnMode(own: NetworkMode, theirs: NetworkMode = 'auto'): NetworkMode {
  const wanted: readonly NetworkMode[] = [own, theirs];
  return (['vxlan', 'direct'] as const).find((mode) => wanted.includes(mode)) ?? 'auto';
}

function renderRoute(
  { range, source }: SharedRange,
  { link, gateway }: Pick<StraightWay, 'link' | 'gateway'>,
  from: Standpoint,
): LinkRoute {
  const mtu = from.pathMtus.get(range.cidr);
  return {
    link,
    destination: range.cidr,
    gateway,
    onlink: true,
    source,
    ...(mtu === undefined ? {} : { mtu }),
    protocol: marks.protocol,
  };
}

/**
 * The peer's address on a subnet of this node's. IPv4 may go by an IPv6 neighbour (RTA_VIA, Linux 5.2); the kernel
 * has no such thing the other way round.
 */
function findStraightWay(
  node: ClusterNode,
  { range, source }: SharedRange,
  { subnets }: Standpoint,
): StraightWay | undefined {
  const { family, cidr: own, gateway: destination } = range;
  const carriers: readonly Family[] = family === 'ipv4' ? ['ipv4', 'ipv6'] : ['ipv6'];
  for (const carrier of carriers) {
    for (const gateway of node.internalIPs) {
      if (familyOf(gateway) !== carrier) continue;
      const subnet = subnets.find(({ cidr }) => positionIn(cidr, gateway) !== undefined);
      if (subnet) return { range: own, destination, link: subnet.link, gateway, source };
    }
  }
  return undefined;
}

/** The peer's ranges of families that the node has too. */
function shareRanges(ranges: readonly PodRange[], own: readonly PodRange[]): SharedRange[] {
  return ranges.flatMap((range) => {
    const source = own.find(({ family }) => family === range.family)?.gateway;
    return source === undefined ? [] : [{ range, source }];
  });
}
