import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { Test } from 'tap';
import type { AgentConfig } from '../../agent/config/config.ts';
import { ApiClient } from '../../api/client/client.ts';
import { startApiServer } from '../../api/server/server.ts';
import type { ApiServer } from '../../api/server/server.ts';
import { testCluster } from '../cluster.ts';
import { exampleConfig } from './example-config.ts';

export const silent = pino({ level: 'silent' });

/** A real API server on loopback, its administrator, and the configuration of a node of it. */
export interface TestApi {
  readonly api: ApiServer;
  readonly admin: ApiClient;
  readonly url: string;
  readonly config: AgentConfig;
  /** Ends the server; done at the test's end in any case. */
  stop(): Promise<void>;
}

export async function startTestApi(t: Test): Promise<TestApi> {
  const directory = mkdtempSync(join(tmpdir(), 'weft-agent-'));
  const api = await startApiServer({
    stateDir: join(directory, 'server'),
    cluster: testCluster,
    listen: [{ host: '127.0.0.1', port: 0 }],
    listenFds: [],
    advertised: { address: '127.0.0.1' },
    log: silent,
  });
  const admin = new ApiClient(api.loopback);
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopped ??= api.close());
  t.teardown(async () => {
    admin.close();
    await stop();
    rmSync(directory, { recursive: true });
  });
  const url = `https://127.0.0.1:${api.address.port}`;
  return { api, admin, url, config: exampleConfig(join(directory, 'agent'), { server: url }), stop };
}
