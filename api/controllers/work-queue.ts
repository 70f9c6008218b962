import type { Logger } from 'pino';

export interface WorkQueueOptions {
  readonly log: Logger;
  /** Makes what `key` names as it should be. Throwing brings the key back after a delay. */
  readonly process: (key: string) => Promise<void>;
  /** How many different keys may be in work at once. Default 1. */
  readonly workers?: number;
  /** First delay after a failure; doubles per failure of that key up to `maxRetryMs`. Defaults 50 and 30,000. */
  readonly retryMs?: number;
  readonly maxRetryMs?: number;
}

/**
 * Keys waiting to be worked on. A key added many times is worked on once; one that is in work when it is added
 * is worked on again afterwards, never twice at the same time. The shape is client-go's workqueue.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #waiting = new Set<string>();
  readonly #working = new Map<string, Promise<void>>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #started = false;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  start(): void {
    this.#started = true;
    this.#fill();
  }

  /** Starts nothing more and waits for what is in work. */
  async stop(): Promise<void> {
    this.#started = false;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    await Promise.all(this.#working.values());
  }

  add(key: string): void {
    this.#waiting.add(key);
    this.#fill();
  }

  /** Adds the key after a delay; a later call for the same key replaces an earlier one. */
  addAfter(key: string, ms: number): void {
    clearTimeout(this.#timers.get(key));
    const timer = setTimeout(() => {
      this.#timers.delete(key);
      this.add(key);
    }, ms);
    this.#timers.set(key, timer);
  }

  #fill(): void {
    const workers = this.#options.workers ?? 1;
    for (const key of this.#waiting) {
      if (!this.#started || this.#working.size >= workers) return;
      if (this.#working.has(key)) continue;
      this.#waiting.delete(key);
      this.#working.set(key, this.#work(key));
    }
  }

  async #work(key: string): Promise<void> {
    // Give the caller of add() its turn first: a burst of events then costs one pass.
    await Promise.resolve();
    try {
      await this.#options.process(key);
      this.#failures.delete(key);
    } catch (error) {
      this.#retry(key, error);
    }
    this.#working.delete(key);
    this.#fill();
  }

  #retry(key: string, error: unknown): void {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    const { retryMs = 50, maxRetryMs = 30_000, log } = this.#options;
    const delayMs = Math.min(retryMs * 2 ** (failures - 1), maxRetryMs);
    // The first failures are mostly conflicts with somebody who was faster: not worth a line.
    log[failures > 3 ? 'warn' : 'debug']({ key, err: error, delayMs }, 'will try again');
    if (this.#started) this.addAfter(key, delayMs);
  }
}
