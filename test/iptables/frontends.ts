import type { Frontend, NodeSettings } from '../../iptables/model.ts';

// Who is who: 192.0.2.1 the node, 10.244.1.2 a pod here, 10.244.2.2 a pod elsewhere, 10.96.0.20 a clusterIP.

/** A node of an IPv4 cluster. */
export const settings: NodeSettings = {
  clusterCIDRs: ['10.244.0.0/16'],
  serviceCIDRs: ['10.96.0.0/16'],
  dnsIPs: ['10.96.0.10'],
  podCIDRs: ['10.244.1.0/24'],
  nodeIPs: ['192.0.2.1'],
  nodePortAddresses: [],
};

export const here = { address: '10.244.1.2', port: 8080, local: true };
export const there = { address: '10.244.2.2', port: 8080, local: false };

/** A clusterIP with an endpoint here and one elsewhere, where `part` says nothing else. */
export function frontend(part: Partial<Frontend>): Frontend {
  return {
    family: 'ipv4',
    protocol: 'tcp',
    kind: 'clusterIP',
    address: '10.96.0.20',
    port: 80,
    name: 'default/web:http',
    endpoints: [here, there],
    whenEmpty: 'reject',
    ...part,
  };
}
