/**
 * Runs a `weft server` that holds Services for a server of cluster DNS which reads an API, until its parent goes.
 * Usage: dns-api-process.ts STATE_DIR COUNT. Sends its parent the kubeconfig's path.
 */
import { join } from 'node:path';
import { ApiClient } from '../../api/client/client.ts';
import { endpointSlices, services } from '../../api/client/resources.ts';
import { overConnections } from './api-load.ts';
import { MeasuredServer } from './api-server.ts';
import { dnsServiceOf, dnsSliceOf } from './dns-data.ts';
import { cluster } from './services-data.ts';

const [stateDir = '', count = '0'] = process.argv.slice(2);
const server = await MeasuredServer.start(stateDir, 16444, {
  'log-level': 'error',
  'cluster-cidrs': cluster.clusterCIDRs.join(','),
  'service-cidrs': cluster.serviceCIDRs.join(','),
});
process.once('disconnect', () => void server.stop().then(() => process.exit()));
const client = new ApiClient(server.access);
await overConnections(Number(count), async (i) => {
  await client.create(services, dnsServiceOf(i));
  await client.create(endpointSlices, dnsSliceOf(i));
});
client.close();
process.send?.(join(stateDir, 'server/admin.kubeconfig'));
