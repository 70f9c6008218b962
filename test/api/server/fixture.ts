import { join } from 'node:path';
import { pino } from 'pino';
import type { Test } from 'tap';
import { ApiError } from '../../../api/client/api-error.ts';
import { ApiClient } from '../../../api/client/client.ts';
import type { ClusterConfig } from '../../../api/cluster.ts';
import { startApiServer } from '../../../api/server/server.ts';
import type { ApiServer } from '../../../api/server/server.ts';
import { testCluster } from '../../cluster.ts';

export interface Fixture {
  readonly server: ApiServer;
  /** An administrator. */
  readonly client: ApiClient;
  readonly stateDir: string;
}

/** A server on a random port of 127.0.0.1, over the test's own directory or one of an earlier server. */
export async function startServer(
  t: Test,
  options: { readonly stateDir?: string; readonly cluster?: ClusterConfig } = {},
): Promise<Fixture> {
  const stateDir = options.stateDir ?? join(t.testdir(), 'state');
  const server = await startApiServer({
    stateDir,
    cluster: options.cluster ?? testCluster,
    listen: [{ host: '127.0.0.1', port: 0 }],
    listenFds: [],
    advertised: { address: '192.0.2.1' },
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
