import type { Clock } from '../../agent/runner.ts';

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
  unref(): void;
}

/** Time that passes only when a test says so. */
export class FakeClock implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#nowMs;
  }

  setTimeout(callback: () => void, ms: number): Timer {
    const timer = { atMs: this.#nowMs + ms, callback, unref: () => undefined };
    this.#timers.add(timer);
    return timer;
  }

  clearTimeout(timer: unknown): void {
    this.#timers.delete(timer as Timer);
  }

  /** Lets time pass, with each timer in its turn. */
  pass(ms: number): void {
    const untilMs = this.#nowMs + ms;
    while (this.#fire(untilMs));
    this.#nowMs = untilMs;
  }

  /** The same; what is under way, and what each timer sets off, goes as far as it can before the next timer. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    do await new Promise(setImmediate);
    while (this.#fire(untilMs));
    this.#nowMs = untilMs;
  }

  /** @returns whether a timer was due */
  #fire(untilMs: number): boolean {
    const [first] = [...this.#timers].sort((a, b) => a.atMs - b.atMs);
    if (!first || first.atMs > untilMs) return false;
    this.#timers.delete(first);
    this.#nowMs = Math.max(this.#nowMs, first.atMs);
    first.callback();
    return true;
  }
}
