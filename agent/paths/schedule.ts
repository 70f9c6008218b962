interface Entry<T> {
  readonly target: T;
  /** Infinity while it is being looked at. */
  dueMs: number;
}

/** When which peer's range is looked at next. Times are milliseconds of one clock. */
export class ProbeSchedule<T extends { readonly range: string }> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #isSame: (a: T, b: T) => boolean;

  /** @param isSame whether what was found out about the one holds for the other */
  constructor(isSame: (a: T, b: T) => boolean) {
    this.#isSame = isSame;
  }

  get targets(): readonly T[] {
    return [...this.#entries.values()].map(({ target }) => target);
  }

  /**
   * From now on these: one that is new or reached by another way is due at once.
   * @returns the ranges of those that are gone or changed
   */
  replace(targets: readonly T[], nowMs: number): string[] {
    const wanted = new Map(targets.map((target) => [target.range, target]));
    const outdated: string[] = [];
    for (const [range, { target }] of this.#entries) {
      const want = wanted.get(range);
      if (want && this.#isSame(want, target)) continue;
      outdated.push(range);
      this.#entries.delete(range);
    }
    for (const [range, target] of wanted) {
      if (!this.#entries.has(range)) this.#entries.set(range, { target, dueMs: nowMs });
    }
    return outdated;
  }

  /** The one that has waited longest, if any is due. It is not due again before {@link settle}. */
  take(nowMs: number): T | undefined {
    const first = this.#first();
    if (!first || first.dueMs > nowMs) return undefined;
    first.dueMs = Infinity;
    return first.target;
  }

  /** Has been looked at, and shall be again at that time. @returns whether it is still wanted as it was */
  settle(target: T, dueMs: number): boolean {
    const entry = this.#entries.get(target.range);
    if (entry?.target !== target) return false;
    entry.dueMs = dueMs;
    return true;
  }

  /** All that are not being looked at are due now. */
  hurry(nowMs: number): void {
    for (const entry of this.#entries.values()) if (entry.dueMs !== Infinity) entry.dueMs = nowMs;
  }

  /** When the next one is due; Infinity: none. */
  get nextMs(): number {
    return this.#first()?.dueMs ?? Infinity;
  }

  #first(): Entry<T> | undefined {
    let first: Entry<T> | undefined;
    for (const entry of this.#entries.values()) if (!first || entry.dueMs < first.dueMs) first = entry;
    return first;
  }
}
