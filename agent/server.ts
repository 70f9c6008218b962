import { mkdirSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { ApiClient } from '../api/client/client.ts';
import { startControllers } from '../api/controllers/controllers.ts';
import { startApiServer } from '../api/server/server.ts';
import { AgentError } from './agent-error.ts';
import type { ServerConfig } from './config/config.ts';
import { acquireLock, isHeld } from './node/lock.ts';

export interface RunningServer {
  /** Path of the administrator's kubeconfig. */
  readonly kubeconfig: string;
  readonly joinToken: string;
  stop(): Promise<void>;
}

/** `https://192.0.2.1:6443`, `https://[2001:db8::1]:6443`. */
function apiUrl(host: string, port: number): string {
  return `https://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

/**
 * Starts the API server and the controllers, which talk to it as any other client does.
 * Throws AgentError `already-running` when another process serves the same state.
 */
export async function startServer(
  config: ServerConfig,
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
    advertiseAddress: config.advertiseAddress,
    names: config.names,
    kubeconfigServer: apiUrl(config.advertiseAddress, config.listen[0]?.port ?? 6443),
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
  log.info({ address: api.address, kubeconfig: api.adminKubeconfigPath }, 'the Kubernetes API is served');
  const running = undo.move();
  return {
    kubeconfig: api.adminKubeconfigPath,
    joinToken: api.joinToken,
    stop: () => running.disposeAsync(),
  };
}
