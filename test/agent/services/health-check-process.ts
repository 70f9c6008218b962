/**
 * Service rules as a process of its own, for a test that runs it in a network namespace. What it knows of the cluster it
 * reads from its input, an object as JSON per line (one with a deletionTimestamp is gone); it ends with it. Tells its
 * state as services-process.ts does.
 */
import { createInterface } from 'node:readline';
import { pino } from 'pino';
import { Registry } from 'prom-client';

import { ServiceRules } from '../../../agent/services/services.ts';
import type { AgentContext } from '../../../agent/subsystem.ts';
import type { EndpointSlice } from '../../../api/kinds/endpoint-slice.ts';
import type { Event } from '../../../api/kinds/event.ts';
import type { Node } from '../../../api/kinds/node.ts';
import type { Service } from '../../../api/kinds/service.ts';
import { FakeCache } from '../fake-cache.ts';

const [backend = 'nftables', ...nodeIPs] = process.argv.slice(2);
const services = new FakeCache<Service>(({ metadata }) => `default/${metadata.name}`);
const endpointSlices = new FakeCache<EndpointSlice>(({ metadata }) => `default/${metadata.name}`);
const nodes = new FakeCache<Node>(({ metadata }) => metadata.name);
for (const cache of [services, endpointSlices, nodes]) cache.sync();

const reasons: string[] = [];
const messages: string[] = [];
const rules = new ServiceRules({
  nodeName: 'node1',
  config: { backend, nodeIPs, externalIPs: [], nodePortAddresses: [] },
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
  metrics: new Registry(),
} as unknown as AgentContext);
await rules.start();
const report = setInterval(() => {
  process.stdout.write(`${JSON.stringify({ ...rules.health(), reasons, messages })}\n`);
}, 20);
for await (const line of createInterface({ input: process.stdin })) {
  const object = JSON.parse(line) as Service | EndpointSlice;
  if ('endpoints' in object) endpointSlices.set(object);
  else if (object.metadata.deletionTimestamp) services.delete(`default/${object.metadata.name}`);
  else services.set(object);
}
clearInterval(report);
await rules.stop();
