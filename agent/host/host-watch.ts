import { Counter, Gauge } from 'prom-client';
import { watchAllRules } from '../../iptables/rule-news.ts';
import type { Link } from '../../netns/link.ts';
import * as netlink from '../../netns/netlink.ts';
import { NetlinkMonitor } from '../../netns/netlink.ts';
import { NodeEvents } from '../node/events.ts';
import type { NodeEventsContext } from '../node/events.ts';
import { Runner } from '../runner.ts';
import type { AgentContext, Health, Subsystem } from '../subsystem.ts';
import { checkFirewalls } from './check-firewalls.ts';
import { checkLinkManagers, readLinks } from './checks.ts';
import type { Finding } from './finding.ts';
import { renderFinding } from './finding.ts';
import { hostDirectories } from './link-managers.ts';
import { LinkNotices } from './link-notices.ts';
import { routingSysctls } from './settings.ts';
import type { SettingsKeeper } from './settings.ts';

/** Settings and links take a fraction of a millisecond to look at; not all changes of them are told. */
const quickIntervalMs = { min: 250, max: 2_000 } as const;
/** Following packets through everybody's rules runs a few programs: some 50 ms of a processor. */
const rulesIntervalMs = { min: 2_000, max: 60_000 } as const;

/** What it needs of the agent. */
export type HostContext = NodeEventsContext &
  Pick<AgentContext, 'metrics' | 'log'> & {
    readonly config: Pick<AgentContext['config'], 'nodeIPs' | 'vxlan' | 'port' | 'networkMode'>;
    readonly cluster: Pick<AgentContext['cluster'], 'clusterCIDRs' | 'dnsIPs'>;
  };

/**
 * Watches what other programs on the host do to the way of pods' packets: rules, kernel settings, links. Puts right what
 * is ours to put right and names everything else with its remedy. Never a reason to be not ready: what it finds is judged
 * from outside, and a node that is taken out of service for a misjudgement would be the greater harm.
 */
export class HostWatch implements Subsystem {
  readonly name = 'host';
  readonly #context: HostContext;
  readonly #rulesStand: () => boolean;
  readonly #log: AgentContext['log'];
  readonly #events: NodeEvents;
  readonly #settings: SettingsKeeper;
  readonly #quick: Runner;
  readonly #rules: Runner;
  readonly #looks: Counter<'cause'>;
  readonly #notices = new LinkNotices();
  #monitor: NetlinkMonitor | undefined;
  /** By ifindex, as they were at the last quick look. */
  #links: ReadonlyMap<number, Link> = new Map();
  #lookedMs = -Infinity;
  /** What each kind of look found last. */
  readonly #findings = new Map<'quick' | 'rules', readonly Finding[]>();
  #undo = new DisposableStack();

  /**
   * @param settings keeps what the node's network wants of the kernel
   * @param rulesStand whether our own rules are in the kernel: before, packets would seem stopped that are not
   * @param intervals how often everybody's rules are followed
   */
  constructor(
    context: HostContext,
    settings: SettingsKeeper,
    rulesStand: () => boolean,
    intervals: { readonly min: number; readonly max: number } = rulesIntervalMs,
  ) {
    this.#context = context;
    this.#settings = settings;
    this.#rulesStand = rulesStand;
    this.#log = context.log.child({ subsystem: this.name });
    this.#events = new NodeEvents(context, this.#log);
    const runner = (
      intervals: { readonly min: number; readonly max: number },
      run: () => Promise<void>,
    ): Runner =>
      new Runner({
        run,
        minIntervalMs: intervals.min,
        maxIntervalMs: intervals.max,
        onError: (err, retryMs) => this.#log.warn({ err, retryMs }, 'the host could not be looked at'),
      });
    this.#quick = runner(quickIntervalMs, () => {
      this.#lookIfNeeded();
      return Promise.resolve();
    });
    this.#rules = runner(intervals, async () => {
      if (!this.#rulesStand()) throw new Error('the rules of weft do not stand yet');
      this.#note('rules', await checkFirewalls(this.#known(), { mend: true }));
    });
    this.#looks = new Counter({
      name: 'weft_host_looks_total',
      help: 'Looks at the settings and links of this host, by what they were for: something told, or their turn.',
      labelNames: ['cause'],
      registers: [context.metrics],
    });
    const metric = new Gauge({
      name: 'weft_host_troubles',
      help: 'What on this host is in the way of pods and somebody else’s to put right, by kind.',
      labelNames: ['check'],
      registers: [context.metrics],
      collect: () => {
        metric.reset();
        for (const { check } of this.#troubles()) metric.inc({ check });
      },
    });
  }

  start(): Promise<void> {
    const { RTMGRP_LINK, RTMGRP_IPV4_NETCONF, RTMGRP_IPV6_NETCONF } = netlink;
    const groups = RTMGRP_LINK | RTMGRP_IPV4_NETCONF | RTMGRP_IPV6_NETCONF;
    const onMessage = (type: number, payload: Buffer): void => {
      if (this.#notices.note(type, payload)) this.#quick.request();
    };
    const onOverrun = (): void => {
      this.#notices.alarm();
      this.#quick.request();
    };
    this.#monitor = this.#undo.use(new NetlinkMonitor({ groups, onMessage, onOverrun }));
    try {
      this.#undo.use(watchAllRules(() => this.#rules.request()));
    } catch (error) {
      this.#log.warn({ err: error }, 'changes of rules are not told; looking every minute');
    }
    this.#quick.start();
    this.#rules.start();
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#undo.dispose();
    this.#undo = new DisposableStack();
    await Promise.all([this.#quick.stop(), this.#rules.stop()]);
  }

  health(): Health {
    const troubles = this.#troubles().map(renderFinding);
    return troubles.length === 0 ? { ready: true } : { ready: true, reason: troubles.join('; ') };
  }

  /** Pods that come and go are told of all the time, and change nothing here. */
  #lookIfNeeded(): void {
    this.#monitor?.drain();
    const isTold = this.#notices.take(this.#links);
    const { min, max } = quickIntervalMs;
    if (!isTold && performance.now() - this.#lookedMs < max - min) return;
    this.#lookedMs = performance.now();
    this.#looks.inc({ cause: isTold ? 'told' : 'turn' });
    try {
      this.#note('quick', this.#lookQuickly());
    } catch (error) {
      this.#notices.alarm();
      throw error;
    }
  }

  #lookQuickly(): Finding[] {
    const { nodeIPs, networkMode } = this.#context.config;
    const { underlay, ours, all } = readLinks(nodeIPs[0]);
    this.#links = new Map(all.map((link) => [link.ifindex, link]));
    const settings = this.#settings.look(routingSysctls(underlay, ours, networkMode));
    return [...settings, ...checkLinkManagers(hostDirectories, { mend: true })];
  }

  #known(): Parameters<typeof checkFirewalls>[0] {
    const { config, cluster } = this.#context;
    const { clusterCIDRs, dnsIPs } = cluster;
    return {
      clusterCIDRs,
      dnsIPs,
      vxlanPort: config.vxlan.port,
      agentPort: config.port,
      nodeIPs: config.nodeIPs,
    };
  }

  #troubles(): Finding[] {
    return [...this.#findings.values()].flat().filter(({ state }) => state === 'trouble');
  }

  /** Tells what was not so at the last look. */
  #note(look: 'quick' | 'rules', findings: readonly Finding[]): void {
    const before = new Set((this.#findings.get(look) ?? []).map(({ found }) => found));
    this.#findings.set(look, findings);
    for (const finding of findings.filter(({ found }) => !before.has(found))) this.#tell(finding);
  }

  #tell(finding: Finding): void {
    const { check, state, found, remedy } = finding;
    if (state === 'well') return;
    if (state === 'unclear') {
      this.#log.info({ check }, found);
      return;
    }
    this.#log.warn({ check, remedy }, found);
    const message = renderFinding(finding);
    if (state === 'mended') this.#events.record('Normal', 'HostMended', message);
    else this.#events.record('Warning', 'HostTrouble', message);
  }
}
