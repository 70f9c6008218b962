import { familyOf } from '../../netns/ip.ts';
import type { PathProber, ProbeWay } from '../../netns/path-prober.ts';
import { abridge } from '../abridge.ts';
import type { StraightWay } from '../network/peers.ts';
import { straightKey } from '../network/peers.ts';
import type { NetworkView, NodePlan } from '../network/view.ts';
import type { AgentContext, Health, Subsystem } from '../subsystem.ts';
import { ProbeLoop } from './probe-loop.ts';
import { isNodeReady } from './readiness.ts';
import type { ReportContext } from './reports.ts';
import { ProbeSchedule } from './schedule.ts';
import type { Proof, ProofTiming } from './straight-proof.ts';
import { isBlocked, judge, newProof, nextLookMs, spacingMs } from './straight-proof.ts';
import type { StraightTarget } from './straight-target.ts';
import { isSameStraightTarget, straightTargets } from './straight-target.ts';
import { describeBlocked, makeStraightMetric, StraightReports } from './straight-reports.ts';

/** Lost in a second and a half, a second after the last answer at most. */
const defaultTiming: ProofTiming = { keepMs: 1_000, hastyMs: 250, holdMs: 5_000 };
/** Neighbours on one subnet answer in a fraction of this. */
const timeoutMs = 500;
const echoBytes = 100;
const pace = { spacingMs, mostAtOnce: 32 };
const mostTold = 3;

type StraightContext = ReportContext &
  Pick<AgentContext, 'metrics'> & { readonly config: Pick<AgentContext['config'], 'nodeIPs'> };

/**
 * Finds out whether packets with pods' addresses pass straight between nodes on one subnet, which networks that let only
 * known addresses pass (clouds' source checks, port security) drop without a word. Each way is asked by an echo between
 * the nodes' own addresses in their pod ranges, handed to the neighbour past the routes while these lead through the
 * vxlan; and goes on being asked while it is taken. Each end judges the ways that it sends by.
 */
export class StraightWatch implements Subsystem {
  readonly name = 'straight';
  readonly #context: StraightContext;
  readonly #timing: ProofTiming;
  readonly #reports: StraightReports;
  readonly #schedule = new ProbeSchedule(isSameStraightTarget);
  /** By {@link straightKey}. */
  readonly #proofs = new Map<string, Proof>();
  readonly #proven = new Set<string>();
  /** Taken by an agent before, and not looked at yet. */
  readonly #adopted = new Set<string>();
  readonly #listeners = new Set<(node: string) => void>();
  readonly #loop: ProbeLoop<StraightTarget, Seen>;

  constructor(context: StraightContext, timing = defaultTiming) {
    this.#timing = timing;
    this.#context = { ...context, log: context.log.child({ subsystem: this.name }) };
    this.#reports = new StraightReports(this.#context);
    makeStraightMetric(context.metrics, () => this.#proofs.values());
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

  /** Ready always: who cannot be reached straight is reached by vxlan. */
  health(): Health {
    const { nodes } = this.#context.caches;
    const blocked = this.#schedule.targets.filter(({ node, way }) => {
      const proof = this.#proofs.get(straightKey(way));
      return proof && isBlocked(proof) && isNodeReady(nodes.get(node));
    });
    if (blocked.length === 0) return { ready: true };
    return {
      ready: true,
      reason: abridge(blocked.map(describeBlocked), mostTold, 'more like these').join('; '),
    };
  }

  /** The straight ways by which packets were found to pass. */
  get proven(): NetworkView['proven'] {
    return this.#proven;
  }

  /** Takes ways that packets take already for proven, until the contrary shows. */
  adopt(ways: Iterable<string>): void {
    for (const way of ways) {
      this.#adopted.add(way);
      this.#proven.add(way);
    }
  }

  /** Tells of each node of whose ways {@link proven} says otherwise now, until the returned function is called. */
  subscribe(listener: (node: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The network was just made as planned, or some of the plan's peers have changed. */
  follow(plan: NodePlan): void {
    this.#loop.follow(plan);
  }

  #read(plan: NodePlan, nowMs: number): void {
    const targets = straightTargets(plan);
    const before = this.#schedule.targets;
    this.#schedule.replace(targets, nowMs);
    const keys = new Set(targets.map(({ way }) => straightKey(way)));
    for (const target of before) if (!keys.has(straightKey(target.way))) this.#reports.forget(target);
    for (const key of this.#proofs.keys()) if (!keys.has(key)) this.#proofs.delete(key);
    for (const key of this.#proven) if (!keys.has(key)) this.#proven.delete(key);
    for (const key of keys) {
      if (!this.#proofs.has(key)) this.#proofs.set(key, newProof(this.#adopted.has(key), nowMs));
    }
    this.#adopted.clear();
  }

  #look({ way }: StraightTarget, prober: PathProber): Promise<Seen> {
    const isProven = this.#proven.has(straightKey(way));
    return isProven ? askByRoute(way, prober) : this.#askNeighbor(way, prober);
  }

  #fail(target: StraightTarget, error: unknown): void {
    this.#context.log.warn({ err: error, node: target.node }, 'cannot probe the straight way to a peer');
    this.#note(target, { answered: false, isAlive: false });
  }

  /** First at its own address and by vxlan: then the kernel knows the neighbour, and we whether it is there at all. */
  async #askNeighbor({ source, destination, link, gateway }: StraightWay, prober: PathProber): Promise<Seen> {
    const family = familyOf(gateway);
    const own = this.#context.config.nodeIPs.find((address) => familyOf(address) === family) ?? gateway;
    const ask = async (way: ProbeWay): Promise<boolean> =>
      (await prober.echo(way, echoBytes, timeoutMs)) !== undefined;
    const ends = { source, destination };
    const [, isAlive] = await Promise.all([
      ask({ ends: { source: own, destination: gateway } }),
      ask({ ends }),
    ]);
    return { isAlive, answered: await ask({ ends, neighbor: { link, address: gateway } }) };
  }

  #note(target: StraightTarget, seen: Seen): void {
    const key = straightKey(target.way);
    const before = this.#proofs.get(key);
    const nowMs = performance.now();
    if (!before) return;
    const after = judge(before, seen, nowMs);
    const delayMs = nextLookMs(after, this.#timing, this.#proofs.size);
    if (!this.#schedule.settle(target, nowMs + delayMs)) return;
    this.#proofs.set(key, after);
    this.#reports.note(target, before, after);
    if (after.proven === before.proven) return;
    if (after.proven) this.#proven.add(key);
    else this.#proven.delete(key);
    for (const listener of this.#listeners) listener(target.node);
  }
}

type Seen = Parameters<typeof judge>[1];

async function askByRoute({ source, destination }: StraightWay, prober: PathProber): Promise<Seen> {
  const answered = (await prober.echo({ ends: { source, destination } }, echoBytes, timeoutMs)) !== undefined;
  return { answered, isAlive: answered };
}
