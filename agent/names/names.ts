import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import { LoopProbe } from '../../dns/loop-probe.ts';
import { listUpstreams, type UpstreamList } from '../../dns/resolv-conf.ts';
import { renderServer } from '../../dns/upstream.ts';
import type { AgentConfig } from '../config/config.ts';
import { nodeResolver } from '../pods/resolv-conf.ts';
import { Runner } from '../runner.ts';
import type { AgentContext, Ending, Health, Subsystem } from '../subsystem.ts';
import { NamesFeed } from './feed.ts';
import { GatheredMetrics } from './gathered-metrics.ts';
import type { WorkerSettings } from './messages.ts';
import { PoolMetrics } from './pool-metrics.ts';
import { ServedSockets } from './served-sockets.ts';
import type { InheritedSocket } from './sockets.ts';
import { WorkerPool } from './worker-pool.ts';

export interface NamesOptions {
  /** The port on the DNS addresses. Default 53; tests take a free one. */
  readonly port?: number;
  /** Bound sockets of an earlier agent, which are used before new ones are made. */
  readonly inherited?: readonly InheritedSocket[];
  readonly patience?: Patience;
  /** The addresses at which other nodes ask while they have no server, as far as there are any yet. */
  readonly forNodes?: () => readonly string[];
}

/** How long after the start queries wait for the names; clients ask again, or give up, after five seconds. */
export interface Patience {
  /** For those of the API, where an earlier agent's are at hand. Default 1500. */
  readonly restoredMs: number;
  /** For any at all: cluster names get SERVFAIL then. Default 3500. */
  readonly unsyncedMs: number;
}

/** How soon a DNS address that appears on the node, or a change of its resolv.conf, is taken up. */
const CHECK_MS = 2000;

/**
 * Cluster DNS on this node: answers on the cluster's DNS addresses, UDP and TCP, which NodeNetwork puts on the
 * node's loopback; until they are there, listening is tried again. Answering begins when the caches are synced or, when
 * the API stays away, restored: until then queries wait in the sockets of the agent before, or find none, which another
 * node may have. They do not wait for ever: then cluster names get SERVFAIL, others an answer from upstream servers.
 *
 * Who answers are workers, threads of their own (worker.ts): nothing that keeps the agent busy delays an answer. Here
 * is what there must be one of: the sockets, the caches' changes, the list of upstream servers, and an eye on the workers.
 */
export class ClusterNames implements Subsystem {
  readonly name = 'names';
  readonly #context: AgentContext;
  readonly #patience: Patience;
  #serving = false;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #log: Logger;
  readonly #feed: NamesFeed;
  readonly #pool: WorkerPool;
  readonly #runner: Runner;
  readonly #sockets: ServedSockets;
  /** The upstream servers that workers were told last. */
  #plan = '';
  #lastError: unknown;

  constructor(
    context: AgentContext,
    { port = 53, inherited = [], patience, forNodes = () => [] }: NamesOptions = {},
  ) {
    this.#context = context;
    this.#patience = patience ?? { restoredMs: 1_500, unsyncedMs: 3_500 };
    this.#log = context.log.child({ subsystem: this.name });
    this.#feed = new NamesFeed(context.caches, {
      onChanges: (changes) => this.#pool.change(changes),
      onSynced: () => {
        this.#pool.setSynced('synced');
        this.#serveIfComplete();
      },
      onPodsSynced: () => {
        this.#pool.setSynced('podsSynced');
        this.#serveIfComplete();
      },
      onBadName: (key, error) => {
        this.#log.warn({ key, err: error }, 'this object has no names: DNS cannot express them');
      },
    });
    const { token: loopToken } = new LoopProbe();
    this.#pool = new WorkerPool({
      count: context.config.dnsWorkers,
      settings: () => workerSettings(context, loopToken),
      names: () => this.#feed.all(),
      onLost: (counts) => {
        metrics.keep(counts);
        poolMetrics.restarted();
      },
      log: this.#log,
    });
    const pool = this.#pool;
    this.#sockets = new ServedSockets({ context, port, inherited, forNodes, pool, log: this.#log });
    const poolMetrics = new PoolMetrics(
      context.metrics,
      context.config,
      `${context.cluster.zone}.`,
      () => this.#pool.missing,
    );
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
    return this.#sockets.addresses;
  }

  /** Resolves when the first attempt to listen is over, successful or not. */
  async start(): Promise<void> {
    this.#sockets.closeStrangers();
    this.#feed.start();
    this.#pool.start();
    const { restoredMs, unsyncedMs } = this.#patience;
    this.#after(restoredMs, () => this.#feed.acceptRestored());
    this.#after(unsyncedMs, () => this.#serve());
    try {
      this.#ensure();
    } catch (error) {
      this.#noteError(error);
    }
    this.#runner.start();
    return Promise.resolve();
  }

  /** Answers what was asked before; what is asked now is the next agent's, or another node's (handover.ts). */
  async stop(ending: Ending = 'stop'): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#runner.stop();
    await this.#sockets.stop(ending);
    this.#feed.stop();
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
      return { ready: false, reason: `${this.#pool.missing} DNS workers ended and are being replaced` };
    }
    if (this.#feed.restored) return { ready: true, reason: 'waiting for the API; the last names stand' };
    if (this.#feed.complete) return { ready: true };
    return { ready: true, reason: "all nodes' pods are not read yet: names of pods get SERVFAIL (podNames)" };
  }

  #after(ms: number, action: () => void): void {
    if (ms === 0) action();
    else this.#timers.push(setTimeout(action, ms));
  }

  #serveIfComplete(): void {
    if (this.#feed.complete) this.#serve();
  }

  /** Begins to answer: on what was taken over, and on what is there to be bound. */
  #serve(): void {
    if (this.#serving) return;
    this.#serving = true;
    this.#sockets.serve();
    this.#runner.request();
  }

  /** One pass: the right upstream servers, and sockets on each address. */
  #ensure(): void {
    this.#feed.check();
    this.#ensureUpstreams();
    this.#sockets.ensure();
    this.#lastError = undefined;
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
    this.#pool.setPlan(plan);
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
    queryLog: config.dnsQueryLog,
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
    autopath: config.clusterDns.autopath ? nodeSearches(config) : undefined,
    loopToken,
  };
}

function nodeSearches({ upstreams }: AgentConfig): readonly string[] {
  const { searches } = nodeResolver({ upstreams, readFile: (path) => readIfThere(path) ?? '' });
  return searches.filter((domain) => domain !== '.');
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
