import { mkdirSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { ApiClient } from '../api/client/client.ts';
import { startControllers } from '../api/controllers/controllers.ts';
import { startApiServer } from '../api/server/server.ts';
import type { Advertisement, ApiServer } from '../api/server/server.ts';
import { AgentError } from './agent-error.ts';
import type { ServerConfig } from './config/config.ts';
import { acquireLock, isHeld } from './node/lock.ts';
import { Runner } from './runner.ts';
import { isExplicit } from './underlay/choice.ts';
import { Underlay } from './underlay/underlay.ts';
import type { AddressWish } from './underlay/view.ts';

export interface RunningServer {
  /** Path of the administrator's kubeconfig. */
  readonly kubeconfig: string;
  readonly joinToken: string;
  stop(): Promise<void>;
}

/** Two changes of the machine's addresses in one moment cost one certificate. */
const minIntervalMs = 100;
const maxIntervalMs = 3_600_000;

/** `https://192.0.2.1:6443`, `https://[2001:db8::1]:6443`. */
function apiUrl(host: string, port: number): string {
  return `https://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

/** Where others reach the server while the machine has these addresses. */
function advertisementOf(config: ServerConfig, nodeIPs: readonly string[]): Advertisement {
  const address = config.advertiseAddress ?? nodeIPs[0] ?? '127.0.0.1';
  return {
    address,
    names: [...nodeIPs, ...config.names],
    kubeconfigServer: apiUrl(address, config.listen[0]?.port ?? 6443),
  };
}

/**
 * Starts the API server and the controllers, which talk to it as any other client does.
 * @param addressing how the machine's addresses are found; the server follows them
 * Throws AgentError `already-running` when another process serves the same state.
 */
export async function startServer(
  config: ServerConfig,
  addressing: AddressWish,
  listenFds: readonly number[],
  log: Logger,
): Promise<RunningServer> {
  await using undo = new AsyncDisposableStack();
  mkdirSync(config.stateDir, { recursive: true, mode: 0o700 });
  const lock = acquireLock(join(config.stateDir, 'lock'));
  if (!isHeld(lock)) {
    const message = `a server already runs on ${config.stateDir} (process ${lock.pid ?? 'unknown'})`;
    throw new AgentError('already-running', message, 'use it, or stop it first');
  }
  undo.defer(() => lock.release());
  const api = await startApiServer({
    stateDir: config.stateDir,
    cluster: config.cluster,
    listen: config.listen,
    listenFds,
    advertised: advertisementOf(config, config.nodeIPs),
    log: log.child({ subsystem: 'api' }),
  });
  undo.defer(() => api.close());
  const client = new ApiClient({ ...api.loopback, userAgent: 'weft-controllers' });
  undo.defer(() => client.close());
  const controllers = startControllers({
    client,
    cluster: config.cluster,
    ca: api.loopback.ca,
    log: log.child({ subsystem: 'controllers' }),
  });
  undo.defer(async () => {
    await controllers.stop();
  });
  if (!isExplicit(addressing)) undo.use(await followAddresses(config, addressing, api, log));
  log.info({ address: api.address, kubeconfig: api.adminKubeconfigPath }, 'the Kubernetes API is served');
  const running = undo.move();
  return {
    kubeconfig: api.adminKubeconfigPath,
    joinToken: api.joinToken,
    stop: () => running.disposeAsync(),
  };
}

/** From now on the server tells of the machine's addresses of the time. */
async function followAddresses(
  config: ServerConfig,
  addressing: AddressWish,
  api: Pick<ApiServer, 'advertise'>,
  log: Logger,
): Promise<AsyncDisposable> {
  await using undo = new AsyncDisposableStack();
  const underlay = new Underlay(addressing, log);
  undo.defer(() => underlay.stop());
  let told: readonly string[] = config.nodeIPs;
  const advertising = new Runner({
    run: async () => {
      const { addresses } = underlay;
      if (addresses.length === 0 || isDeepStrictEqual(addresses, told)) return;
      await api.advertise(advertisementOf(config, addresses));
      told = addresses;
      log.info({ addresses }, 'the API is reached at other addresses');
    },
    minIntervalMs,
    maxIntervalMs,
    onError: (err, nextMs) => log.error({ err, nextMs }, 'cannot tell of the addresses of the API'),
  });
  undo.defer(() => advertising.stop());
  await underlay.start();
  undo.defer(underlay.subscribe(() => advertising.wake()));
  advertising.start();
  return undo.move();
}
