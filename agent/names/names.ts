import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import { clusterHandler } from '../../dns/cluster-handler.ts';
import { DnsError } from '../../dns/dns-error.ts';
import type { Exchange } from '../../dns/handler.ts';
import { LoopProbe } from '../../dns/loop-probe.ts';
import { listUpstreams, type UpstreamList } from '../../dns/resolv-conf.ts';
import { Resolver } from '../../dns/resolver.ts';
import { startDnsServer, type DnsServer } from '../../dns/server.ts';
import { renderServer } from '../../dns/upstream.ts';
import { Upstreams } from '../../dns/upstreams.ts';
import { ClusterZone } from '../../dns/zone.ts';
import { ZoneFeed } from './feed.ts';
import { NamesMetrics } from './metrics.ts';
import { UpstreamMetrics } from './upstream-metrics.ts';
import { Runner } from '../runner.ts';
import type { AgentContext, Health, Subsystem } from '../subsystem.ts';

export interface NamesOptions {
  /** The port on the DNS addresses. Default 53; tests take a free one. */
  readonly port?: number;
}

/** How soon a DNS address that appears on the node, or a change of its resolv.conf, is taken up. */
const CHECK_MS = 2000;

/**
 * Cluster DNS on this node: answers on the cluster's DNS addresses, UDP and TCP, which NodeNetwork puts on the
 * node's loopback; until they are there, listening is tried again. Cluster names get SERVFAIL until the caches
 * are synced or, while the API is away, restored; names outside of the cluster go to the upstream servers from the start.
 *
 * Pod names (`10-1-2-3.namespace.pod.zone`) answer in the mode `insecure`, kubeadm's default for CoreDNS: an
 * agent knows its own node's pods only, so it could not verify those of the others.
 */
export class ClusterNames implements Subsystem {
  readonly name = 'names';
  readonly #context: AgentContext;
  readonly #port: number;
  readonly #log: Logger;
  readonly #zone: ClusterZone;
  readonly #feed: ZoneFeed;
  readonly #metrics: NamesMetrics;
  readonly #upstreamMetrics: UpstreamMetrics;
  readonly #resolver: Resolver;
  readonly #runner: Runner;
  /** By the address they listen on: one family's trouble leaves the other's server alone. */
  readonly #servers = new Map<string, DnsServer>();
  readonly #upstreams: Upstreams;
  /** What {@link #upstreams} was told last. */
  #plan = '';
  #lastError: unknown;

  constructor(context: AgentContext, { port = 53 }: NamesOptions = {}) {
    const { cluster, caches, metrics } = context;
    this.#context = context;
    this.#port = port;
    this.#log = context.log.child({ subsystem: this.name });
    this.#zone = new ClusterZone({
      zone: cluster.zone,
      dnsIPs: cluster.dnsIPs,
      cidrs: [...cluster.serviceCIDRs, ...cluster.clusterCIDRs],
      pods: 'insecure',
      serial: Math.floor(Date.now() / 1000),
    });
    this.#feed = new ZoneFeed(caches, this.#zone, this.#log);
    this.#metrics = new NamesMetrics(metrics, [`${cluster.zone}.`, '.']);
    this.#upstreamMetrics = new UpstreamMetrics(metrics, () => this.#resolver.cached);
    const loop = new LoopProbe();
    this.#upstreams = new Upstreams({
      loop,
      observer: {
        asked: (to, rcode, seconds) => this.#upstreamMetrics.asked(to, rcode, seconds),
        health: (to, healthy) => this.#noteUpstream(to, healthy),
        loop: (to, looping) => this.#noteLoop(to, looping),
      },
    });
    const { cacheBytes: maxCacheBytes, ...limits } = context.config.forwarding;
    this.#resolver = new Resolver({
      upstreams: this.#upstreams,
      loop,
      observer: this.#upstreamMetrics,
      maxCacheBytes,
      ...limits,
    });
    this.#runner = new Runner({
      run: () => this.#ensure(),
      minIntervalMs: 100,
      maxIntervalMs: CHECK_MS,
      onError: (error) => this.#noteError(error),
    });
  }

  /** What is listened on, for those who asked for port 0. */
  get addresses(): DnsServer['addresses'] {
    return [...this.#servers.values()].flatMap(({ addresses }) => addresses);
  }

  /** Resolves when the first attempt to listen is over, successful or not. */
  async start(): Promise<void> {
    this.#feed.start();
    try {
      await this.#ensure();
    } catch (error) {
      this.#noteError(error);
    }
    this.#runner.start();
  }

  async stop(): Promise<void> {
    await this.#runner.stop();
    this.#feed.stop();
    this.#upstreams.close();
    await Promise.all([...this.#servers.values()].map((server) => server.close()));
    this.#servers.clear();
  }

  health(): Health {
    if (!this.#feed.synced) {
      return { ready: false, reason: 'Services, EndpointSlices and Namespaces are not read yet' };
    }
    const missing = this.#context.cluster.dnsIPs.filter((host) => !this.#servers.has(host));
    if (missing.length === 0) {
      return this.#feed.restored
        ? { ready: true, reason: 'waiting for the API; the last names stand' }
        : { ready: true };
    }
    const reason = this.#lastError instanceof Error ? this.#lastError.message : 'DNS has not started yet';
    return { ready: false, reason };
  }

  /** One pass: the right upstream servers, and a server on each DNS address. */
  async #ensure(): Promise<void> {
    this.#ensureUpstreams();
    const failures: unknown[] = [];
    for (const host of this.#context.cluster.dnsIPs) {
      if (this.#servers.has(host)) continue;
      try {
        this.#servers.set(host, await this.#listen(host));
        this.#log.info({ host, port: this.#port }, 'cluster DNS answers');
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
    this.#lastError = undefined;
  }

  #listen(host: string): Promise<DnsServer> {
    return startDnsServer({
      addresses: [{ host, port: this.#port }],
      handler: clusterHandler({
        zone: this.#zone,
        synced: () => this.#feed.synced,
        resolver: this.#resolver,
      }),
      observe: (exchange) => this.#observe(exchange),
      onError: (error) => this.#noteServingError(error),
    });
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
    this.#upstreams.setPlan(plan);
  }

  #explain({ source, skipped }: UpstreamList, servers: string): void {
    for (const reason of skipped) this.#log.warn({ reason }, 'an upstream DNS server is left out');
    if (servers === '') {
      this.#log.warn({ source }, 'no upstream DNS server: names outside of the cluster get no answer');
    } else this.#log.info({ servers, source }, 'upstream DNS servers');
  }

  #observe(exchange: Exchange): void {
    const ours = exchange.query !== undefined && this.#zone.covers(exchange.query);
    this.#metrics.observe(exchange, ours ? 0 : 1);
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

  /** Upstream trouble is told when a server goes down, not at each query that feels it. */
  #noteServingError(error: unknown): void {
    if (error instanceof DnsError && error.code === 'NoUpstream')
      this.#log.debug({ err: error }, 'no answer');
    else this.#log.error({ err: error }, 'a DNS query failed');
  }

  #noteUpstream(server: string, healthy: boolean): void {
    this.#upstreamMetrics.health(server, healthy);
    if (healthy) this.#log.info({ server }, 'an upstream DNS server answers again');
    else this.#log.warn({ server }, 'an upstream DNS server does not answer');
  }

  #noteLoop(server: string, looping: boolean): void {
    if (!looping) {
      this.#log.info({ server }, 'an upstream DNS server does not ask this node any more');
      return;
    }
    const own = this.#context.cluster.dnsIPs.join(', ');
    this.#log.error(
      { server, own },
      "an upstream DNS server is not asked: it sends questions back to the cluster's DNS on this node. " +
        "Take the cluster's DNS addresses out of that server's own upstream servers, " +
        'or name servers that do not lead here in the setting upstreams',
    );
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
