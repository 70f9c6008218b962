import { join } from 'node:path';
import { pino } from 'pino';
import type { Test } from 'tap';
import { ApiError } from '../../../api/client/api-error.ts';
import { ApiClient } from '../../../api/client/client.ts';
import type { ClusterSettings } from '../../../api/server/cluster.ts';
import { startApiServer } from '../../../api/server/server.ts';
import type { ApiServer } from '../../../api/server/server.ts';

export const cluster: ClusterSettings = {
  clusterCIDRs: ['10.244.0.0/16', 'fd00:10:244::/56'],
  serviceCIDRs: ['10.96.0.0/16', 'fd00:10:96::/112'],
  nodeCIDRMaskSizes: { ipv4: 24, ipv6: 64 },
  dnsIPs: ['10.96.0.10', 'fd00:10:96::a'],
  zone: 'cluster.local',
  nodePortRange: { first: 30000, last: 32767 },
};

export interface Fixture {
  readonly server: ApiServer;
  /** An administrator. */
  readonly client: ApiClient;
  readonly stateDir: string;
}

/** A server on a random port of 127.0.0.1, over the test's own directory or one of an earlier server. */
export async function startServer(
  t: Test,
  options: { readonly stateDir?: string; readonly cluster?: ClusterSettings } = {},
): Promise<Fixture> {
  const stateDir = options.stateDir ?? join(t.testdir(), 'state');
  const server = await startApiServer({
    stateDir,
    cluster: options.cluster ?? cluster,
    listen: [{ host: '127.0.0.1', port: 0 }],
    listenFds: [],
    advertiseAddress: '192.0.2.1',
    log: pino({ level: 'silent' }),
  });
  const client = new ApiClient({ ...server.loopback, userAgent: 'weft-test' });
  t.teardown(async () => {
    client.close();
    await server.close();
  });
  return { server, client, stateDir };
}

/** What a refused request is refused with. */
export interface Refusal {
  readonly code: number;
  readonly reason: string;
  readonly message: string;
}

/** The refusal of a request that must not succeed. */
export async function refusal(t: Test, promise: Promise<unknown>): Promise<Refusal> {
  try {
    await promise;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { code: error.code, reason: error.reason, message: error.status?.message ?? error.message };
  }
  t.fail('the request should have been refused');
  return { code: 0, reason: '', message: '' };
}
