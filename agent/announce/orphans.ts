import { quietMs } from './timing.ts';

/** Asked so often whether another has the address before it is answered for again (RFC 5227 section 2.1.1: three). */
const probes = 3;
const probeMs = 300;
/** And so often afterwards, as long as the API is away. */
const watchMs = 1_000;

interface Orphan {
  unanswered: number;
  nextProbe: number;
}

/**
 * What becomes of a node's addresses when it cannot reach the API for longer than its Lease lasts. It stops; if it
 * alone is cut off another takes over, and says so on the link. If nobody does, and nobody answers when asked, the API
 * is away for everybody and nobody may take over: then the node answers again, until somebody claims the address or
 * the API is back. Times are milliseconds of one monotonic clock.
 */
export class Orphans {
  readonly #orphans = new Map<string, Orphan>();

  /** Takes addresses in that have just lapsed. */
  adopt(addresses: Iterable<string>, now: number): void {
    for (const address of addresses) this.#orphans.set(address, { unanswered: 0, nextProbe: now + quietMs });
  }

  /** Another claims the address, or the API has decided. */
  forget(address: string): void {
    this.#orphans.delete(address);
  }

  isAnswered(address: string): boolean {
    return (this.#orphans.get(address)?.unanswered ?? 0) > probes;
  }

  addresses(): string[] {
    return [...this.#orphans.keys()];
  }

  /** The addresses to ask for on the link now. What is not forgotten before the next time counts as unanswered. */
  due(now: number): string[] {
    const due: string[] = [];
    for (const [address, orphan] of this.#orphans) {
      if (now < orphan.nextProbe) continue;
      orphan.unanswered += 1;
      orphan.nextProbe = now + (orphan.unanswered > probes ? watchMs : probeMs);
      due.push(address);
    }
    return due;
  }
}
