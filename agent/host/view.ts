import type { Family } from '../../netns/ip.ts';

/** What packets of the cluster look like on this host. */
export interface HostView {
  readonly clusterCIDRs: readonly string[];
  readonly dnsIPs: readonly string[];
  readonly vxlanPort: number;
  readonly agentPort: number;
  /** Two addresses of pods here, per family that the node has a range of. */
  readonly pods: readonly { readonly family: Family; readonly addresses: readonly [string, string] }[];
  /** An address of a pod elsewhere for each link by which there is a way to such pods. */
  readonly farPods: readonly string[];
  /** The address of a node to whose pods a route leads straight, per family. */
  readonly directNodes: readonly string[];
  /** The address of a node to whose pods the vxlan leads, per family. */
  readonly vxlanNodes: readonly string[];
  /** Another node's address, per family. */
  readonly otherNodes: readonly string[];
  /** The addresses by which other nodes know this one. */
  readonly nodeIPs: readonly string[];
  /** Families in which there is a default route. */
  readonly leaving: readonly Family[];
}
