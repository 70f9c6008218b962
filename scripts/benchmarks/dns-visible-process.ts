/**
 * Runs a `weft server` with many Services in this process's network namespace and a whole `weft agent` on the node
 * beside it; creates Services at the API and asks the node's DNS from a pod's place until it knows them.
 * Usage: dns-visible-process.ts JSON, a {@link VisiblePlan}. Sends its parent milliseconds, one per Service.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiClient } from '../../api/client/client.ts';
import { endpointSlices, services } from '../../api/client/resources.ts';
import { overConnections } from './api-load.ts';
import { MeasuredServer } from './api-server.ts';
import type { DnsWatch } from './dns-watch-process.ts';
import { MeasuredAgent } from './services-agent.ts';
import { startChild } from './services-child.ts';
import { once } from 'node:events';
import { cluster, serviceOf, sliceOf } from './services-data.ts';
import { apiAddress } from './services-place.ts';
import type { Place } from './services-place.ts';

export interface VisiblePlan {
  readonly stateDir: string;
  readonly services: number;
  readonly changes: number;
  readonly place: Place;
}

const apiPort = 6443;

async function measure({ stateDir, services: count, changes, place }: VisiblePlan): Promise<number[]> {
  await using undo = new AsyncDisposableStack();
  const serverDir = join(stateDir, 'api');
  const server = await MeasuredServer.start(serverDir, apiPort, {
    'listen-addresses': apiAddress,
    'advertise-address': apiAddress,
    'log-level': 'error',
    'cluster-cidrs': cluster.clusterCIDRs.join(','),
    'service-cidrs': cluster.serviceCIDRs.join(','),
  });
  undo.defer(() => server.stop());
  const client = new ApiClient(server.access);
  undo.defer(() => client.close());
  await overConnections(count, (i) => client.create(services, serviceOf(i)));
  await overConnections(count, (i) => client.create(endpointSlices, sliceOf(i)));
  await server.whenIdle();
  const agent = await MeasuredAgent.start({
    place,
    tool: 'nftables',
    nodeName: 'node-0',
    server: server.access.server,
    tokenFile: join(serverDir, 'server/token'),
    directory: join(stateDir, 'node-0'),
  });
  undo.defer(() => agent.stop());
  await agent.whenIdle();
  const watch = startChild('dns-watch-process.ts', [], { namespace: place.client });
  undo.defer(() => watch.disconnect());
  const times: number[] = [];
  for (let i = 0; i < changes; i += 1) {
    // Not in step with anything that happens at regular times.
    await sleep(30 + ((i * 37) % 100));
    const service = serviceOf(count + i);
    const seen = once(watch, 'message') as Promise<[DnsWatch]>;
    watch.send(`${service.metadata.name}.default.svc.cluster.local`);
    // It is known not to be there yet when the watch says that it looks.
    await seen;
    const visible = once(watch, 'message') as Promise<[DnsWatch]>;
    const startedAt = process.hrtime.bigint();
    const created = client.create(services, service);
    const [{ at }] = await visible;
    times.push(Number(BigInt(at) - startedAt) / 1e6);
    await created;
  }
  return times;
}

process.once('disconnect', () => process.exit(1));
const times = await measure(JSON.parse(process.argv[2] ?? '') as VisiblePlan);
process.send?.(times, () => process.exit(0));
