/** What a {@link Runner} needs of time; tests hand in their own. */
export interface Clock {
  now(): number;
  setTimeout(callback: () => void, ms: number): { unref(): unknown };
  clearTimeout(timer: unknown): void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  // A timer takes a millisecond at least: a change that meets an idle loop does not wait for it.
  setTimeout: (callback, ms) => (ms > 0 ? setTimeout(callback, ms) : setImmediate(callback)),
  clearTimeout: (timer) => {
    clearTimeout(timer as NodeJS.Timeout);
    clearImmediate(timer as NodeJS.Immediate);
  },
};

export interface RunnerOptions {
  /** One pass of the loop. Throwing schedules a retry with back-off. */
  readonly run: () => Promise<void>;
  /** Two passes start at least this far apart, so that a burst of events costs one pass. */
  readonly minIntervalMs: number;
  /** A pass starts at least this often, asked for or not: the safety net for missed events. */
  readonly maxIntervalMs: number;
  /** Delay before the first retry after an error; it doubles up to `maxIntervalMs`. Default 200. */
  readonly retryMs?: number;
  /** Told of each failed pass and of when the next one starts. */
  readonly onError: (error: unknown, nextMs: number) => void;
  readonly clock?: Clock;
}

/**
 * A bounded-frequency runner: events call {@link request}, passes never overlap, and no pass is ever lost.
 * The shape is Kubernetes' async.BoundedFrequencyRunner.
 */
export class Runner {
  readonly #options: RunnerOptions;
  readonly #clock: Clock;
  #timer: { unref(): unknown } | undefined;
  #dueAt = Infinity;
  #lastStart = -Infinity;
  #failures = 0;
  #running: Promise<void> | undefined;
  #requested = false;
  /** Whether somebody knew during the pass that the next one will fare better. */
  #woken = false;
  #stopped = true;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Starts the loop with a pass as soon as possible. */
  start(): void {
    this.#stopped = false;
    this.#schedule(0);
  }

  /** Asks for a pass as soon as `minIntervalMs` allows. */
  request(): void {
    this.#requested = true;
    if (this.#stopped || this.#running || this.#failures > 0) return;
    this.#schedule(Math.max(0, this.#lastStart + this.#options.minIntervalMs - this.#clock.now()));
  }

  /** Asks for a pass although the last ones failed: what they failed for may be gone. */
  wake(): void {
    this.#failures = 0;
    this.#woken = true;
    this.request();
  }

  /** Waits for a pass under way and starts none after it. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#running;
  }

  #schedule(delayMs: number): void {
    const dueAt = this.#clock.now() + delayMs;
    if (dueAt >= this.#dueAt) return;
    this.#cancel();
    this.#dueAt = dueAt;
    this.#timer = this.#clock.setTimeout(() => void this.#pass(), delayMs);
  }

  #cancel(): void {
    if (this.#timer) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#dueAt = Infinity;
  }

  async #pass(): Promise<void> {
    this.#cancel();
    this.#requested = false;
    this.#woken = false;
    this.#lastStart = this.#clock.now();
    this.#running = this.#attempt();
    await this.#running;
    this.#running = undefined;
    if (this.#stopped) return;
    this.#schedule(this.#delayMs());
  }

  /** How long to wait for the next pass after one has ended. */
  #delayMs(): number {
    if (this.#failures > 0 && !this.#woken) return this.#retryMs();
    const sinceStart = this.#clock.now() - this.#lastStart;
    const interval = this.#requested ? this.#options.minIntervalMs : this.#options.maxIntervalMs;
    return Math.max(0, interval - sinceStart);
  }

  async #attempt(): Promise<void> {
    try {
      await this.#options.run();
      this.#failures = 0;
    } catch (error) {
      this.#failures += 1;
      this.#options.onError(error, this.#retryMs());
    }
  }

  #retryMs(): number {
    const first = this.#options.retryMs ?? 200;
    return Math.min(first * 2 ** (this.#failures - 1), this.#options.maxIntervalMs);
  }
}
