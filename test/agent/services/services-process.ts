/** Service rules as a process of its own, for a test that runs it in a network namespace. Ends with its input. */
import { pino } from 'pino';
import { Registry } from 'prom-client';

import { ServiceRules } from '../../../agent/services/services.ts';
import type { AgentContext } from '../../../agent/subsystem.ts';
import type { EndpointSlice } from '../../../api/kinds/endpoint-slice.ts';
import type { Event } from '../../../api/kinds/event.ts';
import type { Node } from '../../../api/kinds/node.ts';
import type { Service } from '../../../api/kinds/service.ts';
import { FakeCache } from '../fake-cache.ts';

const [backend = 'iptables'] = process.argv.slice(2);
const services = new FakeCache<Service>(({ metadata }) => `default/${metadata.name}`);
const endpointSlices = new FakeCache<EndpointSlice>(({ metadata }) => `default/${metadata.name}`);
const nodes = new FakeCache<Node>(({ metadata }) => metadata.name);
services.set({
  metadata: { name: 'nginxsvc', namespace: 'default' },
  spec: { clusterIP: '10.96.1.2', clusterIPs: ['10.96.1.2'], ports: [{ port: 80, protocol: 'TCP' }] },
});
endpointSlices.set({
  metadata: {
    name: 'nginxsvc-1',
    namespace: 'default',
    labels: { 'kubernetes.io/service-name': 'nginxsvc' },
  },
  addressType: 'IPv4',
  ports: [{ name: '', port: 8080, protocol: 'TCP' }],
  endpoints: [{ addresses: ['10.244.1.2'] }, { addresses: ['10.244.2.2'] }],
});
for (const cache of [services, endpointSlices, nodes]) cache.sync();

const reasons: string[] = [];
const messages: string[] = [];
const metrics = new Registry();
const rules = new ServiceRules({
  nodeName: 'node1',
  config: { backend, nodeIPs: ['192.0.2.1'], externalIPs: [], nodePortAddresses: [] },
  cluster: {
    clusterCIDRs: ['10.244.0.0/16', 'fd00:10:244::/56'],
    serviceCIDRs: ['10.96.0.0/16', 'fd00:10:96::/112'],
    dnsIPs: ['10.96.0.10', 'fd00:10:96::a'],
    loadBalancerPools: [],
  },
  client: {
    create: (_resource: unknown, event: Event) => {
      reasons.push(event.reason ?? '');
      messages.push(event.message ?? '');
      return Promise.resolve(event);
    },
  },
  caches: { services, endpointSlices, nodes },
  log: pino({ level: 'silent' }),
  metrics,
} as unknown as AgentContext);
await rules.start();
const count = async (name: string): Promise<number> =>
  (await metrics.getSingleMetric(`weft_services_${name}_total`)?.get())?.values[0]?.value ?? 0;
const tell = async (): Promise<void> => {
  const counts = { repairs: await count('repairs'), compares: await count('compares') };
  process.stdout.write(`${JSON.stringify({ ...rules.health(), reasons, messages, ...counts })}\n`);
};
const report = setInterval(() => void tell(), 50);
process.stdin.on('end', () => {
  clearInterval(report);
  void rules.stop();
});
process.stdin.resume();
