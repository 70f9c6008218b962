import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { ApiClient } from '../api/client/client.ts';
import { AgentError } from './agent-error.ts';
import { Announcer } from './announce/announcer.ts';
import { AgentCaches } from './caches.ts';
import { ContainerRuntimes } from './cni/container-runtimes.ts';
import { loadClusterConfig } from './config/cluster-config.ts';
import type { AgentConfig, JoinConfig } from './config/config.ts';
import { startHealthServer } from './health.ts';
import type { HealthSource } from './health.ts';
import { hostPortGate } from './host-ports/gate.ts';
import { HostPorts } from './host-ports/host-ports.ts';
import { HeapKeeper } from './heap.ts';
import { formerSettingsFile, notingSettings } from './host/former-settings.ts';
import { HostWatch } from './host/host-watch.ts';
import { SettingsKeeper } from './host/settings.ts';
import { Membership } from './node/join.ts';
import type { NodeIdentity } from './node/join.ts';
import { acquireLock, isHeld } from './node/lock.ts';
import type { Lock } from './node/lock.ts';
import type { InheritedFd } from './inherited-fds.ts';
import { dropSockets, takeOverSockets } from './names/handover.ts';
import { ClusterNames, needsAllPods } from './names/names.ts';
import { NodeNetwork } from './network/node-network.ts';
import { NetworkEvents } from './network/reports.ts';
import { PodNetwork } from './network/pod-network.ts';
import { PathWatch } from './paths/path-watch.ts';
import { StraightWatch } from './paths/straight-watch.ts';
import { NodeRegistration } from './node/status.ts';
import { PodWorker } from './pods/pod-worker.ts';
import { checkAgentNeeds } from './node/preflight.ts';
import { CertificateRenewal } from './node/renewal.ts';
import { ServiceRules } from './services/services.ts';
import { NodeServer } from './streams/node-server.ts';
import type { AgentContext, Ending, Subsystem } from './subsystem.ts';
import { Underlay } from './underlay/underlay.ts';
import type { AddressWish } from './underlay/view.ts';

export interface RunningAgent {
  /** Ends the process's work; links, rules and pods stay, so traffic flows on. */
  stop(ending?: Ending): Promise<void>;
}

export interface AgentOptions {
  readonly config: AgentConfig;
  readonly join: JoinConfig;
  readonly addressing: AddressWish;
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
  config: given,
  join,
  addressing,
  log,
  signal,
  inherited,
}: AgentOptions): Promise<RunningAgent> {
  await using undo = new AsyncDisposableStack();
  const lock = lockNode(given);
  undo.defer(() => lock.release());
  let ending: Ending = 'stop';
  // eslint-disable-next-line prefer-const -- it is asked for before it is there
  let names: ClusterNames | undefined;
  const sockets = takeOverSockets(inherited, log.child({ subsystem: 'names' }));
  // Last of all: until then queries are answered. One who fails before leaves nobody waiting.
  undo.defer(() => (names ? names.stop(ending) : dropSockets(sockets)));
  await checkAgentNeeds(given);
  mkdirSync(given.stateDir, { recursive: true, mode: 0o700 });

  const metrics = new Registry();
  collectDefaultMetrics({ register: metrics });
  const underlay = new Underlay(addressing, log);
  undo.defer(() => underlay.stop());
  await underlay.start();
  const config = withAddresses(given, underlay);
  const joining = { name: 'join', health: () => ({ ready: false, reason: 'not joined yet' }) };
  const parts: HealthSource[] = [underlay, joining];
  const health = await startHealthServer({
    addresses: [...loopback, ...config.nodeIPs],
    port: config.healthPort,
    metrics,
    log,
    sources: () => parts,
  });
  undo.defer(() => health.close());
  undo.defer(underlay.subscribe(() => health.follow([...loopback, ...config.nodeIPs])));
  await underlay.found(signal);

  const membership = new Membership(config, join, log.child({ subsystem: 'join' }));
  const identity = await membership.ensure(signal);
  const client = connect(config, identity);
  undo.defer(() => client.close());
  undo.defer(underlay.subscribe((gone) => client.dropConnectionsFrom(gone)));
  const cluster = await loadClusterConfig({ client, stateDir: config.stateDir, log, signal });
  const { nodeName, stateDir } = config;
  const allPods = needsAllPods(config);
  const caches = new AgentCaches({
    client,
    server: config.server,
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
  const rules = new ServiceRules(context, {}, new HostPorts(podNetwork));
  podNetwork.addGate(hostPortGate(rules));
  const paths = new PathWatch(context);
  const straight = new StraightWatch(context);
  const onUnnoted = (err: unknown): void =>
    log.warn({ err }, 'weft cleanup will not put back a kernel setting: what it was cannot be noted');
  const settings = new SettingsKeeper(notingSettings(formerSettingsFile(config.runDir), onUnnoted));
  const network = new NodeNetwork(context, podNetwork, new NetworkEvents(context), {
    paths,
    straight,
    settings,
  });
  const certificate = new CertificateRenewal(membership, identity, useIdentity, log);
  // In the order in which they need each other.
  const working: Subsystem[] = [
    network,
    paths,
    straight,
    rules,
    new HostWatch(context, settings, () => rules.health().ready),
    new Announcer(context, () => rules.health().ready),
    pods,
    new ContainerRuntimes(context, podNetwork),
    streams,
    certificate,
  ];
  const served = [...working, names];
  const registration = new NodeRegistration(context, () => served);
  parts.splice(0, parts.length, underlay, caches, registration, ...served);
  // The node registers first: its pod range, which the network waits for, is given to the Node object.
  for (const part of [registration, ...working]) {
    undo.defer(() => part.stop(ending));
    log.debug({ part: part.name }, 'starting');
    await part.start();
  }
  for (const follower of [network, registration, certificate, streams, pods]) {
    undo.defer(underlay.subscribe(() => follower.noteAddresses()));
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

const loopback = ['127.0.0.1', '::1'];

/** The configuration with the addresses that the node has whenever they are read, instead of those it started with. */
function withAddresses(config: AgentConfig, underlay: Underlay): AgentConfig {
  return {
    ...config,
    get nodeIPs() {
      return underlay.addresses;
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
