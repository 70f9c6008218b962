import type { Family } from '../../netns/ip.ts';
import { families, familyOf } from '../../netns/ip.ts';
import type { DesiredState, LinkAddress } from '../../netns/state.ts';
import { nodeSysctls } from './host-settings.ts';
import * as marks from './marks.ts';
import { nodeAddresses, nodeLinks } from './node-links.ts';
import { planPeers } from './peers.ts';
import { podLink, podNeighbors } from './pods.ts';
import { assignRanges, podRanges } from './ranges.ts';
import type { NetworkView, NodePlan } from './view.ts';

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
  const others = view.nodes.filter(({ name }) => name !== view.nodeName);
  const peers = planPeers(others, accepted, ranges, underlayFamily, view.pathMtus);
  const state = {
    links: [...nodeLinks(view, mtu), ...view.pods.map(({ uid }) => podLink(uid, mtu))],
    addresses: [...dnsAddresses(view), ...ranges.flatMap(nodeAddresses)],
    routes: peers.state.routes,
    neighbors: [...peers.state.neighbors, ...view.pods.flatMap((pod) => podNeighbors(pod))],
    fdb: peers.state.fdb,
    sysctls: nodeSysctls(view.underlay),
  };
  return {
    state,
    pods: { mtu, bridgeMac: marks.bridgeMac(view.nodeName), ranges },
    problems: [...problems, ...peers.problems],
  };
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
