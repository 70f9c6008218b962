/** Lines a second of one worker: the log is written at once, which takes time from everything else. */
const MOST_LINES = 100;
const SECOND = 1;

/** How many lines of a log clients can bring about. */
export class LineLimit {
  readonly #now: () => number;
  #lines = 0;
  #startedAt = -Infinity;
  #dropped = 0;

  /** `now` tells seconds of any steady clock. */
  constructor(now: () => number = () => performance.now() / 1000) {
    this.#now = now;
  }

  /** Whether there is room for one more line. */
  take(): boolean {
    const now = this.#now();
    if (now - this.#startedAt >= SECOND) {
      this.#startedAt = now;
      this.#lines = 0;
    }
    this.#lines += 1;
    if (this.#lines <= MOST_LINES) return true;
    this.#dropped += 1;
    return false;
  }

  /** For the next line: how many there was no room for since the last one. */
  leftOut(): { readonly notLogged?: number } {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped > 0 ? { notLogged: dropped } : {};
  }
}
