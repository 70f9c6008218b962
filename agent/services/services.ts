import { isDeepStrictEqual } from 'node:util';

import type { Logger } from 'pino';
import type { Backend, SyncResult } from '../../iptables/backend.ts';
import { chooseBackend, removeAllRules, removeRulesOf } from '../../iptables/choice.ts';
import type { Choice } from '../../iptables/choice.ts';
import { readGeneration } from '../../iptables/generation.ts';
import type { CompiledService, NodeSettings } from '../../iptables/model.ts';
import { deleteConntrack, listConntrack } from '../../netns/conntrack.ts';
import { Runner } from '../runner.ts';
import { listOrphanedFlows, listStaleFlows } from './flows.ts';
import { HealthChecks } from './health-check.ts';
import { listNodePortAddresses } from './node-addresses.ts';
import { makeServiceMetrics, ServiceReports } from './reports.ts';
import { compileContext, nodeSettings, ServiceView } from './view.ts';
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
  readonly #reports: ServiceReports;
  readonly #healthChecks: HealthChecks;
  readonly #metrics: ReturnType<typeof makeServiceMetrics>;
  readonly #runner: Runner;
  #unsubscribe: (() => void)[] = [];
  #watch: NodeJS.Timeout | undefined;
  #choice: Choice | undefined;
  #leftoversRemoved = false;
  #compiled = new Map<string, CompiledService>();
  #compiledFor: unknown;
  /** Services that changed since the last successful sync, each as it was then. */
  readonly #pending = new Map<string, CompiledService | undefined>();
  readonly #dirty = new Set<string>();
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
    this.#reports = new ServiceReports(context.client, context.nodeName, this.#log);
    this.#healthChecks = new HealthChecks({
      hosts: () => listNodePortAddresses(nodeSettings(context)),
      isProxyHealthy: () => this.health().ready,
      onFailure: (key, message) => this.#reports.noteHealthCheckFailure(this.#view.service(key), message),
      log: this.#log,
    });
    this.#metrics = makeServiceMetrics(context.metrics);
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
      nodes.subscribe(() => {
        this.#mark([]);
      }),
    ];
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
  }

  health(): Health {
    if (this.#failure !== undefined) return { ready: false, reason: this.#failure };
    return this.#synced ? { ready: true } : { ready: false, reason: 'Services are not programmed yet' };
  }

  #mark(keys: readonly string[]): void {
    for (const key of keys) this.#dirty.add(key);
    this.#runner.request();
  }

  async #run(): Promise<void> {
    const { services, endpointSlices, nodes } = this.#context.caches;
    // An incomplete view would delete what it does not know yet.
    if (!services.synced || !endpointSlices.synced || !nodes.synced || !this.#choice) return;
    const endTimer = this.#metrics.syncSeconds.startTimer();
    const changed = this.#compileDirty();
    const full = this.#needsFullCompare();
    const startMs = Date.now();
    const rules = { settings: nodeSettings(this.#context), services: this.#compiled };
    const result = await this.#choice.backend.sync(rules, full ? undefined : changed);
    this.#generation = this.#readGeneration();
    if (full) {
      this.#touched = false;
      this.#fullCompareAt = Date.now() + fullCompareMs;
      this.#touchAt = Date.now() + (Date.now() - startMs) / compareShare;
    }
    this.#forgetStaleFlows(rules.settings);
    this.#report(result, full && this.#synced && this.#failure === undefined && changed.size === 0);
    endTimer();
    this.#failure = undefined;
    this.#synced = true;
    this.#healthChecks.update(
      [...changed].map((key) => [key, this.#compiled.get(key)?.healthCheck] as const),
    );
    for (const key of changed) this.#pending.delete(key);
    await this.#removeLeftovers(this.#choice);
  }

  /** Compiles what is marked dirty, or everything when what it is compiled for has changed. */
  #compileDirty(): ReadonlySet<string> {
    const context = compileContext(this.#context);
    if (!isDeepStrictEqual(context, this.#compiledFor)) {
      for (const key of [...this.#compiled.keys(), ...this.#view.keys()]) this.#dirty.add(key);
    }
    this.#compiledFor = context;
    for (const key of this.#dirty) {
      const before = this.#compiled.get(key);
      const after = this.#view.compile(key, context);
      if (after) this.#compiled.set(key, after);
      else this.#compiled.delete(key);
      if (isDeepStrictEqual(before, after)) continue;
      if (!this.#pending.has(key)) this.#pending.set(key, before);
    }
    this.#dirty.clear();
    return new Set(this.#pending.keys());
  }

  /** At the start nobody knows what was before: the kernel's own list is gone through, this once. */
  #forgetStaleFlows(settings: NodeSettings): void {
    const filters = this.#synced
      ? [...this.#pending].flatMap(([key, before]) =>
          listStaleFlows(before, this.#compiled.get(key), settings.nodeIPs),
        )
      : listOrphanedFlows(this.#doors.listFlows('udp'), this.#compiled.values(), settings);
    if (filters.length > 0) this.#doors.forgetFlows(...filters);
  }

  #report(result: SyncResult, wasCompareOnly: boolean): void {
    this.#metrics.changes.inc(result.changes);
    this.#metrics.programmed.set(this.#compiled.size);
    this.#metrics.refused.set(result.refused.size);
    if (result.changes > 0) this.#log.debug({ changes: result.changes }, 'rules changed');
    if (result.changes > 0 && wasCompareOnly) {
      this.#metrics.repairs.inc();
      this.#reports.noteRepair(this.#context.caches.nodes.get(this.#context.nodeName), result.changes);
    }
    for (const [key, service] of this.#compiled) {
      const problems = [...service.problems];
      const refusal = result.refused.get(key);
      if (refusal) problems.push(refusal.message);
      const text = problems.length > 0 ? problems.join('; ') : undefined;
      this.#reports.noteProblem(key, this.#view.service(key), text);
    }
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
