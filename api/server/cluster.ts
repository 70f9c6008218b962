/** What the whole cluster agrees on; published as ConfigMap kube-system/weft-cluster, key `cluster.json`. */
export interface ClusterSettings {
  /** Pod ranges, one per family, primary family first. */
  readonly clusterCIDRs: readonly string[];
  /** Service ranges, one per family, in the same order of families. */
  readonly serviceCIDRs: readonly string[];
  /** Prefix length of one node's share of each cluster range. */
  readonly nodeCIDRMaskSizes: { readonly ipv4: number; readonly ipv6: number };
  /** The cluster DNS addresses, one per Service range. */
  readonly dnsIPs: readonly string[];
  /** The cluster's DNS zone without a trailing dot. */
  readonly zone: string;
  readonly nodePortRange: { readonly first: number; readonly last: number };
}
