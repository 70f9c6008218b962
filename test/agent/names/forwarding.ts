import type { ClusterDnsConfig, ForwardingConfig } from '../../../agent/config/config.ts';

/** Settings of forwarding as an agent has them that says nothing about it. */
export const forwarding: ForwardingConfig = {
  policy: 'sequential',
  stubDomains: {},
  mixCase: false,
  cacheBytes: 1 << 24,
  minTtlSeconds: 5,
  maxTtlSeconds: 3600,
  maxNegativeTtlSeconds: 1800,
  maxStaleSeconds: 86_400,
};

/** The same of the cluster's own names. */
export const clusterDns: ClusterDnsConfig = {
  podNames: 'verified',
  autopath: false,
  transferTo: [],
  limits: { clientRate: undefined, connections: 512, waiting: 1000 },
};
