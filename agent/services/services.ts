import type { Logger } from 'pino';
import type { Backend, SyncResult } from '../../iptables/backend.ts';
import { makeRun } from '../../iptables/command.ts';
import type { Run } from '../../iptables/command.ts';
import { chooseBackend, removeAllRules, removeRulesOf } from '../../iptables/choice.ts';
import type { Choice } from '../../iptables/choice.ts';
import { listKubeProxyRules } from '../../iptables/leftovers.ts';
import type { NodeSettings } from '../../iptables/model.ts';
import { watchRules } from '../../iptables/rule-watch.ts';
import { Conntrack } from '../../netns/conntrack.ts';
import type { ConntrackFilter } from '../../netns/conntrack.ts';
import { Runner } from '../runner.ts';
import { AwaitedKeys } from './awaited-keys.ts';
import { CompiledServices } from './compiled.ts';
import { DnsFallback, dnsFallbackKey } from './dns-fallback.ts';
import { Drift } from './drift.ts';
import { listOrphanedFlows, listStaleFlows } from './flows.ts';
import { HealthChecks } from './health-check.ts';
import { makeServiceMetrics } from './metrics.ts';
import { listNodePortAddresses } from './node-addresses.ts';
import { NodeView } from './node-view.ts';
import { ServiceReports, subjectOf } from './reports.ts';
import type { RuleSource, Subject } from './rule-source.ts';
import { ServiceView } from './view.ts';
import type { AgentContext, Health, Subsystem } from '../subsystem.ts';

/** A burst of changes costs one transaction; the first of them does not wait. */
const minIntervalMs = 20;
/** Every change asks for a pass: this bounds the back-off. */
const maxIntervalMs = 30_000;

const withoutDnsFallback =
  'the kernel cannot match sockets (modules nft_socket, xt_socket): while this node has no DNS server, no other answers';

/** The kernel as this subsystem meets it; tests hand in their own. */
export interface ServiceDoors {
  readonly choose: (name: Backend['name'], run: Run) => Promise<Choice>;
  readonly flows: Pick<Conntrack, 'list' | 'forget' | typeof Symbol.dispose>;
  /** Throws where the kernel cannot tell of changes. */
  readonly watch: typeof watchRules;
  readonly listForeign: typeof listKubeProxyRules;
}

function kernelDoors(): ServiceDoors {
  return {
    choose: chooseBackend,
    flows: new Conntrack(),
    watch: watchRules,
    listForeign: listKubeProxyRules,
  };
}

/** Keeps the node's Service rules as Services, EndpointSlices and nodes ask for. */
export class ServiceRules implements Subsystem {
  readonly name = 'services';
  readonly #context: AgentContext;
  readonly #doors: ServiceDoors;
  readonly #log: Logger;
  readonly #view: ServiceView;
  readonly #others: RuleSource | undefined;
  readonly #nodes: NodeView;
  readonly #compiled: CompiledServices;
  readonly #reports: ServiceReports;
  readonly #healthChecks: HealthChecks;
  readonly #metrics: ReturnType<typeof makeServiceMetrics>;
  readonly #runner: Runner;
  #unsubscribe: (() => void)[] = [];
  readonly #drift: Drift;
  #choice: Choice | undefined;
  readonly #dnsFallback: DnsFallback;
  /** Whether the kernel can lead DNS queries elsewhere while nobody listens here; undefined: not asked yet. */
  #hasDnsFallback: boolean | undefined;
  #leftoversRemoved = false;
  /** What the last successful sync was for. */
  #settings: NodeSettings | undefined;
  /** Those whom the last sync refused something. */
  #refused: SyncResult['refused'] = new Map();
  readonly #awaited = new AwaitedKeys();
  #failure: string | undefined;
  #synced = false;

  /** @param others what wants rules beside Services */
  constructor(context: AgentContext, doors: Partial<ServiceDoors> = {}, others?: RuleSource) {
    this.#context = context;
    this.#others = others;
    this.#doors = { ...kernelDoors(), ...doors };
    this.#log = context.log.child({ subsystem: this.name });
    this.#view = new ServiceView(context.caches);
    this.#nodes = new NodeView(context);
    this.#dnsFallback = new DnsFallback(context);
    this.#compiled = new CompiledServices({
      keys: () => [
        ...this.#view.keys(),
        ...(this.#others?.keys() ?? []),
        ...(this.#hasDnsFallback === true ? [dnsFallbackKey] : []),
      ],
      compile: (key, compileFor) => {
        if (key === dnsFallbackKey) return this.#dnsFallback.compile();
        if (others?.owns(key) === true) return others.compile(key, this.#nodes.settings);
        return this.#view.compile(key, compileFor);
      },
    });
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
    this.#drift = new Drift(() => {
      this.#runner.request();
    });
    this.#runner = new Runner({
      run: async () => {
        await this.#run();
        this.#awaited.settle((key) => this.#outcomeOf(key));
      },
      minIntervalMs,
      maxIntervalMs,
      onError: (error, nextMs) => {
        this.#failure = error instanceof Error ? error.message : String(error);
        this.#metrics.failures.inc();
        this.#log.error({ err: error, nextMs }, 'sync failed; the previous rules stand');
      },
    });
  }

  async start(): Promise<void> {
    const run = makeRun((program, pid) => {
      this.#drift.noteProgram(program, pid);
    });
    this.#choice = await this.#doors.choose(this.#context.config.backend, run);
    await this.#askForDnsFallback(this.#choice);
    this.#watchRules(this.#choice);
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
        if (this.#hasDnsFallback === true && this.#dnsFallback.note(event)) this.#mark([dnsFallbackKey]);
      }),
    ];
    this.#others?.start((keys) => this.#mark(keys));
    this.#reports.start();
    this.#runner.start();
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#unsubscribe = [];
    this.#others?.stop();
    await this.#runner.stop();
    this.#drift[Symbol.dispose]();
    this.#doors.flows[Symbol.dispose]();
    this.#healthChecks.stop();
    await this.#reports.stop();
  }

  health(): Health {
    if (this.#failure !== undefined) return { ready: false, reason: this.#failure };
    if (!this.#synced) return { ready: false, reason: 'Services are not programmed yet' };
    return this.#hasDnsFallback === false ? { ready: true, reason: withoutDnsFallback } : { ready: true };
  }

  /**
   * Resolves once the kernel has what is wanted under this key: rules, or none. Rejects when it refuses them, and when
   * the signal ends the waiting.
   */
  whenProgrammed(key: string, signal: AbortSignal): Promise<void> {
    const answer = this.#awaited.wait(key, signal);
    this.#awaited.settle((each) => this.#outcomeOf(each));
    return answer;
  }

  #outcomeOf(key: string): 'waiting' | 'done' | Error {
    if (!this.#synced || this.#compiled.isWaiting(key)) return 'waiting';
    return this.#refused.get(key) ?? 'done';
  }

  #mark(keys: readonly string[]): void {
    this.#compiled.mark(keys);
    this.#runner.request();
  }

  async #askForDnsFallback({ backend }: Choice): Promise<void> {
    this.#hasDnsFallback = await backend.findsSockets();
    if (this.#hasDnsFallback) this.#nodes.useDnsFallback();
    else this.#log.warn(withoutDnsFallback);
  }

  async #run(): Promise<void> {
    const { services, endpointSlices, nodes } = this.#context.caches;
    // An incomplete view would delete what it does not know yet.
    if (!services.synced || !endpointSlices.synced || !nodes.synced || !this.#choice) return;
    const standing = this.#failure === undefined ? this.#settings : undefined;
    if (standing && this.#drift.isDue) await this.#repair(this.#choice, standing);
    const endTimer = this.#metrics.syncSeconds.startTimer();
    const changed = this.#compiled.update(this.#nodes.context);
    const { settings } = this.#nodes;
    if (changed.size === 0 && settings === standing) return;
    const { backend } = this.#choice;
    const rules = { settings, services: this.#compiled.all };
    const { result, by } = standing
      ? { result: await this.#drift.own(() => backend.sync(rules, changed)), by: [] }
      : await this.#drift.compare(() => backend.sync(rules));
    // A repair that failed at first: who damages rules may go on while they are repaired.
    if (!standing && this.#settings === settings && changed.size === 0) this.#noteRepair(result, by);
    this.#forgetStaleFlows(settings);
    endTimer();
    this.#report(result, changed);
    this.#failure = undefined;
    this.#synced = true;
    this.#healthChecks.update(
      [...changed].map((key) => [key, this.#compiled.all.get(key)?.healthCheck] as const),
    );
    this.#settings = settings;
    this.#compiled.noteSynced();
    await this.#removeLeftovers(this.#choice);
  }

  /** Puts right what others did to the rules, before anything new is asked of them: what is changed is damage then. */
  async #repair({ backend }: Choice, settings: NodeSettings): Promise<void> {
    const rules = { settings, services: this.#compiled.all };
    this.#metrics.compares.inc();
    const { result, by } = await this.#drift.compare(() => backend.sync(rules));
    this.#report(result, new Set());
    this.#noteRepair(result, by);
  }

  #noteRepair({ changes }: SyncResult, by: readonly string[]): void {
    if (changes === 0) return;
    this.#metrics.repairs.inc();
    this.#reports.noteRepair(this.#context.caches.nodes.get(this.#context.nodeName), changes, by);
  }

  /** At the start nobody knows what was before: the kernel's own list is gone through, this once. */
  #forgetStaleFlows(settings: NodeSettings): void {
    const { nodeIPs } = settings;
    const filters = this.#synced
      ? [...this.#compiled.changes()].flatMap(({ before, after }) => listStaleFlows(before, after, nodeIPs))
      : this.#listOrphanedFlows(settings);
    if (filters.length > 0) this.#doors.flows.forget(filters);
  }

  #listOrphanedFlows(settings: NodeSettings): ConntrackFilter[] {
    const nodeIPs = [...settings.nodeIPs, ...(this.#others?.addresses() ?? [])];
    const flows = this.#doors.flows.list('udp');
    return listOrphanedFlows(flows, this.#compiled.all.values(), { ...settings, nodeIPs });
  }

  #report({ changes, refused }: SyncResult, changed: ReadonlySet<string>): void {
    this.#refused = refused;
    this.#drift.noteRefusals([...refused.values()].some(({ code }) => code === 'REFUSED'));
    this.#metrics.changes.inc(changes);
    const others = [dnsFallbackKey, ...(this.#others?.keys() ?? [])];
    const services = this.#compiled.all.size - others.filter((key) => this.#compiled.all.has(key)).length;
    this.#metrics.programmed.set(services - refused.size);
    this.#metrics.lastSync.setToCurrentTime();
    if (changes > 0) this.#log.debug({ changes }, 'rules changed');
    this.#reports.noteSync(changed, this.#compiled.all, refused, (key) => this.#subjectOf(key));
  }

  #subjectOf(key: string): Subject | undefined {
    if (this.#others?.owns(key) === true) return this.#others.subjectOf(key);
    const service = this.#view.service(key);
    return service && subjectOf(service);
  }

  /** What another backend left would still rewrite packets. It goes only when ours stands; others' is only told of. */
  async #removeLeftovers({ others }: Choice): Promise<void> {
    if (this.#leftoversRemoved) return;
    const removed = await this.#drift.own(() => removeRulesOf(others));
    if (removed) this.#log.info('removed the rules that another backend of ours had left');
    this.#leftoversRemoved = true;
    const node = this.#context.caches.nodes.get(this.#context.nodeName);
    for (const leftover of await this.#doors.listForeign()) this.#reports.noteLeftover(node, leftover);
  }

  /** Where the kernel cannot tell, the regular comparison must do. */
  #watchRules({ rules }: Choice): void {
    const onTouch = this.#drift.noteTouch.bind(this.#drift);
    try {
      this.#drift.start(this.#doors.watch(rules, { onTouch }));
    } catch (error) {
      this.#log.warn({ err: error }, 'outside changes of rules are not told; comparing now and then');
    }
  }
}

/** Removes every Service rule of ours from this network namespace, for `weft cleanup`. Returns whether there was any. */
export function cleanup(): Promise<boolean> {
  return removeAllRules();
}
