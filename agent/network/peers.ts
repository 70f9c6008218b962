import type { Family } from '../../netns/ip.ts';
import { familyOf } from '../../netns/ip.ts';
import type { DesiredState, LinkFdbEntry, LinkNeighbor, LinkRoute } from '../../netns/state.ts';
import * as marks from './marks.ts';
import { podRanges } from './ranges.ts';
import type { ClusterNode, NetworkView, PodRange } from './view.ts';

interface Peer {
  readonly mac: string;
  readonly underlay: string;
  readonly ranges: readonly PodRange[];
}

/** What leads to the other nodes: routes, neighbours and forwarding entries. */
export interface PeersPlan {
  readonly state: Pick<DesiredState, 'routes' | 'neighbors' | 'fdb'>;
  readonly problems: readonly string[];
}

/**
 * The ways to all nodes that have ranges.
 * @param accepted each node's ranges by its name
 * @param own this node's ranges
 * @param pathMtus see {@link NetworkView}
 */
export function planPeers(
  nodes: readonly ClusterNode[],
  accepted: ReadonlyMap<string, readonly string[]>,
  own: readonly PodRange[],
  underlayFamily: Family,
  pathMtus: NetworkView['pathMtus'],
): PeersPlan {
  const peers: Peer[] = [];
  const problems: string[] = [];
  for (const node of nodes) {
    const cidrs = accepted.get(node.name);
    if (!cidrs) continue;
    const underlay = node.internalIPs.find((ip) => familyOf(ip) === underlayFamily);
    if (underlay === undefined)
      problems.push(`node ${node.name} has no ${underlayFamily} address to reach it by`);
    else peers.push({ mac: marks.vxlanMac(node.name), underlay, ranges: podRanges(cidrs) });
  }
  const state = {
    routes: peers.flatMap((peer) => peerRoutes(peer, own, pathMtus)),
    neighbors: peers.flatMap((peer) => peerNeighbors(peer, own)),
    fdb: peers.map(peerFdb),
  };
  return { state, problems };
}

/** A peer's range is behind its gateway, a neighbour on the vxlan. */
function peerRoutes(peer: Peer, own: readonly PodRange[], pathMtus: NetworkView['pathMtus']): LinkRoute[] {
  return sharedRanges(peer, own).map(({ range, source }) => {
    const mtu = pathMtus.get(range.cidr);
    return {
      link: marks.vxlanName,
      destination: range.cidr,
      gateway: range.gateway,
      onlink: true,
      source,
      ...(mtu === undefined ? {} : { mtu }),
      protocol: marks.protocol,
    };
  });
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
