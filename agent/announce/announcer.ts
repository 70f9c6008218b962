import { announcementNamespace, announcerOfLease } from '../../api/announcement.ts';
import { parseAddressPools } from '../../api/address-pool.ts';
import type { AddressPool } from '../../api/address-pool.ts';
import { isAway } from '../../api/client/api-error.ts';
import type { CacheEvent } from '../../api/client/cache.ts';
import { Reflector } from '../../api/client/reflector.ts';
import { leases } from '../../api/client/resources.ts';
import type { Lease } from '../../api/kinds/lease.ts';
import { listAddresses } from '../../netns/address.ts';
import { listLinks } from '../../netns/link.ts';
import { NetlinkSocket } from '../../netns/netlink.ts';
import { Runner } from '../runner.ts';
import type { AgentContext, Ending, Health, Subsystem } from '../subsystem.ts';
import { Election } from './election.ts';
import { ApiLeaseDoor } from './lease-door.ts';
import { leaseSelector, readAddressLease, readAnnouncerLease } from './leases.ts';
import type { AddressLease } from './leases.ts';
import { LinkFinder, unusableNames } from './links.ts';
import { RateLimit } from './rate-limit.ts';
import { AnnouncementReports, makeAnnouncementMetrics } from './reports.ts';
import { Responder } from './responder.ts';
import { ServiceIndex } from './service-index.ts';
import { beatMs } from './timing.ts';

const passMs = { min: 10, max: 150 };
/** Addresses of the host change seldom. */
const linksMs = 1_000;
const probeTickMs = 100;
/** A conflict about an address is told so often, whoever claims it: hardware addresses are easily made up. */
const conflictMs = 60_000;
/** And answered so often (RFC 5227 section 2.4, DEFEND_INTERVAL). */
const defendMs = 10_000;

/**
 * Announces on the local network those load balancer addresses that this node holds. Without pools there is nothing
 * to do and nothing is done.
 */
export class Announcer implements Subsystem {
  readonly name = 'announce';
  readonly #context: AgentContext;
  readonly #isServing: () => boolean;
  readonly #pools: readonly AddressPool[];
  readonly #index: ServiceIndex;
  readonly #leases: Reflector<Lease>;
  readonly #election: Election;
  readonly #responder: Responder;
  readonly #reports: AnnouncementReports;
  readonly #metrics: ReturnType<typeof makeAnnouncementMetrics>;
  readonly #beat: Runner;
  readonly #pass: Runner;
  readonly #log: AgentContext['log'];
  /** Taken, and not announced yet. */
  readonly #taken: string[] = [];
  #links: LinkFinder | undefined;
  #linksReadAt = -Infinity;
  #probes: NodeJS.Timeout | undefined;
  readonly #readLeases = new WeakMap<Lease, AddressLease | undefined>();
  readonly #toldConflicts = new RateLimit(conflictMs);
  readonly #defences = new RateLimit(defendMs);
  /** What goes wrong now, by what was tried. */
  readonly #problems = new Map<string, string>();

  /** @param isServing whether this node's rules are programmed: sooner no address may come here */
  constructor(context: AgentContext, isServing: () => boolean) {
    const { client, nodeName, caches, cluster } = context;
    this.#context = context;
    this.#isServing = isServing;
    this.#log = context.log.child({ subsystem: this.name });
    this.#pools = parseAddressPools(cluster.loadBalancerPools);
    this.#pass = this.#makeRunner('settle who announces what', passMs, () => this.#look());
    const steady = { min: beatMs, max: beatMs };
    this.#beat = this.#makeRunner('send a heartbeat', steady, () => this.#election.beat());
    this.#index = new ServiceIndex(caches, this.#pools, () => this.#pass.request());
    this.#leases = new Reflector<Lease>({
      client,
      resource: leases,
      namespace: announcementNamespace,
      labelSelector: leaseSelector,
      maxRetryMs: 1_000,
      log: this.#log,
    });
    this.#reports = new AnnouncementReports(client, nodeName, this.#log);
    this.#metrics = makeAnnouncementMetrics(context.metrics, () => this.#election.announced().length);
    this.#election = this.#makeElection();
    this.#responder = new Responder({
      mayAnswer: (address) => this.#election.mayAnswer(address),
      onAnswer: () => this.#metrics.answers.inc(),
      onClaim: (address, mac) => this.#noteClaim(address, mac),
      log: this.#log,
    });
  }

  start(): Promise<void> {
    if (this.#pools.length === 0) return Promise.resolve();
    this.#index.start();
    this.#leases.subscribe((event) => this.#noteLease(event));
    this.#leases.start();
    this.#beat.start();
    this.#pass.start();
    this.#probes = setInterval(() => {
      for (const address of this.#election.dueProbes()) this.#responder.probe(address);
    }, probeTickMs).unref();
    return Promise.resolve();
  }

  async stop(ending: Ending = 'stop'): Promise<void> {
    if (this.#pools.length === 0) return;
    clearInterval(this.#probes);
    this.#index.stop();
    await Promise.all([this.#beat.stop(), this.#pass.stop()]);
    try {
      await this.#election.end(ending);
    } catch (error) {
      // Then others find out by our silence.
      this.#log.warn({ err: error }, 'addresses not given away');
    }
    this.#responder.close();
    await this.#leases.stop();
  }

  /** Never keeps the node from being Ready: its pods and Services need no announcement. */
  health(): Health {
    const [reason] = this.#problems.values();
    return { ready: true, ...(reason === undefined ? {} : { reason }) };
  }

  #makeRunner(what: string, { min, max }: typeof passMs, run: () => Promise<void>): Runner {
    return new Runner({
      run: async () => {
        await run();
        if (this.#problems.delete(what)) this.#log.info(`can ${what} again`);
      },
      minIntervalMs: min,
      maxIntervalMs: max,
      retryMs: 100,
      onError: (error) => {
        const reason = `cannot ${what}: ${error instanceof Error ? error.message : String(error)}`;
        if (!this.#problems.has(what)) this.#log.warn({ err: error }, `cannot ${what}`);
        this.#problems.set(what, reason);
      },
    });
  }

  #makeElection(): Election {
    const { client, nodeName, caches } = this.#context;
    const leases = this.#leases;
    return new Election({
      self: nodeName,
      door: new ApiLeaseDoor(client, nodeName, () => caches.nodes.get(nodeName)?.metadata.uid),
      leases: {
        get revision() {
          return leases.revision;
        },
        addressLeases: () => [...leases.list()].flatMap((lease) => this.#readLease(lease) ?? []),
      },
      now: () => performance.now(),
      onTaken: (address, before) => {
        this.#metrics.taken.inc();
        this.#announceSoon(address);
        this.#reports.noteTaken(address, before, this.#servicesOf(address));
      },
      onLapse: (addresses) => {
        this.#metrics.lapsed.inc(addresses.length);
        this.#log.warn({ addresses }, 'no heartbeat reached the API in time; not announcing any more');
      },
      isAway,
    });
  }

  /** Reads each object once, however often it is looked at. */
  #readLease(lease: Lease): AddressLease | undefined {
    if (!this.#readLeases.has(lease)) this.#readLeases.set(lease, readAddressLease(lease));
    return this.#readLeases.get(lease);
  }

  async #look(): Promise<void> {
    if (!this.#index.synced || !this.#leases.synced || !this.#isServing()) return;
    const wanted = this.#index.list();
    if (wanted.length > 0) this.#readLinks();
    try {
      await this.#election.pass({
        wanted,
        isReachable: (address) => (this.#links?.find(address).length ?? 0) > 0,
      });
    } finally {
      this.#listen();
    }
  }

  /** Many are taken at a time: what it costs to listen for all of them is spent once. */
  #announceSoon(address: string): void {
    this.#taken.push(address);
    if (this.#taken.length > 1) return;
    setImmediate(() => {
      try {
        this.#listen();
      } catch (error) {
        // A link that has just gone: the next look at the links puts it right.
        this.#log.warn({ err: error }, 'cannot listen on a link');
      }
      for (const each of this.#taken.splice(0)) this.#responder.announce(each);
    });
  }

  /** Opens and closes sockets as this node's addresses ask for. */
  #listen(): void {
    const addresses = this.#election.addresses();
    const links = this.#links;
    this.#responder.set(new Map(addresses.map((each) => [each, links?.find(each) ?? []])));
  }

  #readLinks(): void {
    if (performance.now() < this.#linksReadAt + linksMs) return;
    using socket = new NetlinkSocket();
    const { nodeIPs, announceInterfaces: names } = this.#context.config;
    const view = { links: listLinks(socket), addresses: listAddresses(socket), nodeIPs, names };
    this.#links = this.#links?.renew(view) ?? new LinkFinder(view);
    this.#noteUnusable(unusableNames(view));
    this.#linksReadAt = performance.now();
  }

  /** A misspelt name would keep every address from being announced here without a word. */
  #noteUnusable(names: readonly string[]): void {
    const what = 'use announceInterfaces';
    const reason = `cannot announce on ${names.join(', ')} (announceInterfaces): no such link that is up`;
    if (names.length === 0) this.#problems.delete(what);
    else if (this.#problems.get(what) !== reason) {
      this.#log.warn(reason);
      this.#problems.set(what, reason);
    }
  }

  #noteLease(event: CacheEvent<Lease>): void {
    if (event.type !== 'synced') {
      const node = announcerOfLease(event.object.metadata.name);
      const lease = event.type === 'deleted' ? undefined : readAnnouncerLease(event.object);
      if (node !== undefined) this.#election.noteAnnouncer(node, lease);
      // A heartbeat is nothing to act upon, unless it is the last.
      if (lease && !lease.released) return;
    }
    this.#pass.request();
  }

  #noteClaim(address: string, mac: string): void {
    const isHeld = this.#election.mayAnswer(address);
    this.#election.noteClaim(address);
    if (!isHeld || !this.#election.mayAnswer(address)) return;
    this.#metrics.conflicts.inc();
    const now = performance.now();
    if (this.#toldConflicts.allows(address, now))
      this.#reports.noteConflict(address, mac, this.#servicesOf(address));
    // The Lease says it is ours: tell the neighbours once more (RFC 5227 section 2.4 c).
    if (this.#defences.allows(address, now)) this.#responder.announce(address);
  }

  #servicesOf(address: string) {
    const keys = this.#index.list().find((each) => each.address === address)?.services ?? [];
    return keys.flatMap((key) => this.#context.caches.services.get(key) ?? []);
  }
}
