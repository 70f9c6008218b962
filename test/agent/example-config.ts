import { join } from 'node:path';
import type { AgentConfig } from '../../agent/config/config.ts';
import { clusterDns, forwarding } from './names/forwarding.ts';

/** The configuration of an agent that keeps its files in a directory, and is told nothing but what is given. */
export function exampleConfig(stateDir: string, given: Partial<AgentConfig> = {}): AgentConfig {
  return {
    nodeName: 'node1',
    server: 'https://192.0.2.1:6443',
    stateDir,
    runDir: join(stateDir, 'run'),
    nodeIPs: ['192.0.2.1'],
    externalIPs: [],
    nodePortAddresses: [],
    nonMasqueradeCIDRs: [],
    announceInterfaces: [],
    backend: 'iptables',
    networkMode: 'auto',
    podLink: 'bridge',
    vxlan: { port: 8472, vni: 117 },
    upstreams: [],
    forwarding,
    clusterDns,
    dnsWorkers: 1,
    port: 10250,
    cni: { configDir: '/etc/cni/net.d', binDirs: [] },
    healthPort: 10256,
    nodeLabels: {},
    ...given,
  };
}
