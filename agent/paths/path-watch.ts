import type { Counter } from 'prom-client';
import type { PathProber } from '../../netns/path-prober.ts';
import type { NetworkView, NodePlan } from '../network/view.ts';
import { abridge } from '../abridge.ts';
import type { AgentContext, Health, Subsystem } from '../subsystem.ts';
import * as found from './finding.ts';
import type { PathFinding } from './finding.ts';
import type { OffloadVerdict, PathQuestions } from './measure.ts';
import { judgeOffload, measureMtu } from './measure.ts';
import { OffloadGuard } from './offload-guard.ts';
import { ProbeLoop } from './probe-loop.ts';
import { makePathMetrics, PathReports } from './reports.ts';
import { isNodeReady } from './readiness.ts';
import type { ReportContext } from './reports.ts';
import { ProbeSchedule } from './schedule.ts';
import type { PathTarget } from './target.ts';
import { isSameTarget, pathTargets } from './target.ts';

/** Ten ranges a second at most: two packets each where all is well, whatever the cluster's size. */
const pace = { spacingMs: 100, mostAtOnce: 16 };
/** A peer that just joins is asked again soon, one that is away more and more seldom. */
const silentMs = (silences: number): number => Math.min(60_000, 1_000 * 2 ** silences);
/** A peer that is only starting is no news. */
const silencesToTell = 4;
/** So many ways with the same trouble are told one by one. */
const mostTold = 3;
const likeThese = 'more like these';

/** How soon a way is looked at again. */
export interface PathTiming {
  readonly wellMs: number;
  /** Where something is wrong, which may be mended at any time. */
  readonly troubledMs: number;
}

const defaultTiming: PathTiming = { wellMs: 300_000, troubledMs: 60_000 };

/** What one look has shown. */
interface Seen {
  /** Undefined: nobody answered. */
  readonly mtu: number | undefined;
  readonly verdict: OffloadVerdict;
}

type PathContext = ReportContext & Pick<AgentContext, 'metrics'>;

/**
 * Finds out end to end how long packets to each peer may be and whether their checksums arrive right, and has the node
 * live with what it finds: the routes to a peer carry what passes, and checksums are made in software.
 */
export class PathWatch implements Subsystem {
  readonly name = 'paths';
  readonly #context: PathContext;
  readonly #timing: PathTiming;
  readonly #reports: PathReports;
  readonly #probes: Counter<'kind'>;
  readonly #schedule = new ProbeSchedule(isSameTarget);
  readonly #findings = new Map<string, PathFinding>();
  readonly #offload = new OffloadGuard();
  #mtus: NetworkView['pathMtus'] = new Map();
  readonly #listeners = new Set<() => void>();
  readonly #loop: ProbeLoop<PathTarget, Seen>;

  constructor(context: PathContext, timing = defaultTiming) {
    this.#timing = timing;
    this.#context = { ...context, log: context.log.child({ subsystem: this.name }) };
    this.#reports = new PathReports(this.#context);
    const { probes } = makePathMetrics(context.metrics, () => ({
      unknown: this.#schedule.targets.length - this.#findings.size,
      findings: [...this.#findings.values()],
      offloadBroken: this.#offload.reason !== undefined,
    }));
    this.#probes = probes;
    this.#loop = new ProbeLoop(this.#schedule, pace, {
      read: (plan, nowMs) => this.#read(plan, nowMs),
      look: (target, prober) => this.#look(target, prober),
      note: (target, seen) => this.#note(target, seen),
      fail: (target, error) => this.#fail(target, error),
    });
  }

  start(): Promise<void> {
    this.#loop.start();
    return Promise.resolve();
  }

  stop(): Promise<void> {
    this.#loop.stop();
    return Promise.resolve();
  }

  /** Ready always: what is found is lived with. */
  health(): Health {
    const findings = [...this.#findings.values()];
    const narrow = findings.filter(found.isNarrow).map(found.describeNarrow);
    const silent = findings.filter((finding) => this.#isNews(finding)).map(found.describeSilence);
    const { reason } = this.#offload;
    const reasons = [...(reason === undefined ? [] : [reason]), ...abridge(narrow, mostTold, likeThese)];
    reasons.push(...abridge(silent, mostTold, likeThese));
    return { ready: true, ...(reasons.length > 0 ? { reason: reasons.join('; ') } : {}) };
  }

  /** What the routes to peers' ranges shall carry, where that is less than their links do. */
  get mtus(): NetworkView['pathMtus'] {
    return this.#mtus;
  }

  /** Tells when {@link mtus} is another, until the returned function is called. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The network was just made as planned, or some of the plan's peers have changed. */
  follow(plan: NodePlan): void {
    if (this.#offload.keep()) this.#schedule.hurry(performance.now());
    this.#loop.follow(plan);
  }

  #read(plan: NodePlan, nowMs: number): void {
    for (const range of this.#schedule.replace(pathTargets(plan), nowMs)) this.#findings.delete(range);
    this.#renewMtus();
  }

  async #look(target: PathTarget, prober: PathProber): Promise<Seen> {
    const questions = this.#questions(target, prober);
    // Only a vxlan hides checksums from the card that shall make them.
    const judge = target.way.vxlan !== undefined && this.#offload.reason === undefined;
    const [mtu, verdict] = await Promise.all([
      measureMtu(questions, target.mtu),
      judge ? judgeOffload(questions) : ('unknown' as const),
    ]);
    return { mtu, verdict };
  }

  #fail(target: PathTarget, error: unknown): void {
    this.#context.log.warn({ err: error, node: target.node }, 'cannot probe the way to a peer');
    this.#schedule.settle(target, performance.now() + this.#timing.troubledMs);
  }

  #questions({ way }: PathTarget, prober: PathProber): PathQuestions {
    return {
      echo: (packetBytes, timeoutMs) => {
        this.#probes.inc({ kind: 'echo' });
        return prober.echo(way, packetBytes, timeoutMs);
      },
      datagram: (offloaded, timeoutMs) => {
        this.#probes.inc({ kind: 'datagram' });
        return prober.datagram(way.ends, offloaded, timeoutMs);
      },
    };
  }

  #note(target: PathTarget, { mtu, verdict }: Seen): void {
    const before = this.#findings.get(target.range);
    const silences = mtu === undefined ? (before?.silences ?? 0) + 1 : 0;
    const finding = { target, mtu: mtu ?? before?.mtu, silences };
    if (!this.#schedule.settle(target, performance.now() + this.#delayMs(finding))) return;
    this.#findings.set(target.range, finding);
    this.#reports.noteMtu(finding, before);
    if (finding.mtu !== before?.mtu) this.#renewMtus();
    if (verdict === 'wrong' && this.#offload.reason === undefined) this.#switchOffloadOff(target.node);
  }

  #delayMs(finding: PathFinding): number {
    if (finding.silences > 0) return silentMs(finding.silences);
    return found.isNarrow(finding) ? this.#timing.troubledMs : this.#timing.wellMs;
  }

  #switchOffloadOff(node: string): void {
    this.#offload.switchOff(node);
    const { reason } = this.#offload;
    if (reason !== undefined) this.#reports.noteOffload(node, reason);
  }

  #renewMtus(): void {
    const entries = [...this.#findings].flatMap(([range, finding]): [string, number][] => {
      const mtu = found.routeMtu(finding);
      return mtu === undefined ? [] : [[range, mtu]];
    });
    const isSame =
      entries.length === this.#mtus.size && entries.every(([range, mtu]) => this.#mtus.get(range) === mtu);
    if (isSame) return;
    this.#mtus = new Map(entries);
    for (const listener of this.#listeners) listener();
  }

  #isNews({ target, silences }: PathFinding): boolean {
    if (silences < silencesToTell) return false;
    return isNodeReady(this.#context.caches.nodes.get(target.node));
  }
}
