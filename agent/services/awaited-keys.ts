/** Those who wait until the kernel has what is wanted under a key. */
export class AwaitedKeys {
  readonly #waiting = new Set<{
    readonly key: string;
    readonly resolve: (_: undefined) => void;
    readonly reject: (error: unknown) => void;
  }>();

  /** Rejects with the signal's reason when it ends the waiting. */
  wait(key: string, signal: AbortSignal): Promise<undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const waiter = { key, resolve, reject };
    this.#waiting.add(waiter);
    signal.addEventListener('abort', () => {
      if (this.#waiting.delete(waiter)) reject(signal.reason);
    });
    return promise;
  }

  /**
   * Answers those whose key is settled.
   * @param outcomeOf `waiting`, `done`, or why the kernel refused it
   */
  settle(outcomeOf: (key: string) => 'waiting' | 'done' | Error): void {
    for (const waiter of this.#waiting) {
      const outcome = outcomeOf(waiter.key);
      if (outcome === 'waiting') continue;
      this.#waiting.delete(waiter);
      if (outcome === 'done') waiter.resolve(undefined);
      else waiter.reject(outcome);
    }
  }
}
