import type { Family } from '../../netns/ip.ts';
import { addressAt, families, familyOf, overlap, parseCidr, renderCidr } from '../../netns/ip.ts';
import type {
  DesiredLink,
  DesiredState,
  LinkAddress,
  LinkFdbEntry,
  LinkNeighbor,
  LinkRoute,
} from '../../netns/state.ts';
import type { Sysctl } from '../../netns/sysctl.ts';
import * as marks from './marks.ts';

/** What the network needs to know of a node of the cluster. */
export interface ClusterNode {
  readonly name: string;
  /** RFC 3339. Of two nodes with the same range the older keeps it. */
  readonly created: string;
  readonly podCIDRs: readonly string[];
  readonly internalIPs: readonly string[];
}

/** A pod attached here. */
export interface AttachedPod {
  readonly uid: string;
  readonly ips: readonly string[];
}

/** Everything that a node's network follows from. */
export interface NetworkView {
  readonly nodeName: string;
  /** The node's own addresses, primary family first; the first one carries the vxlan. */
  readonly nodeIPs: readonly string[];
  /** All nodes, this one among them. */
  readonly nodes: readonly ClusterNode[];
  readonly dnsIPs: readonly string[];
  readonly vxlan: { readonly port: number; readonly vni: number };
  /** The link that has the first node address. */
  readonly underlay: { readonly name: string; readonly mtu: number; readonly acceptsRouters: boolean };
  readonly pods: readonly AttachedPod[];
  /** Whether IPv6 is switched off on this host. */
  readonly withoutIPv6: boolean;
}

/** How the node's pods are connected. */
export interface PodPlan {
  readonly mtu: number;
  readonly bridgeMac: string;
  /** Per family the node's range and its first address, which is the bridge's; primary family first. */
  readonly ranges: readonly PodRange[];
}

export interface PodRange {
  readonly family: Family;
  readonly cidr: string;
  readonly gateway: string;
}

export interface NodePlan {
  readonly state: DesiredState;
  /** Absent while the node has no range of its own, or one that is somebody else's. */
  readonly pods?: PodPlan;
  /** What is wrong with the cluster's nodes, a sentence each. */
  readonly problems: readonly string[];
}

/** Bytes that vxlan puts around a packet: outer IP header, UDP 8, vxlan 8, inner Ethernet 14 (RFC 7348). */
const vxlanOverhead: Readonly<Record<Family, number>> = { ipv4: 50, ipv6: 70 };

/** The network that a node shall have. */
export function planNetwork(view: NetworkView): NodePlan {
  const { accepted, problems } = assignRanges(view.nodes);
  const usable = podRanges(accepted.get(view.nodeName) ?? []);
  const ranges = usable.filter(({ family }) => hasFamily(view, family));
  if (ranges.length < usable.length)
    problems.push('IPv6 is switched off on this host; its pods get IPv4 only');
  if (ranges.length === 0) return { state: emptyState(view), problems };
  const underlayFamily = familyOf(view.nodeIPs[0] ?? '');
  const mtu = view.underlay.mtu - vxlanOverhead[underlayFamily];
  const peers: Peer[] = [];
  for (const node of view.nodes) {
    const cidrs = accepted.get(node.name);
    if (node.name === view.nodeName || !cidrs) continue;
    const underlay = node.internalIPs.find((ip) => familyOf(ip) === underlayFamily);
    if (underlay === undefined)
      problems.push(`node ${node.name} has no ${underlayFamily} address to reach it by`);
    else peers.push({ mac: marks.vxlanMac(node.name), underlay, ranges: podRanges(cidrs) });
  }
  const state = {
    links: [...nodeLinks(view, mtu), ...view.pods.map(({ uid }) => podLink(uid, mtu))],
    addresses: [...dnsAddresses(view), ...ranges.flatMap(nodeAddresses)],
    routes: peers.flatMap((peer) => peerRoutes(peer, ranges)),
    neighbors: [
      ...peers.flatMap((peer) => peerNeighbors(peer, ranges)),
      ...view.pods.flatMap((pod) => podNeighbors(pod)),
    ],
    fdb: peers.map(peerFdb),
    sysctls: nodeSysctls(view.underlay),
  };
  return { state, pods: { mtu, bridgeMac: marks.bridgeMac(view.nodeName), ranges }, problems };
}

/** The ranges with their gateways: the first address of each. */
export function podRanges(cidrs: readonly string[]): PodRange[] {
  return cidrs.map((text) => {
    const cidr = parseCidr(text);
    return { family: cidr.family, cidr: renderCidr(cidr), gateway: addressAt(cidr, 1n) };
  });
}

/** Static neighbours of the pods on the bridge: their first packet waits for nobody. */
function podNeighbors({ uid, ips }: AttachedPod): LinkNeighbor[] {
  const { bridgeName: link, protocol } = marks;
  return ips.map((address) => ({ link, address, mac: marks.podMac(uid), protocol }));
}

function hasFamily({ withoutIPv6 }: NetworkView, family: Family): boolean {
  return family === 'ipv4' || !withoutIPv6;
}

interface Peer {
  readonly mac: string;
  readonly underlay: string;
  readonly ranges: readonly PodRange[];
}

/** Which node has which ranges. A range that overlaps an older node's is nobody's: packets must not go two ways. */
export function assignRanges(nodes: readonly ClusterNode[]): {
  readonly accepted: ReadonlyMap<string, readonly string[]>;
  readonly problems: string[];
} {
  const accepted = new Map<string, readonly string[]>();
  const taken: { readonly cidr: ReturnType<typeof parseCidr>; readonly owner: string }[] = [];
  const problems: string[] = [];
  const oldestFirst = nodes.toSorted((a, b) => compare(a.created, b.created) || compare(a.name, b.name));
  for (const { name, podCIDRs } of oldestFirst) {
    const cidrs = podCIDRs.map(parseCidr);
    const clash = taken.find((other) => cidrs.some((cidr) => overlap(cidr, other.cidr)));
    if (clash) {
      problems.push(
        `podCIDR ${podCIDRs.join(',')} of node ${name} is node ${clash.owner}'s; delete one of them`,
      );
      continue;
    }
    taken.push(...cidrs.map((cidr) => ({ cidr, owner: name })));
    if (cidrs.length > 0) accepted.set(name, podCIDRs);
  }
  return { accepted, problems };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** Without a place in the cluster only what needs none: the DNS addresses. */
function emptyState(view: NetworkView): DesiredState {
  const { underlay } = view;
  const addresses = dnsAddresses(view);
  return {
    links: [],
    addresses,
    routes: [],
    neighbors: [],
    fdb: [],
    sysctls: nodeSysctls(underlay).slice(0, 2),
  };
}

/**
 * Neither has a link-local address: the bridge has it that the kernel sends no IPv6 redirects (which pods would
 * follow to each other, past the Services' rules), the vxlan that no packet of its own ever goes out.
 */
function nodeLinks({ nodeName, nodeIPs, vxlan }: NetworkView, mtu: number): DesiredLink[] {
  const shared = { mtu, up: true, linkLocal: false };
  const { bridgeName, bridgeAlias, vxlanName, vxlanAlias } = marks;
  const local = nodeIPs[0] ?? '';
  return [
    { ...shared, name: bridgeName, alias: bridgeAlias, kind: 'bridge', mac: marks.bridgeMac(nodeName) },
    {
      ...shared,
      name: vxlanName,
      alias: vxlanAlias,
      kind: 'vxlan',
      mac: marks.vxlanMac(nodeName),
      vxlan: { vni: vxlan.vni, port: vxlan.port, local },
    },
  ];
}

/** The node's end of a pod's veth. Isolated: pods reach each other only through the node and so its rules. */
function podLink(uid: string, mtu: number): DesiredLink {
  const [name, alias] = [marks.podHostLinkName(uid), marks.podAlias(uid)];
  return {
    name,
    alias,
    kind: 'veth',
    up: true,
    mtu,
    master: marks.bridgeName,
    isolated: true,
    linkLocal: false,
  };
}

/** On loopback, for the node's own DNS server; passive, or the node would use them as its source address. */
function dnsAddresses(view: NetworkView): LinkAddress[] {
  const usable = view.dnsIPs.filter((address) => hasFamily(view, familyOf(address)));
  return usable.map((address) => {
    const prefix = families[familyOf(address)].bits;
    return { link: 'lo', address, prefix, protocol: marks.protocol, passive: true };
  });
}

/**
 * The gateway is on the bridge with its range, and once more alone on the vxlan: so what the node masquerades
 * into the overlay has an address of the node's range too, and its answers come back the same way.
 */
function nodeAddresses({ family, cidr, gateway: address }: PodRange): LinkAddress[] {
  const shared = { address, protocol: marks.protocol, passive: false };
  return [
    { ...shared, link: marks.bridgeName, prefix: parseCidr(cidr).prefix },
    { ...shared, link: marks.vxlanName, prefix: families[family].bits },
  ];
}

/** A peer's range is behind its gateway, a neighbour on the vxlan. */
function peerRoutes(peer: Peer, own: readonly PodRange[]): LinkRoute[] {
  return sharedRanges(peer, own).map(({ range, source }) => ({
    link: marks.vxlanName,
    destination: range.cidr,
    gateway: range.gateway,
    onlink: true,
    source,
    protocol: marks.protocol,
  }));
}

function peerNeighbors(peer: Peer, own: readonly PodRange[]): LinkNeighbor[] {
  return sharedRanges(peer, own).map(({ range }) => ({
    link: marks.vxlanName,
    address: range.gateway,
    mac: peer.mac,
    protocol: marks.protocol,
  }));
}

function peerFdb({ mac, underlay }: Peer): LinkFdbEntry {
  return { link: marks.vxlanName, mac, destination: underlay };
}

/** The peer's ranges of families that the node has too, with the node's own address of that family. */
function sharedRanges(
  peer: Peer,
  own: readonly PodRange[],
): { readonly range: PodRange; readonly source: string }[] {
  return peer.ranges.flatMap((range) => {
    const source = own.find(({ family }) => family === range.family)?.gateway;
    return source === undefined ? [] : [{ range, source }];
  });
}

function nodeSysctls({ name: underlay, acceptsRouters }: NetworkView['underlay']): Sysctl[] {
  const ipv4 = 'net/ipv4/conf';
  return [
    { name: 'net/ipv4/ip_forward', value: '1' },
    { name: 'net/ipv6/conf/all/forwarding', value: '1' },
    // A forwarding host no longer listens to routers, and would lose a default route it learned from one; 2: still.
    ...(acceptsRouters ? [{ name: `net/ipv6/conf/${underlay}/accept_ra`, value: '2' }] : []),
    // Between two pods of a node packets leave by the link they came in on. A pod told so would go past the rules.
    // Either of the two would be enough to send redirects.
    { name: `${ipv4}/all/send_redirects`, value: '0' },
    { name: `${ipv4}/${marks.bridgeName}/send_redirects`, value: '0' },
    // Strict: a pod cannot use an address outside the node's range. Loose on the vxlan: a peer may speak with its
    // underlay address, whose way back is not the vxlan.
    { name: `${ipv4}/${marks.bridgeName}/rp_filter`, value: '1' },
    { name: `${ipv4}/${marks.vxlanName}/rp_filter`, value: '2' },
    // br_netfilter, where it is loaded, shows bridged packets to the rules: one whose Service led it back onto the
    // bridge would then be switched to its pod instead of routed, and isolated ports drop it. All our pods' packets
    // are routed, so the rules see each of them without.
    { name: 'net/bridge/bridge-nf-call-iptables', value: '0' },
    { name: 'net/bridge/bridge-nf-call-ip6tables', value: '0' },
  ];
}
