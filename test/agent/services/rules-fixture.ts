import { pino } from 'pino';
import { Registry } from 'prom-client';

import { ServiceRules } from '../../../agent/services/services.ts';
import type { RuleSource } from '../../../agent/services/rule-source.ts';
import type { AgentContext } from '../../../agent/subsystem.ts';
import type { EndpointSlice } from '../../../api/kinds/endpoint-slice.ts';
import type { Event } from '../../../api/kinds/event.ts';
import type { Node } from '../../../api/kinds/node.ts';
import type { Service } from '../../../api/kinds/service.ts';
import { FakeCache } from '../../../rig/fake-cache.ts';

/** Service rules of a dual-stack node for the namespace of this process, over caches that the test fills. */
export function makeRules(
  backend: string,
  nodeIPs: readonly string[],
  others?: RuleSource,
  vxlan = { port: 8472 },
) {
  const services = new FakeCache<Service>(({ metadata }) => `default/${metadata.name}`);
  const endpointSlices = new FakeCache<EndpointSlice>(({ metadata }) => `default/${metadata.name}`);
  const nodes = new FakeCache<Node>(({ metadata }) => metadata.name);
  const [reasons, messages]: [string[], string[]] = [[], []];
  const metrics = new Registry();
  const context = {
    nodeName: 'node1',
    config: {
      backend,
      nodeIPs,
      externalIPs: [],
      nodePortAddresses: [],
      nonMasqueradeCIDRs: [],
      vxlan,
    },
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
  } as unknown as AgentContext;
  const rules = new ServiceRules(context, {}, others);
  const sync = (): void => {
    for (const cache of [services, endpointSlices, nodes]) cache.sync();
  };
  return { rules, services, endpointSlices, sync, metrics, reasons, messages };
}
