/** What the whole cluster agrees on. The server publishes it as ConfigMap kube-system/weft-cluster, key `cluster.json`. */
export interface ClusterConfig {
  /** Pod ranges, one per family, primary family first, e.g. `['10.244.0.0/16', 'fd00:10:244::/56']`. */
  readonly clusterCIDRs: readonly string[];
  /** Service ranges, one per family, in the same order of families. */
  readonly serviceCIDRs: readonly string[];
  /** Prefix length of one node's share of each cluster range: 24 for IPv4, 64 for IPv6. */
  readonly nodeCIDRMaskSizes: { readonly ipv4: number; readonly ipv6: number };
  /** The cluster DNS addresses, one per Service range (its tenth address). */
  readonly dnsIPs: readonly string[];
  /** The cluster's DNS zone without a trailing dot, e.g. `cluster.local`. */
  readonly zone: string;
  /** Addresses for Services of type LoadBalancer: ranges, or a first and a last address with a dash between. */
  readonly loadBalancerPools: readonly string[];
  readonly nodePortRange: { readonly first: number; readonly last: number };
}
