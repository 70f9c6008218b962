import { PathProber } from '../../netns/path-prober.ts';
import type { NodePlan } from '../network/view.ts';
import type { Clock } from '../runner.ts';
import { systemClock } from '../runner.ts';
import type { ProbeSchedule } from './schedule.ts';

/** Peers come and go in crowds: so often are all of them looked through at most. */
const rereadMs = 1_000;

/** How fast a {@link ProbeLoop} goes. */
export interface ProbePace {
  /** Two looks begin so far apart at least. */
  readonly spacingMs: number;
  readonly mostAtOnce: number;
}

/** Who knows what there is to look at, and what to make of it. */
export interface ProbeJudge<Target, Seen> {
  /** Puts what a plan leads to into the schedule. */
  read(plan: NodePlan, nowMs: number): void;
  look(target: Target, prober: PathProber): Promise<Seen>;
  /** Settles the target in the schedule. */
  note(target: Target, seen: Seen): void;
  /** Looking or noting has thrown: settles the target all the same. */
  fail(target: Target, error: unknown): void;
}

/** Looks at one target of a schedule after the other, each when it is due, and follows the network's plans. */
export class ProbeLoop<Target extends { readonly range: string }, Seen> {
  readonly #schedule: ProbeSchedule<Target>;
  readonly #pace: ProbePace;
  readonly #judge: ProbeJudge<Target, Seen>;
  readonly #clock: Clock;
  #prober: PathProber | undefined;
  #timer: unknown;
  #atOnce = 0;
  /** The plan that no target was taken from yet. */
  #unread: NodePlan | undefined;
  #readMs = -Infinity;

  constructor(
    schedule: ProbeSchedule<Target>,
    pace: ProbePace,
    judge: ProbeJudge<Target, Seen>,
    clock: Clock = systemClock,
  ) {
    this.#schedule = schedule;
    this.#pace = pace;
    this.#judge = judge;
    this.#clock = clock;
  }

  /** Begins to look, from the network namespace that the thread is in. */
  start(): void {
    this.#prober = new PathProber();
    this.#arm();
  }

  /** Whoever is being looked at is not judged any more. */
  stop(): void {
    this.#clock.clearTimeout(this.#timer);
    this.#prober?.close();
    this.#prober = undefined;
  }

  /** The network was just made as planned, or some of the plan's peers have changed. */
  follow(plan: NodePlan): void {
    this.#unread = plan;
    this.#arm();
  }

  #arm(): void {
    this.#clock.clearTimeout(this.#timer);
    if (!this.#prober) return;
    const readMs = this.#unread ? this.#readMs + rereadMs : Infinity;
    const waitMs = Math.min(readMs, this.#schedule.nextMs) - this.#clock.now();
    if (waitMs === Infinity) return;
    const timer = this.#clock.setTimeout(() => this.#turn(), Math.max(this.#pace.spacingMs, waitMs));
    timer.unref();
    this.#timer = timer;
  }

  #turn(): void {
    const nowMs = this.#clock.now();
    if (this.#unread && nowMs >= this.#readMs + rereadMs) this.#read(this.#unread, nowMs);
    const target = this.#atOnce < this.#pace.mostAtOnce ? this.#schedule.take(nowMs) : undefined;
    if (target && this.#prober) void this.#look(target, this.#prober);
    this.#arm();
  }

  #read(plan: NodePlan, nowMs: number): void {
    this.#unread = undefined;
    this.#readMs = nowMs;
    this.#judge.read(plan, nowMs);
  }

  async #look(target: Target, prober: PathProber): Promise<void> {
    this.#atOnce += 1;
    try {
      const seen = await this.#judge.look(target, prober);
      if (prober === this.#prober) this.#judge.note(target, seen);
    } catch (error) {
      this.#judge.fail(target, error);
    } finally {
      this.#atOnce -= 1;
      this.#arm();
    }
  }
}
