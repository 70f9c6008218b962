import type { ClusterConfig } from '../api/cluster.ts';

/** The default cluster, for tests that do not care which. */
export const testCluster: ClusterConfig = {
  clusterCIDRs: ['10.244.0.0/16', 'fd00:10:244::/56'],
  serviceCIDRs: ['10.96.0.0/16', 'fd00:10:96::/112'],
  nodeCIDRMaskSizes: { ipv4: 24, ipv6: 64 },
  dnsIPs: ['10.96.0.10', 'fd00:10:96::a'],
  zone: 'cluster.local',
  loadBalancerPools: [],
  nodePortRange: { first: 30000, last: 32767 },
};
