/**
 * Serves the names of Services as an agent does, by its own subsystem over caches, without the rest of an agent.
 * Told so by a message `{ changesPerSecond }`, endpoints of headless Services come and go, one Service after the other.
 * Usage: dns-weft-process.ts JSON, a {@link Duty}.
 */
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { loadConfig } from '../../agent/config/load.ts';
import { HeapKeeper } from '../../agent/heap.ts';
import { ClusterNames } from '../../agent/names/names.ts';
import type { AgentContext } from '../../agent/subsystem.ts';
import type { EndpointSlice } from '../../api/kinds/endpoint-slice.ts';
import type { KubeObject } from '../../api/kinds/meta.ts';
import type { Namespace } from '../../api/kinds/namespace.ts';
import type { Node } from '../../api/kinds/node.ts';
import type { Pod } from '../../api/kinds/pod.ts';
import type { Service } from '../../api/kinds/service.ts';
import { FakeCache } from '../../rig/fake-cache.ts';
import { changingService, dnsServiceOf, dnsSliceOf, numbers, podsOf } from './dns-data.ts';
import type { Duty } from './dns-peers.ts';
import { cluster } from './services-data.ts';

export type Order =
  /** 0: none any more. */
  | { readonly changesPerSecond: number }
  /** Answered with {@link WorkerMemory}. */
  | 'memory';

/** What the heaps of all workers hold, garbage included, and their buffers; in MB. */
export interface WorkerMemory {
  readonly megabytes: number;
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
  allPods: new FakeCache<Pod>(keyOf),
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
    metrics,
  } as unknown as AgentContext;
}

const metrics = new Registry();
// As an agent has one.
new HeapKeeper().start();
const names = new ClusterNames(contextOf(duty), { port: duty.port });
await names.start();
caches.namespaces.set({ metadata: { name: 'default' } });
for (const service of numbers(duty.services)) {
  caches.services.set(dnsServiceOf(service));
  const slice = dnsSliceOf(service);
  caches.endpointSlices.set(slice);
  for (const pod of podsOf(slice)) caches.allPods.set(pod);
}
for (const cache of Object.values(caches)) cache.sync();

let changing: NodeJS.Timeout | undefined;
let changes = 0;
process.on('message', (order: Order) => {
  if (order === 'memory') void tellMemory();
  else change(order.changesPerSecond);
});

function change(changesPerSecond: number): void {
  clearInterval(changing);
  if (changesPerSecond === 0) return;
  changing = setInterval(() => {
    changes += 1;
    caches.endpointSlices.set(dnsSliceOf(changingService(changes, duty.services), changes));
  }, 1000 / changesPerSecond);
}

async function tellMemory(): Promise<void> {
  const values = (await metrics.getSingleMetric('weft_dns_worker_memory_bytes')?.get())?.values ?? [];
  const bytes = values.reduce((sum, { value }) => sum + value, 0);
  process.send?.({ megabytes: bytes / 2 ** 20 } satisfies WorkerMemory);
}

process.once('disconnect', () => process.exit());
process.once('SIGTERM', () => process.exit());
