import type { Family } from '../../netns/ip.ts';
import type { DesiredState } from '../../netns/state.ts';

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
  /** The longest packet that reaches a peer's range, by that range, where it was found to be less than links say. */
  readonly pathMtus: ReadonlyMap<string, number>;
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
