/** Allows something once in a while for each key. Times are milliseconds of one monotonic clock. */
export class RateLimit {
  readonly #intervalMs: number;
  readonly #last = new Map<string, number>();

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  allows(key: string, now: number): boolean {
    if (now < (this.#last.get(key) ?? -Infinity) + this.#intervalMs) return false;
    this.#last.set(key, now);
    return true;
  }
}
