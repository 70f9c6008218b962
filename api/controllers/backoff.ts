/** Upstream's limits for replacing a DaemonSet's failed pods. */
const firstMs = 1_000;
const longestMs = 15 * 60_000;

/** How long to wait before doing the same again: twice as long each time. What rested for long starts anew. */
export class Backoff {
  readonly #known = new Map<string, { readonly untilMs: number; readonly delayMs: number }>();

  /** 0 if it may be done now, and then counts as done; else how long to wait. Times in ms of one clock. */
  tryAt(key: string, nowMs: number): number {
    const known = this.#known.get(key);
    if (known && nowMs < known.untilMs) return known.untilMs - nowMs;
    const isFresh = !known || nowMs - known.untilMs > 2 * longestMs;
    const delayMs = isFresh ? firstMs : Math.min(known.delayMs * 2, longestMs);
    this.#known.set(key, { untilMs: nowMs + delayMs, delayMs });
    return 0;
  }

  /** Forgets what nobody asked for in a long time. */
  prune(nowMs: number): void {
    for (const [key, { untilMs }] of this.#known) {
      if (nowMs - untilMs > 2 * longestMs) this.#known.delete(key);
    }
  }
}
