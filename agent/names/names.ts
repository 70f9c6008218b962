import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import { LoopProbe } from '../../dns/loop-probe.ts';
import { listUpstreams, type UpstreamList } from '../../dns/resolv-conf.ts';
import { renderServer } from '../../dns/upstream.ts';
import type { AgentConfig } from '../config/config.ts';
import { Runner } from '../runner.ts';
import type { AgentContext, Health, Subsystem } from '../subsystem.ts';
import { NamesFeed } from './feed.ts';
import { GatheredMetrics } from './gathered-metrics.ts';
import type { WorkerSettings, WorkerSockets } from './messages.ts';
import { closeNameSockets, openNameSockets, type InheritedSocket } from './sockets.ts';
import { WorkerPool } from './worker-pool.ts';

export interface NamesOptions {
  /** The port on the DNS addresses. Default 53; tests take a free one. */
  readonly port?: number;
  /** Bound sockets of an earlier agent, which are used before new ones are made. */
  readonly inherited?: readonly InheritedSocket[];
}

/** How soon a DNS address that appears on the node, or a change of its resolv.conf, is taken up. */
const CHECK_MS = 2000;

/**
 * Cluster DNS on this node: answers on the cluster's DNS addresses, UDP and TCP, which NodeNetwork puts on the
 * node's loopback; until they are there, listening is tried again. Cluster names get SERVFAIL until the caches
 * are synced or, while the API is away, restored; names outside of the cluster go to the upstream servers from the start.
 *
 * Who answers are workers, threads of their own (worker.ts): nothing that keeps the agent busy delays an answer. Here
 * is what there must be one of: the sockets, the caches' changes, the list of upstream servers, and an eye on the workers.
 */
export class ClusterNames implements Subsystem {
  readonly name = 'names';
  readonly #context: AgentContext;
  readonly #port: number;
  readonly #inherited: readonly InheritedSocket[];
  readonly #log: Logger;
  readonly #feed: NamesFeed;
  readonly #pool: WorkerPool;
  readonly #runner: Runner;
  /** By the address they are bound to: one family's trouble leaves the other's alone. */
  readonly #sockets = new Map<string, readonly WorkerSockets[]>();
  /** The upstream servers that workers were told last. */
  #plan = '';
  #lastError: unknown;

  constructor(context: AgentContext, { port = 53, inherited = [] }: NamesOptions = {}) {
    this.#context = context;
    this.#port = port;
    this.#inherited = inherited;
    this.#log = context.log.child({ subsystem: this.name });
    this.#feed = new NamesFeed(context.caches, {
      onChanges: (changes) => this.#pool.change(changes),
      onSynced: () => this.#pool.setSynced('synced'),
      onPodsSynced: () => this.#pool.setSynced('podsSynced'),
      onBadName: (key, error) => {
        this.#log.warn({ key, err: error }, 'this object has no names: DNS cannot express them');
      },
    });
    const { token: loopToken } = new LoopProbe();
    this.#pool = new WorkerPool({
      count: context.config.dnsWorkers,
      settings: () => workerSettings(context, loopToken),
      replay: () => this.#feed.all(),
      onLost: (counts) => metrics.keep(counts),
      log: this.#log,
    });
    const metrics = new GatheredMetrics(context.metrics, () => this.#pool.gather());
    this.#runner = new Runner({
      run: () => {
        this.#ensure();
        return Promise.resolve();
      },
      minIntervalMs: 100,
      maxIntervalMs: CHECK_MS,
      onError: (error) => this.#noteError(error),
    });
  }

  /** What is listened on, for those who asked for port 0. */
  get addresses(): readonly { readonly host: string; readonly port: number }[] {
    return [...this.#sockets.values()].flatMap(([first]) => (first ? [first] : []));
  }

  /** Resolves when the first attempt to listen is over, successful or not. */
  async start(): Promise<void> {
    this.#feed.start();
    this.#pool.start();
    try {
      this.#ensure();
    } catch (error) {
      this.#noteError(error);
    }
    this.#runner.start();
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    await this.#runner.stop();
    this.#feed.stop();
    await this.#pool.stop();
    for (const sockets of this.#sockets.values()) closeNameSockets(sockets);
    this.#sockets.clear();
  }

  health(): Health {
    this.#feed.check();
    if (!this.#feed.synced) {
      return { ready: false, reason: 'Services, EndpointSlices and Namespaces are not read yet' };
    }
    const missing = this.#context.cluster.dnsIPs.filter((host) => !this.#sockets.has(host));
    if (missing.length > 0) {
      const reason = this.#lastError instanceof Error ? this.#lastError.message : 'DNS has not started yet';
      return { ready: false, reason };
    }
    if (this.#pool.missing > 0) {
      return { ready: false, reason: `${this.#pool.missing} DNS workers crashed and start again` };
    }
    return this.#feed.restored
      ? { ready: true, reason: 'waiting for the API; the last names stand' }
      : { ready: true };
  }

  /** One pass: the right upstream servers, and sockets on each DNS address. */
  #ensure(): void {
    this.#feed.check();
    this.#ensureUpstreams();
    const failures: unknown[] = [];
    for (const host of this.#context.cluster.dnsIPs) {
      if (this.#sockets.has(host)) continue;
      try {
        this.#listen(host);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
    this.#lastError = undefined;
  }

  #listen(host: string): void {
    const sockets = openNameSockets({
      host,
      port: this.#port,
      workers: this.#context.config.dnsWorkers,
      inherited: this.#inherited,
    });
    this.#sockets.set(host, sockets);
    this.#pool.listen(sockets);
    this.#log.info({ host, port: this.#port, workers: sockets.length }, 'cluster DNS answers');
  }

  #ensureUpstreams(): void {
    const { config, cluster } = this.#context;
    const { policy, mixCase, stubDomains } = config.forwarding;
    const list = listUpstreams({
      configured: config.upstreams,
      stubDomains,
      clusterZone: cluster.zone,
      own: cluster.dnsIPs,
      readFile: readIfThere,
    });
    const plan = { servers: list.servers, stubDomains: list.stubDomains, policy, mixCase };
    const rendered = JSON.stringify(plan);
    if (rendered === this.#plan) return;
    this.#plan = rendered;
    this.#explain(list, list.servers.map(renderServer).join(', '));
    this.#pool.useUpstreams(plan);
  }

  #explain({ source, skipped }: UpstreamList, servers: string): void {
    for (const reason of skipped) this.#log.warn({ reason }, 'an upstream DNS server is left out');
    if (servers === '') {
      this.#log.warn({ source }, 'no upstream DNS server: names outside of the cluster get no answer');
    } else this.#log.info({ servers, source }, 'upstream DNS servers');
  }

  /** Told once: the attempts are many, the reason is the same. */
  #noteError(error: unknown): void {
    const last = this.#lastError;
    const same = last instanceof Error && error instanceof Error && last.message === error.message;
    if (!same)
      this.#log.warn(
        { reason: error instanceof Error ? error.message : String(error) },
        'cluster DNS does not listen yet',
      );
    this.#lastError = error;
  }
}

/** Whether DNS asks whose an address is. */
export function needsAllPods({ clusterDns }: AgentConfig): boolean {
  return clusterDns.podNames === 'verified' || clusterDns.autopath;
}

function workerSettings({ nodeName, cluster, config }: AgentContext, loopToken: string): WorkerSettings {
  const { cacheBytes, minTtlSeconds, maxTtlSeconds, maxNegativeTtlSeconds, maxStaleSeconds } =
    config.forwarding;
  return {
    nodeName,
    zone: {
      zone: cluster.zone,
      dnsIPs: cluster.dnsIPs,
      cidrs: [...cluster.serviceCIDRs, ...cluster.clusterCIDRs],
      pods: config.clusterDns.podNames,
      serial: Math.floor(Date.now() / 1000),
    },
    cache: {
      maxCacheBytes: Math.floor(cacheBytes / config.dnsWorkers),
      minTtlSeconds,
      maxTtlSeconds,
      maxNegativeTtlSeconds,
      maxStaleSeconds,
    },
    limits: config.clusterDns.limits,
    transferTo: config.clusterDns.transferTo,
    loopToken,
  };
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
