/** What a name may be answered with: an address, or that there is no such name. */
export type NameState = string;
export const noName = 'NXDOMAIN';

/**
 * What each name has been, in order, and what each client has seen of it. An answer is right when the name was that at a
 * moment between question and answer, as far as anybody outside of the server can tell: no later than what has been
 * asked of the API, and no earlier than what the same client was answered before.
 */
export class ZoneHistory {
  readonly #states: NameState[][];
  /** For each client and name the first state that it may still be answered. */
  readonly #seen: Uint32Array;

  constructor(names: number, clients: number) {
    this.#states = Array.from({ length: names }, () => [noName]);
    this.#seen = new Uint32Array(names * clients);
  }

  /** A name is about to become something else. */
  change(name: number, state: NameState): void {
    this.#states[name]?.push(state);
  }

  /** What a name is to be in the end. */
  last(name: number): NameState {
    return this.#states[name]?.at(-1) ?? noName;
  }

  /** Whether a client may be answered this; notes that it was. */
  accepts(client: number, name: number, state: NameState): boolean {
    const place = client * this.#states.length + name;
    const found = this.#states[name]?.indexOf(state, this.#seen[place]) ?? -1;
    if (found >= 0) this.#seen[place] = found;
    return found >= 0;
  }
}
