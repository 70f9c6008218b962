import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { ApiClient } from '../api/client/client.ts';
import { AgentError } from './agent-error.ts';
import { Announcer } from './announce/announcer.ts';
import { AgentCaches } from './caches.ts';
import { loadClusterConfig } from './config/cluster-config.ts';
import type { AgentConfig, JoinConfig } from './config/config.ts';
import { startHealthServer } from './health.ts';
import type { HealthSource } from './health.ts';
import { HeapKeeper } from './heap.ts';
import { Membership } from './node/join.ts';
import type { NodeIdentity } from './node/join.ts';
import { acquireLock, isHeld } from './node/lock.ts';
import type { Lock } from './node/lock.ts';
import type { InheritedFd } from './inherited-fds.ts';
import { dropSockets, takeOverSockets } from './names/handover.ts';
import { ClusterNames, needsAllPods } from './names/names.ts';
import { NodeNetwork } from './network/node-network.ts';
import { PodNetwork } from './network/pod-network.ts';
import { NodeRegistration } from './node/status.ts';
import { PodWorker } from './pods/pod-worker.ts';
import { checkAgentNeeds } from './node/preflight.ts';
import { CertificateRenewal } from './node/renewal.ts';
import { ServiceRules } from './services/services.ts';
import { NodeServer } from './streams/node-server.ts';
import type { AgentContext, Ending, Subsystem } from './subsystem.ts';

export interface RunningAgent {
  /** Ends the process's work; links, rules and pods stay, so traffic flows on. */
  stop(ending?: Ending): Promise<void>;
}

export interface AgentOptions {
  readonly config: AgentConfig;
  readonly join: JoinConfig;
  readonly log: Logger;
  /** Ends waiting for the server. */
  readonly signal: AbortSignal;
  /** What the service manager kept for us. */
  readonly inherited: readonly InheritedFd[];
}

/**
 * Starts one node's agent: joins the cluster, then the parts in the order in which they need each other.
 * Throws AgentError or AgentErrors for what a user can mend.
 */
export async function startAgent({
  config,
  join,
  log,
  signal,
  inherited,
}: AgentOptions): Promise<RunningAgent> {
  await using undo = new AsyncDisposableStack();
  const lock = lockNode(config);
  undo.defer(() => lock.release());
  let ending: Ending = 'stop';
  // eslint-disable-next-line prefer-const -- it is asked for before it is there
  let names: ClusterNames | undefined;
  const sockets = takeOverSockets(inherited, log.child({ subsystem: 'names' }));
  // Last of all: until then queries are answered. One who fails before leaves nobody waiting.
  undo.defer(() => (names ? names.stop(ending) : dropSockets(sockets)));
  await checkAgentNeeds(config);
  mkdirSync(config.stateDir, { recursive: true, mode: 0o700 });

  const metrics = new Registry();
  collectDefaultMetrics({ register: metrics });
  const parts: HealthSource[] = [
    { name: 'join', health: () => ({ ready: false, reason: 'not joined yet' }) },
  ];
  const addresses = ['127.0.0.1', '::1', ...config.nodeIPs];
  const health = await startHealthServer({
    addresses,
    port: config.healthPort,
    metrics,
    sources: () => parts,
  });
  undo.defer(() => health.close());

  const membership = new Membership(config, join, log.child({ subsystem: 'join' }));
  const identity = await membership.ensure(signal);
  const client = connect(config, identity);
  undo.defer(() => client.close());
  const cluster = await loadClusterConfig({ client, stateDir: config.stateDir, log, signal });
  const { nodeName, stateDir } = config;
  const allPods = needsAllPods(config);
  const caches = new AgentCaches({
    client,
    nodeName,
    stateDir,
    allPods,
    log: log.child({ subsystem: 'api' }),
  });

  const context: AgentContext = {
    nodeName: config.nodeName,
    config,
    cluster,
    client,
    log,
    metrics,
    caches: caches.caches,
  };
  caches.start();
  undo.defer(() => caches.stop());
  const podNetwork = new PodNetwork(context);
  names = new ClusterNames(context, { inherited: sockets, forNodes: () => podNetwork.gateways });
  // Queries wait already. Otherwise the network comes first, which brings the addresses to listen on.
  if (sockets.length > 0) await names.start();

  const pods = new PodWorker(context, podNetwork);
  const streams = new NodeServer(context, pods.streams, identity);
  const useIdentity = (renewed: NodeIdentity): void => {
    client.useCertificate(renewed.cert, renewed.key);
    streams.useTls(renewed);
  };
  const rules = new ServiceRules(context);
  // In the order in which they need each other.
  const working: Subsystem[] = [
    new NodeNetwork(context, podNetwork),
    rules,
    new Announcer(context, () => rules.health().ready),
    pods,
    streams,
    new CertificateRenewal(membership, identity, useIdentity, log),
  ];
  const served = [...working, names];
  const registration = new NodeRegistration(context, () => served);
  parts.splice(0, parts.length, caches, registration, ...served);
  // The node registers first: its pod range, which the network waits for, is given to the Node object.
  for (const part of [registration, ...working]) {
    undo.defer(() => part.stop(ending));
    log.debug({ part: part.name }, 'starting');
    await part.start();
  }
  if (sockets.length === 0) await names.start();
  const heap = new HeapKeeper();
  heap.start();
  undo.defer(() => {
    heap.stop();
  });
  log.info({ node: config.nodeName, server: config.server }, 'the agent runs');
  const running = undo.move();
  return {
    stop(why = 'stop') {
      ending = why;
      return running.disposeAsync();
    },
  };
}

function lockNode({ runDir, nodeName }: AgentConfig): Lock {
  const lock = acquireLock(join(runDir, 'agent.lock'));
  if (isHeld(lock)) return lock;
  const message = `an agent already runs for ${nodeName} (process ${lock.pid ?? 'unknown'})`;
  throw new AgentError('already-running', message, 'use it, or stop it first');
}

function connect({ server, nodeName }: AgentConfig, { ca, cert, key }: NodeIdentity): ApiClient {
  return new ApiClient({ server, ca, cert, key, userAgent: `weft-agent/${nodeName}` });
}
