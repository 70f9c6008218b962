/**
 * Spreads work over turns of the event loop: so many pieces in each, the others wait for the next ones, in order. A
 * burst of questions for other servers, each with a socket of its own, would hold up all answers for a tenth of a second.
 */
export class Pacer {
  readonly #perTurn: number;
  readonly #waiting: (() => void)[] = [];
  #left: number;
  #next: NodeJS.Immediate | undefined;

  constructor(perTurn: number) {
    this.#perTurn = perTurn;
    this.#left = perTurn;
  }

  /** Resolves when it is one's turn: at once, unless many come together. */
  take(): Promise<void> {
    this.#next ??= setImmediate(() => this.#begin());
    if (this.#left > 0) {
      this.#left -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve) => void this.#waiting.push(resolve));
  }

  #begin(): void {
    this.#next = undefined;
    const served = this.#waiting.splice(0, this.#perTurn);
    this.#left = this.#perTurn - served.length;
    for (const resolve of served) resolve();
    if (served.length > 0) this.#next = setImmediate(() => this.#begin());
  }
}
