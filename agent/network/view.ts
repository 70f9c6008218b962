import type { Family } from '../../netns/ip.ts';
import type { DesiredState } from '../../netns/state.ts';
import type { Bandwidth } from './bandwidth.ts';
import type { PeerTable } from './peer-table.ts';
import type { Tunnel } from './tunnel.ts';

/** What the network needs to know of a node of the cluster. */
export interface ClusterNode {
  readonly name: string;
  /** RFC 3339. Of two nodes with the same range the older keeps it. */
  readonly created: string;
  /** One per family, canonical. */
  readonly podCIDRs: readonly string[];
  readonly internalIPs: readonly string[];
  /** How it wants to be reached, whatever others are set to. */
  readonly mode?: NetworkMode;
  /** How its vxlan device listens; absent: like this node's own. */
  readonly tunnel?: Tunnel;
  /** What its object says beside that, and cannot be used: a sentence each. */
  readonly flaws?: readonly string[];
}

/** A pod attached here: one of our own, or a container of somebody else's runtime. */
export interface AttachedPod {
  /** A pod's uid, or how its runtime is told from others and the container by it. */
  readonly id: string;
  /** Primary family first. */
  readonly ips: readonly string[];
  readonly mac: string;
  readonly bandwidth?: Bandwidth;
}

/**
 * How packets reach pods of other nodes: by a route straight to the node where both are on one subnet that lets them
 * pass and else by vxlan (`auto`), always one way (`direct`) or always the other (`vxlan`).
 */
export type NetworkMode = (typeof networkModes)[number];
export const networkModes = ['auto', 'direct', 'vxlan'] as const;

export function isNetworkMode(word: string | undefined): word is NetworkMode {
  return networkModes.some((mode) => mode === word);
}

/** The link that has the first node address, and where the node's addresses are. */
export interface Underlay {
  readonly name: string;
  readonly mtu: number;
  readonly acceptsRouters: boolean;
  /** Its links with a strict filter of routes (rp_filter). */
  readonly strictLinks: readonly string[];
  /** The subnets of the node's own addresses, with the links that these are on. */
  readonly subnets: readonly { readonly link: string; readonly cidr: string }[];
}

/** Everything that a node's network follows from. */
export interface NetworkView {
  readonly nodeName: string;
  /** The node's own addresses, primary family first; the first one carries the vxlan. */
  readonly nodeIPs: readonly string[];
  /** All nodes, this one among them. */
  readonly nodes: readonly ClusterNode[];
  readonly dnsIPs: readonly string[];
  readonly vxlan: Tunnel;
  readonly mode: NetworkMode;
  readonly podLink: PodLinkMode;
  /** MTU of pods' links, where somebody has said it. */
  readonly podMTU?: number | undefined;
  readonly underlay: Underlay;
  readonly pods: readonly AttachedPod[];
  /** The longest packet that reaches a peer's range, by that range, where it was found to be less than links say. */
  readonly pathMtus: ReadonlyMap<string, number>;
  /** The straight ways (straightKey of peers.ts) by which packets with pods' addresses were found to pass. */
  readonly proven: Pick<ReadonlySet<string>, 'has'>;
  /** Whether IPv6 is switched off on this host. */
  readonly withoutIPv6: boolean;
}

/**
 * What joins pods of one node: ports of a bridge (`bridge`), or nothing, each having its own route and no neighbour but
 * the node (`routed`).
 */
export type PodLinkMode = 'bridge' | 'routed';

/** How the node's pods are connected. */
export interface PodPlan {
  readonly podLink: PodLinkMode;
  readonly mtu: number;
  /** The gateways' hardware address: the bridge's, and of routed pods the node's ends of their links. */
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
  /** The ways to the other nodes, all of which are in `state`; absent as {@link pods} is. */
  readonly peers?: PeerTable;
  /** Why this node must send nothing to others: its ranges are somebody else's, in a sentence. */
  readonly fenced?: string;
  /** What is wrong with this node, a sentence each. */
  readonly problems: readonly string[];
}
