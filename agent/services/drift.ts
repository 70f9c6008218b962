import type { RuleWatch, Touch } from '../../iptables/rule-watch.ts';
import type { Clock } from '../runner.ts';
import { systemClock } from '../runner.ts';

/**
 * Everything is compared with the kernel so often, whether or not anything seems to have happened: seldom where the
 * kernel tells of every change and of every word of it that was lost, as reading 10,000 Services back takes 0.6 s of a
 * processor.
 */
const fullCompareMs = { toldOfAll: 300_000, toldOfSome: 30_000 } as const;
/** Where others change rules all the time, comparing may take at most this share of a processor. */
const compareShare = 0.1;
/** The same where it is known to be our rules that they change. */
const repairShare = 0.5;

/**
 * Decides when the rules are compared with the kernel: when others touched them, as soon as that costs no more than its
 * share, and now and then. A touch is forgotten only when a comparison that began after it has succeeded.
 */
export class Drift implements Disposable {
  readonly #onDue: () => void;
  readonly #clock: Clock;
  #watch: RuleWatch | undefined;
  #touch: { certain: boolean; readonly by: Set<string> } | undefined;
  #lastCompare = { endMs: -Infinity, tookMs: 0 };
  #timer: unknown;
  #isRetryWanted = false;
  /** It was told that it is time: timers can be a fraction of a millisecond early. */
  #isTold = false;

  /** @param onDue told when it is time to look what others did */
  constructor(onDue: () => void, clock: Clock = systemClock) {
    this.#onDue = onDue;
    this.#clock = clock;
  }

  /** Begins to listen; `watch` is closed with this object. */
  start(watch: RuleWatch): void {
    this.#watch = watch;
  }

  noteTouch({ certain, by }: Touch): void {
    this.#touch ??= { certain, by: new Set() };
    this.#touch.certain ||= certain;
    if (by !== undefined) this.#touch.by.add(by);
    this.#arm();
  }

  /** A program that we started: what it does is no outside change. */
  noteProgram(program: string, pid: number): void {
    this.#watch?.noteProgram(program, pid);
  }

  /** Whether something was refused that only a comparison tries again: then it is not left for long. */
  noteRefusals(some: boolean): void {
    if (some === this.#isRetryWanted) return;
    this.#isRetryWanted = some;
    this.#arm();
  }

  /** Whether it is time for a comparison. */
  get isDue(): boolean {
    return this.#isTold || this.#clock.now() >= this.#regularlyDueAt();
  }

  /** Runs `act`, whose changes are ours. */
  async own<T>(act: () => Promise<T>): Promise<T> {
    this.#watch?.beginOwn({ mayBeLong: true });
    return this.#endOwn(act);
  }

  async #endOwn<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } finally {
      this.#watch?.endOwn();
    }
  }

  /**
   * Runs `act`, which compares everything and repairs it.
   * @returns its result, and who changed something before
   */
  async compare<T>(act: () => Promise<T>): Promise<{ readonly result: T; readonly by: readonly string[] }> {
    const touch = this.#touch;
    const startMs = this.#clock.now();
    this.#touch = undefined;
    this.#isTold = false;
    this.#disarm();
    try {
      this.#watch?.beginOwn({ mayBeLong: false });
      const result = await this.#endOwn(act);
      return { result, by: [...(touch?.by ?? [])] };
    } catch (error) {
      for (const by of touch?.by ?? []) this.noteTouch({ certain: touch?.certain ?? false, by });
      if (touch) this.noteTouch({ certain: touch.certain });
      throw error;
    } finally {
      const endMs = this.#clock.now();
      this.#lastCompare = { endMs, tookMs: endMs - startMs };
      // What was noted meanwhile waits its time, counted from now.
      this.#isTold = false;
      this.#arm();
    }
  }

  [Symbol.dispose](): void {
    this.#disarm();
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
  }

  #regularlyDueAt(): number {
    const { toldOfAll, toldOfSome } = fullCompareMs;
    const isSeldom = this.#watch?.tellsAll === true && !this.#isRetryWanted;
    return this.#lastCompare.endMs + (isSeldom ? toldOfAll : toldOfSome);
  }

  #touchDueAt(): number {
    const { endMs, tookMs } = this.#lastCompare;
    const share = this.#touch?.certain === true ? repairShare : compareShare;
    return endMs + tookMs / share - tookMs;
  }

  #arm(): void {
    this.#disarm();
    const delayMs = (this.#touch ? this.#touchDueAt() : this.#regularlyDueAt()) - this.#clock.now();
    const tell = (): void => {
      this.#isTold = true;
      this.#onDue();
    };
    if (delayMs <= 0) {
      tell();
      return;
    }
    const timer = this.#clock.setTimeout(tell, delayMs);
    timer.unref();
    this.#timer = timer;
  }

  #disarm(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
