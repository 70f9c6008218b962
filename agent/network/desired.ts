import type { Family } from '../../netns/ip.ts';
import { families, familyOf, parseCidr } from '../../netns/ip.ts';
import type { DesiredState, LinkAddress } from '../../netns/state.ts';
import { looseSysctls, neighborSysctls, nodeSysctls } from './host-settings.ts';
import { vxlanOverheadBytes } from '../../netns/vxlan-packet.ts';
import * as marks from './marks.ts';
import { nodeAddresses, nodeLinks } from './node-links.ts';
import { describeRivalry, PeerTable } from './peer-table.ts';
import { podLinks, podNeighbors, podRoutes } from './pods.ts';
import { RangeTable } from './ranges.ts';
import type { NetworkView, NodePlan } from './view.ts';

/** The network that a node shall have. */
export function planNetwork(view: NetworkView): NodePlan {
  const ranges = new RangeTable(view.nodes);
  const given = ranges.rangesOf(view.nodeName);
  const own = given.filter(({ family }) => hasFamily(view, family));
  const fenced = fenceOf(view, ranges);
  if (fenced !== undefined) return { state: emptyState(view), fenced, problems: [fenced] };
  const isCut = own.length < given.length;
  const problems = [
    ...(view.nodes.find(({ name }) => name === view.nodeName)?.flaws ?? []),
    ...(isCut ? ['IPv6 is switched off on this host; its pods get IPv4 only'] : []),
  ];
  if (own.length === 0) return { state: emptyState(view), problems };
  const vxlanFamily = familyOf(view.nodeIPs[0] ?? '');
  const tunnelMtu = view.underlay.mtu - vxlanOverheadBytes[vxlanFamily];
  // A node that goes straight to all others fills the underlay's packets. Where single peers are behind the vxlan all the
  // same, its device is the narrower one, which the kernel tells pods like any narrow way.
  const carried = view.mode === 'direct' ? view.underlay.mtu : tunnelMtu;
  const mtu = Math.min(view.podMTU ?? carried, view.underlay.mtu);
  if (view.podMTU !== undefined && view.podMTU > mtu)
    problems.push(describeExcess(view.podMTU, view.underlay));
  const subnets = view.underlay.subnets.map(({ link, cidr }) => ({ link, cidr: parseCidr(cidr) }));
  const { nodeName, mode, vxlan, pathMtus, proven } = view;
  const peers = new PeerTable(ranges, view.nodes, {
    nodeName,
    mode,
    vxlan,
    pathMtus,
    proven,
    own,
    vxlanFamily,
    subnets,
  });
  const ways = peers.state;
  const pods = { podLink: view.podLink, mtu, bridgeMac: marks.bridgeMac(view.nodeName), ranges: own };
  const state = {
    links: [
      ...nodeLinks(view, { pods: mtu, tunnel: tunnelMtu }),
      ...view.pods.flatMap((pod) => podLinks(pod, pods)),
    ],
    addresses: [...dnsAddresses(view), ...own.flatMap(nodeAddresses)],
    routes: [...ways.routes, ...view.pods.flatMap((pod) => podRoutes(pod, pods))],
    neighbors: [...ways.neighbors, ...view.pods.flatMap((pod) => podNeighbors(pod, pods))],
    fdb: ways.fdb,
    sysctls: [...nodeSysctls(view.underlay), ...looseSysctls(view), ...neighborSysctls(view.underlay)],
  };
  return { state, pods, peers, problems };
}

function describeExcess(podMTU: number, { name, mtu }: NetworkView['underlay']): string {
  return `podMTU is ${podMTU}, but ${name} carries packets of ${mtu} bytes at most: pods get ${mtu}`;
}

/** Why this node may not use the ranges that it was given. */
function fenceOf({ nodeName, nodes }: NetworkView, ranges: RangeTable): string | undefined {
  const rival = ranges.rivalOf(nodeName);
  const self = nodes.find(({ name }) => name === nodeName);
  return self && rival !== undefined ? describeRivalry(self, rival) : undefined;
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

/** On loopback, for the node's own DNS server; passive, or the node would use them as its source address. */
function dnsAddresses(view: NetworkView): LinkAddress[] {
  const usable = view.dnsIPs.filter((address) => hasFamily(view, familyOf(address)));
  return usable.map((address) => {
    const prefix = families[familyOf(address)].bits;
    return { link: 'lo', address, prefix, protocol: marks.protocol, passive: true };
  });
}

function hasFamily({ withoutIPv6 }: NetworkView, family: Family): boolean {
  return family === 'ipv4' || !withoutIPv6;
}
