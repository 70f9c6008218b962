import type { Logger } from 'pino';
import type { Backend, SyncResult } from '../../iptables/backend.ts';
import { chooseBackend, removeAllRules, removeRulesOf } from '../../iptables/choice.ts';
import type { Choice } from '../../iptables/choice.ts';
import { readGeneration } from '../../iptables/generation.ts';
import type { NodeSettings } from '../../iptables/model.ts';
import { deleteConntrack, listConntrack } from '../../netns/conntrack.ts';
import { Runner } from '../runner.ts';
import { CompiledServices } from './compiled.ts';
import { listOrphanedFlows, listStaleFlows } from './flows.ts';
import { HealthChecks } from './health-check.ts';
import { makeServiceMetrics } from './metrics.ts';
import { listNodePortAddresses } from './node-addresses.ts';
import { NodeView } from './node-view.ts';
import { ServiceReports } from './reports.ts';
import { ServiceView } from './view.ts';
import type { AgentContext, Health, Subsystem } from '../subsystem.ts';

/** A burst of changes costs one transaction; the first of them does not wait. */
const minIntervalMs = 20;
/** Everything is compared with the kernel so often, whether or not anything seems to have happened. */
const fullCompareMs = 30_000;
/** Where others change rules all the time, comparing may take at most this share of ours. */
const compareShare = 0.1;
/** How soon an outside change is noticed. */
const watchMs = 500;

/** The kernel as this subsystem meets it; tests hand in their own. */
export interface ServiceDoors {
  readonly choose: (name: Backend['name']) => Promise<Choice>;
  readonly listFlows: typeof listConntrack;
  readonly forgetFlows: typeof deleteConntrack;
  /** Changes whenever anybody changes rules; throws where the kernel cannot tell. */
  readonly generation: () => number;
}

const kernelDoors: ServiceDoors = {
  choose: chooseBackend,
  listFlows: listConntrack,
  forgetFlows: deleteConntrack,
  generation: readGeneration,
};

/** Keeps the node's Service rules as Services, EndpointSlices and nodes ask for. */
export class ServiceRules implements Subsystem {
  readonly name = 'services';
  readonly #context: AgentContext;
  readonly #doors: ServiceDoors;
  readonly #log: Logger;
  readonly #view: ServiceView;
  readonly #nodes: NodeView;
  readonly #compiled: CompiledServices;
  readonly #reports: ServiceReports;
  readonly #healthChecks: HealthChecks;
  readonly #metrics: ReturnType<typeof makeServiceMetrics>;
  readonly #runner: Runner;
  #unsubscribe: (() => void)[] = [];
  #watch: NodeJS.Timeout | undefined;
  #choice: Choice | undefined;
  #leftoversRemoved = false;
  /** What the last successful sync was for. */
  #settings: NodeSettings | undefined;
  #fullCompareAt = 0;
  /** Somebody else changed rules since the last full compare. */
  #touched = false;
  /** No sooner than then is that looked into. */
  #touchAt = 0;
  #generation: number | undefined;
  #failure: string | undefined;
  #synced = false;

  constructor(context: AgentContext, doors: Partial<ServiceDoors> = {}) {
    this.#context = context;
    this.#doors = { ...kernelDoors, ...doors };
    this.#log = context.log.child({ subsystem: this.name });
    this.#view = new ServiceView(context.caches);
    this.#nodes = new NodeView(context);
    this.#compiled = new CompiledServices(this.#view);
    this.#reports = new ServiceReports(context.client, context.nodeName, this.#log);
    this.#healthChecks = new HealthChecks({
      hosts: () => listNodePortAddresses(this.#nodes.settings),
      isProxyHealthy: () => this.health().ready,
      onFailure: (key, message) => this.#reports.noteHealthCheckFailure(this.#view.service(key), message),
      log: this.#log,
    });
    this.#metrics = makeServiceMetrics(context.metrics, () => ({
      waiting: this.#compiled.waiting,
      troubled: this.#reports.troubled,
    }));
    this.#runner = new Runner({
      run: () => this.#run(),
      minIntervalMs,
      maxIntervalMs: fullCompareMs,
      onError: (error, nextMs) => {
        this.#failure = error instanceof Error ? error.message : String(error);
        this.#metrics.failures.inc();
        this.#log.error({ err: error, nextMs }, 'sync failed; the previous rules stand');
      },
    });
  }

  async start(): Promise<void> {
    this.#choice = await this.#doors.choose(this.#context.config.backend);
    const { services, endpointSlices, nodes } = this.#context.caches;
    this.#view.readSlices();
    this.#unsubscribe = [
      services.subscribe((event) => {
        this.#mark(event.type === 'synced' ? [] : [event.key]);
      }),
      endpointSlices.subscribe((event) => {
        this.#mark(this.#view.noteSlice(event));
      }),
      nodes.subscribe((event) => {
        if (this.#nodes.note(event)) this.#runner.request();
      }),
    ];
    this.#reports.start();
    this.#runner.start();
    this.#watch = setInterval(() => {
      if (this.#synced && this.#noticeOutsideChange()) this.#runner.request();
    }, watchMs);
    this.#watch.unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#watch);
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#unsubscribe = [];
    await this.#runner.stop();
    this.#healthChecks.stop();
    await this.#reports.stop();
  }

  health(): Health {
    if (this.#failure !== undefined) return { ready: false, reason: this.#failure };
    return this.#synced ? { ready: true } : { ready: false, reason: 'Services are not programmed yet' };
  }

  #mark(keys: readonly string[]): void {
    this.#compiled.mark(keys);
    this.#runner.request();
  }

  async #run(): Promise<void> {
    const { services, endpointSlices, nodes } = this.#context.caches;
    // An incomplete view would delete what it does not know yet.
    if (!services.synced || !endpointSlices.synced || !nodes.synced || !this.#choice) return;
    const endTimer = this.#metrics.syncSeconds.startTimer();
    const changed = this.#compiled.update(this.#nodes.context);
    const { settings } = this.#nodes;
    const full = this.#needsFullCompare();
    if (!full && changed.size === 0 && settings === this.#settings) return;
    const startMs = Date.now();
    const rules = { settings, services: this.#compiled.all };
    const result = await this.#choice.backend.sync(rules, full ? undefined : changed);
    this.#generation = this.#readGeneration();
    if (full) {
      this.#touched = false;
      this.#fullCompareAt = Date.now() + fullCompareMs;
      this.#touchAt = Date.now() + (Date.now() - startMs) / compareShare;
    }
    this.#forgetStaleFlows(settings);
    endTimer();
    this.#report(result, changed, full && this.#synced && this.#failure === undefined && changed.size === 0);
    this.#failure = undefined;
    this.#synced = true;
    this.#healthChecks.update(
      [...changed].map((key) => [key, this.#compiled.all.get(key)?.healthCheck] as const),
    );
    this.#settings = settings;
    this.#compiled.noteSynced();
    await this.#removeLeftovers(this.#choice);
  }

  /** At the start nobody knows what was before: the kernel's own list is gone through, this once. */
  #forgetStaleFlows(settings: NodeSettings): void {
    const filters = this.#synced
      ? [...this.#compiled.changes()].flatMap(({ before, after }) =>
          listStaleFlows(before, after, settings.nodeIPs),
        )
      : listOrphanedFlows(this.#doors.listFlows('udp'), this.#compiled.all.values(), settings);
    if (filters.length > 0) this.#doors.forgetFlows(...filters);
  }

  #report({ changes, refused }: SyncResult, changed: ReadonlySet<string>, wasCompareOnly: boolean): void {
    this.#metrics.changes.inc(changes);
    this.#metrics.programmed.set(this.#compiled.all.size - refused.size);
    this.#metrics.lastSync.setToCurrentTime();
    if (changes > 0) this.#log.debug({ changes }, 'rules changed');
    if (changes > 0 && wasCompareOnly) {
      this.#metrics.repairs.inc();
      this.#reports.noteRepair(this.#context.caches.nodes.get(this.#context.nodeName), changes);
    }
    this.#reports.noteSync(changed, this.#compiled.all, refused, (key) => this.#view.service(key));
  }

  /** What another backend left would still rewrite packets. It goes only when ours stands. */
  async #removeLeftovers({ others }: Choice): Promise<void> {
    if (this.#leftoversRemoved) return;
    const removed = await removeRulesOf(others);
    if (removed) this.#log.info('removed the rules that another backend of ours had left');
    this.#leftoversRemoved = true;
    this.#generation = this.#readGeneration();
  }

  #needsFullCompare(): boolean {
    const touched = this.#noticeOutsideChange();
    return touched || !this.#synced || this.#failure !== undefined || Date.now() >= this.#fullCompareAt;
  }

  /** Whether somebody else changed rules and it is time to look what. */
  #noticeOutsideChange(): boolean {
    if (this.#generation !== undefined && this.#readGeneration() !== this.#generation) this.#touched = true;
    return this.#touched && Date.now() >= this.#touchAt;
  }

  /** Undefined where the kernel has no such number: then the regular full compare must do. */
  #readGeneration(): number | undefined {
    try {
      return this.#doors.generation();
    } catch (error) {
      this.#log.trace({ err: error }, 'no generation number');
      return undefined;
    }
  }
}

/** Removes every Service rule of ours from this network namespace, for `weft cleanup`. Returns whether there was any. */
export function cleanup(): Promise<boolean> {
  return removeAllRules();
}
