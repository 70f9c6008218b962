/**
 * Serves the names of Services as an agent does, by its own subsystem over caches, without the rest of an agent.
 * Told so by a message `{ changesPerSecond }`, endpoints of headless Services come and go, one Service after the other.
 * Usage: dns-weft-process.ts JSON, a {@link Duty}.
 */
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { loadConfig } from '../../agent/config/load.ts';
import { ClusterNames } from '../../agent/names/names.ts';
import type { AgentContext } from '../../agent/subsystem.ts';
import type { EndpointSlice } from '../../api/kinds/endpoint-slice.ts';
import type { KubeObject } from '../../api/kinds/meta.ts';
import type { Namespace } from '../../api/kinds/namespace.ts';
import type { Node } from '../../api/kinds/node.ts';
import type { Pod } from '../../api/kinds/pod.ts';
import type { Service } from '../../api/kinds/service.ts';
import { FakeCache } from '../../test/agent/fake-cache.ts';
import { changingService, dnsServiceOf, dnsSliceOf, numbers } from './dns-data.ts';
import type { Duty } from './dns-peers.ts';
import { cluster } from './services-data.ts';

export interface ChangeOrder {
  /** 0: none any more. */
  readonly changesPerSecond: number;
}

const duty = JSON.parse(process.argv[2] ?? '') as Duty;
const keyOf = ({ metadata: { namespace, name } }: KubeObject): string =>
  namespace === undefined ? name : `${namespace}/${name}`;
const caches = {
  nodes: new FakeCache<Node>(keyOf),
  pods: new FakeCache<Pod>(keyOf),
  services: new FakeCache<Service>(keyOf),
  endpointSlices: new FakeCache<EndpointSlice>(keyOf),
  namespaces: new FakeCache<Namespace>(keyOf),
};

/** What an agent has when nobody sets anything, whatever this machine's own configuration says. */
function contextOf({ upstreamPort = 1, threads }: Duty): AgentContext {
  const { agent, server } = loadConfig({
    file: '/dev/null',
    environment: {},
    flags: {
      clusterCIDRs: cluster.clusterCIDRs.join(','),
      serviceCIDRs: cluster.serviceCIDRs.join(','),
      upstreams: `127.0.0.1:${upstreamPort}`,
      dnsWorkers: String(threads),
    },
    detectAddresses: () => ['127.0.0.1'],
  });
  return {
    nodeName: 'node-7',
    config: agent,
    cluster: { ...server.cluster, dnsIPs: ['127.0.0.1'] },
    caches,
    log: pino({ level: 'error' }, process.stderr),
    metrics: new Registry(),
  } as unknown as AgentContext;
}

const names = new ClusterNames(contextOf(duty), { port: duty.port });
await names.start();
caches.namespaces.set({ metadata: { name: 'default' } });
for (const service of numbers(duty.services)) {
  caches.services.set(dnsServiceOf(service));
  caches.endpointSlices.set(dnsSliceOf(service));
}
for (const cache of Object.values(caches)) cache.sync();

let changing: NodeJS.Timeout | undefined;
let changes = 0;
process.on('message', ({ changesPerSecond }: ChangeOrder) => {
  clearInterval(changing);
  if (changesPerSecond === 0) return;
  changing = setInterval(() => {
    changes += 1;
    caches.endpointSlices.set(dnsSliceOf(changingService(changes, duty.services), changes));
  }, 1000 / changesPerSecond);
});
process.once('disconnect', () => process.exit());
process.once('SIGTERM', () => process.exit());
