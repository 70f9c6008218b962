/** Cluster names as a process of its own, for a test that runs it in a network namespace. Ends with its input. */
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { ClusterNames } from '../../../agent/names/names.ts';
import type { AgentContext } from '../../../agent/subsystem.ts';
import type { EndpointSlice } from '../../../api/kinds/endpoint-slice.ts';
import type { Namespace } from '../../../api/kinds/namespace.ts';
import type { Service } from '../../../api/kinds/service.ts';
import { FakeCache } from '../../../rig/fake-cache.ts';
import { clusterDns, forwarding } from './forwarding.ts';

const services = new FakeCache<Service>(({ metadata }) => `default/${metadata.name}`);
const endpointSlices = new FakeCache<EndpointSlice>(({ metadata }) => `default/${metadata.name}`);
const namespaces = new FakeCache<Namespace>(({ metadata }) => metadata.name);
services.set({
  metadata: { name: 'nginxsvc', namespace: 'default' },
  spec: { clusterIP: '10.96.1.2', ports: [{ port: 80 }] },
});
for (const cache of [services, endpointSlices, namespaces]) cache.sync();

const context = {
  nodeName: 'node1',
  cluster: {
    clusterCIDRs: ['10.244.0.0/16', 'fd00:10:244::/56'],
    serviceCIDRs: ['10.96.0.0/16'],
    dnsIPs: ['10.96.0.10', 'fd00:10:96::a'],
    zone: 'cluster.local',
  },
  // Its own address on another port: nothing answers, and nothing is asked outside.
  config: { upstreams: ['10.96.0.10:54'], forwarding, clusterDns, dnsWorkers: 2 },
  caches: { services, endpointSlices, namespaces },
  log: pino({ level: 'silent' }),
  metrics: new Registry(),
} as unknown as AgentContext;
const names = new ClusterNames(context, { forNodes: () => process.argv.slice(2) });
await names.start();
const report = setInterval(() => {
  process.stdout.write(`${JSON.stringify(names.health())}\n`);
}, 50);
process.stdin.on('end', () => {
  clearInterval(report);
  void names.stop();
});
process.stdin.resume();
