import type { ClusterNode, NetworkView } from '../../../agent/network/view.ts';

/** A node of the example cluster, dual-stack on one subnet: node1 is the older one. */
export function exampleNode(number: number, changes: Partial<ClusterNode> = {}): ClusterNode {
  return {
    name: `node${number}`,
    created: `2026-01-01T00:00:0${number}Z`,
    podCIDRs: [`10.244.${number}.0/24`, `fd00:10:244:${number}::/64`],
    internalIPs: [`172.30.0.1${number}`, `fd00:172:30::1${number}`],
    ...changes,
  };
}

/** What node1 sees of a cluster of two. */
export const exampleView: NetworkView = {
  nodeName: 'node1',
  nodeIPs: ['172.30.0.11', 'fd00:172:30::11'],
  nodes: [exampleNode(1), exampleNode(2)],
  dnsIPs: ['10.96.0.10', 'fd00:10:96::a'],
  vxlan: { port: 8472, vni: 117 },
  mode: 'vxlan',
  podLink: 'bridge',
  underlay: {
    name: 'eth0',
    mtu: 1500,
    acceptsRouters: false,
    strictLinks: [],
    subnets: [
      { link: 'eth0', cidr: '172.30.0.0/24' },
      { link: 'eth0', cidr: 'fd00:172:30::/64' },
    ],
  },
  pods: [],
  pathMtus: new Map(),
  proven: new Set(),
  withoutIPv6: false,
};
