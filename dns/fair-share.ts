/**
 * A number of places that clients share. Each may hold as many as are still free: one alone gets half of them, two a
 * third each, and whoever comes next always finds some (the dynamic thresholds of switches' buffers, Choudhury and
 * Hahne 1998). So nobody has to say what is too much for one client, and no client can take all.
 */
export class FairShare {
  readonly #capacity: number;
  readonly #held = new Map<string, number>();
  #taken = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** How many places are taken, by all clients. */
  get taken(): number {
    return this.#taken;
  }

  /** Takes a place, to be given back with {@link leave}; false where the client has its share, or all are taken. */
  enter(client: string): boolean {
    const held = this.#held.get(client) ?? 0;
    if (held >= this.#capacity - this.#taken) return false;
    this.#held.set(client, held + 1);
    this.#taken += 1;
    return true;
  }

  leave(client: string): void {
    const held = this.#held.get(client) ?? 0;
    if (held === 0) return;
    this.#taken -= 1;
    if (held === 1) this.#held.delete(client);
    else this.#held.set(client, held - 1);
  }
}

/** Whom a share belongs to: one address is one client, in both families, for a pod has one of each. */
export function clientKey(address: Uint8Array): string {
  return String.fromCharCode(...address);
}
