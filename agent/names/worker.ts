/** One DNS worker: a whole server on a thread of its own, fed by the agent's main thread (worker-pool.ts). */
import { parentPort, workerData } from 'node:worker_threads';
import { Registry } from 'prom-client';
import { clusterHandler } from '../../dns/cluster-handler.ts';
import { DnsError } from '../../dns/dns-error.ts';
import { clientKey, FairShare } from '../../dns/fair-share.ts';
import type { Exchange } from '../../dns/handler.ts';
import { LoopProbe } from '../../dns/loop-probe.ts';
import { Resolver } from '../../dns/resolver.ts';
import { startDnsServer, type DnsServer } from '../../dns/server.ts';
import type { Finish } from '../../dns/transport.ts';
import { Pacer } from '../../dns/pacer.ts';
import { Upstreams } from '../../dns/upstreams.ts';
import { ClusterZone } from '../../dns/zone.ts';
import { BatchedSocket } from '../../netns/batched-socket.ts';
import { close, duplicate } from '../../netns/libc.ts';
import { HeapKeeper } from '../heap.ts';
import type { Counts } from './gathered-metrics.ts';
import { LimitMetrics } from './limit-metrics.ts';
import { LineLimit } from './line-limit.ts';
import type { FromWorker, NameChange, ToWorker, WorkerSettings, WorkerSockets } from './messages.ts';
import { NamesMetrics } from './metrics.ts';
import { QueryLog } from './query-log.ts';
import { UpstreamMetrics } from './upstream-metrics.ts';
import { WorkerMetrics } from './worker-metrics.ts';

/** So long the answers that upstream servers owe, and the ends of TCP connections, are waited for, each. */
const finishMs = 700;

type Log = Extract<FromWorker, { type: 'log' }>;

class NamesWorker {
  readonly #post: (message: FromWorker) => void;
  readonly #nodeName: string;
  readonly #zone: ClusterZone;
  readonly #registry = new Registry();
  readonly #metrics: NamesMetrics;
  readonly #workerMetrics: WorkerMetrics;
  readonly #queryLog: QueryLog | undefined;
  /** Queries that fail are as many as clients like, and each line is a message to the main thread. */
  readonly #failureLines = new LineLimit();
  readonly #silenceLines = new LineLimit();
  readonly #upstreamMetrics: UpstreamMetrics;
  readonly #limitMetrics: LimitMetrics;
  readonly #limits: WorkerSettings['limits'];
  /** Queries that wait for upstream servers. */
  readonly #waiting: FairShare;
  readonly #resolver: Resolver;
  readonly #upstreams: Upstreams;
  /** Questions to them begin few at a time: between them others are answered. */
  readonly #pacer = new Pacer(8);
  readonly #served: { readonly sockets: WorkerSockets; readonly server: DnsServer }[] = [];
  readonly #verifiesPods: boolean;
  readonly #transferTo: readonly string[];
  readonly #autopath: readonly string[] | undefined;
  readonly #sockets: BatchedSocket[] = [];
  #synced = false;
  #podsSynced = false;

  constructor(
    { nodeName, queryLog, zone, cache, limits, transferTo, autopath, loopToken }: WorkerSettings,
    post: (message: FromWorker) => void,
  ) {
    this.#post = post;
    this.#nodeName = nodeName;
    this.#transferTo = transferTo;
    this.#autopath = autopath;
    this.#zone = new ClusterZone(zone);
    this.#verifiesPods = zone.pods === 'verified';
    this.#metrics = new NamesMetrics(this.#registry, [`${zone.zone}.`, '.']);
    this.#workerMetrics = new WorkerMetrics(this.#registry);
    this.#queryLog = queryLog && new QueryLog(queryLog);
    this.#limitMetrics = new LimitMetrics(this.#registry);
    this.#limits = limits;
    this.#waiting = new FairShare(limits.waiting);
    this.#upstreamMetrics = new UpstreamMetrics(this.#registry, () => this.#resolver.cached);
    const loop = new LoopProbe(loopToken);
    this.#upstreams = new Upstreams({
      loop,
      observer: {
        asked: (to, rcode, seconds) => this.#upstreamMetrics.asked(to, rcode, seconds),
        health: (to, healthy) => this.#noteUpstream(to, healthy),
        loop: (to, looping) => this.#noteLoop(to, looping, zone.dnsIPs),
      },
    });
    this.#resolver = new Resolver({
      upstreams: {
        ask: async (question) => {
          await this.#pacer.take();
          return this.#upstreams.ask(question);
        },
        isHealthy: (name) => this.#upstreams.isHealthy(name),
      },
      loop,
      observer: this.#upstreamMetrics,
      admit: ({ client }) => this.#admit(clientKey(client)),
      ...cache,
    });
  }

  async handle(message: ToWorker): Promise<void> {
    switch (message.type) {
      case 'changes':
        for (const change of message.changes) this.#apply(change);
        return;
      case 'synced':
        this.#synced = true;
        return;
      case 'podsSynced':
        this.#podsSynced = true;
        return;
      case 'upstreams':
        this.#upstreams.setPlan(message.plan);
        return;
      case 'listen':
        await this.#listen(message.sockets, message.pollFd);
        return;
      case 'retire':
        await this.#retire(message.sockets, message.pollFd);
        return;
      case 'gather': {
        const counts = (await this.#registry.getMetricsAsJSON()) as unknown as Counts[];
        this.#post({ type: 'counts', counts });
        return;
      }
      case 'check':
        this.#post({ type: 'alive' });
        return;
      case 'stop':
        await this.#stop(message.how);
    }
  }

  /** A place to wait for upstream servers, as long as its client has not got its share of them. */
  #admit(client: string): (() => void) | undefined {
    if (this.#waiting.enter(client)) return () => this.#waiting.leave(client);
    this.#limitMetrics.refused('upstream');
    return undefined;
  }

  /** At the thread's end, where it learns of it: see netns/poll-relay.ts. */
  leaveSockets(): void {
    for (const socket of this.#sockets) socket.close();
  }

  /** One object with an impossible name must not keep the others from being served. */
  #apply(change: NameChange): void {
    try {
      if (change.kind === 'namespace') this.#zone.setNamespace(change.name, change.exists);
      else if (change.kind === 'pod') this.#zone.setPod(change.key, change.addresses);
      else this.#zone.setService(change.key, change.service);
    } catch (error) {
      if (!(error instanceof DnsError)) throw error;
      const key = change.kind === 'namespace' ? change.name : change.key;
      this.#log('warn', { key, err: error }, 'this object has no names: DNS cannot express them');
    }
  }

  /** @param tcp closed with the server, unlike the UDP socket */
  #serve({ host, port, udp }: WorkerSockets, tcp: number, pollFd: number): Promise<DnsServer> {
    const socket = new BatchedSocket(udp, pollFd);
    this.#sockets.push(socket);
    return startDnsServer({
      addresses: [{ host, port, sockets: { udp: socket, tcp } }],
      handler: clusterHandler({
        zone: this.#zone,
        synced: () => this.#synced,
        podsSynced: () => this.#podsSynced || !this.#verifiesPods,
        resolver: this.#resolver,
        transferTo: this.#transferTo,
        autopath: this.#autopath,
      }),
      serverName: this.#nodeName,
      observe: (exchange) => this.#observe(exchange),
      onError: (error) => this.#noteServingError(error),
      onRefused: (reason) => this.#limitMetrics.refused(reason),
      maxConnections: this.#limits.connections,
      ...(this.#limits.clientRate === undefined ? {} : { clientRate: this.#limits.clientRate }),
    });
  }

  async #listen(sockets: WorkerSockets, pollFd: number): Promise<void> {
    const server = await this.#serve(sockets, duplicate(sockets.tcp), pollFd);
    this.#served.push({ sockets, server });
  }

  async #retire(sockets: WorkerSockets, pollFd: number): Promise<void> {
    const server = await this.#serve(sockets, sockets.tcp, pollFd);
    await server.finish('drain', finishMs);
    await server.close();
    close(sockets.udp);
  }

  async #stop(how: Finish): Promise<void> {
    const finishing = this.#served.map(({ server }) => server.finish(how, finishMs));
    // Connections that nobody will accept must not come about.
    if (how === 'drain') for (const { sockets } of this.#served) close(sockets.tcp);
    await Promise.all(finishing);
    this.#upstreams.close();
    await Promise.all(this.#served.map(({ server }) => server.close()));
    process.exit();
  }

  #observe(exchange: Exchange): void {
    const ours = exchange.query !== undefined && this.#zone.covers(exchange.query);
    this.#metrics.observe(exchange, ours ? 0 : 1);
    const fields = this.#queryLog?.note(exchange);
    if (fields) this.#log('info', fields, 'DNS query');
  }

  /** Upstream trouble is told when a server goes down, not at each query that feels it. */
  #noteServingError(error: unknown): void {
    const isUpstream = error instanceof DnsError && error.code === 'NoUpstream';
    if (!isUpstream) this.#workerMetrics.panicked();
    const lines = isUpstream ? this.#silenceLines : this.#failureLines;
    if (!lines.take()) return;
    const fields = { err: error, ...lines.leftOut() };
    if (isUpstream) this.#log('debug', fields, 'no answer');
    else this.#log('error', fields, 'a DNS query failed');
  }

  #noteUpstream(server: string, healthy: boolean): void {
    this.#upstreamMetrics.health(server, healthy);
    if (healthy) this.#log('info', { server }, 'an upstream DNS server answers again');
    else this.#log('warn', { server }, 'an upstream DNS server does not answer');
  }

  #noteLoop(server: string, looping: boolean, own: readonly string[]): void {
    if (!looping) {
      this.#log('info', { server }, 'an upstream DNS server does not ask this node any more');
      return;
    }
    this.#log(
      'error',
      { server, own: own.join(', ') },
      "an upstream DNS server is not asked: it sends questions back to the cluster's DNS on this node. " +
        "Take the cluster's DNS addresses out of that server's own upstream servers, " +
        'or name servers that do not lead here in the setting upstreams',
    );
  }

  #log(level: Log['level'], fields: Log['fields'], message: string): void {
    this.#post({ type: 'log', level, fields, message });
  }
}

if (parentPort) {
  const port = parentPort;
  const worker = new NamesWorker(workerData as WorkerSettings, (message) => port.postMessage(message));
  process.on('exit', () => worker.leaveSockets());
  new HeapKeeper().start();
  // A rejection nobody handles ends the thread, as a throw does.
  // Handled behind a hop, as datagrams are (pollReadable of netns/poll.ts): what ends the thread happens there.
  port.on('message', (message: ToWorker) => setImmediate(() => void worker.handle(message)));
}
