import { randomInt } from 'node:crypto';

export interface ClientRatesOptions {
  /** Queries a second that no client may exceed, on this socket. Default: none, as long as there is time for all. */
  readonly maxPerSecond?: number;
  /** Milliseconds of any steady clock. */
  readonly now?: () => number;
}

/** Who asks no more than so many queries a second is never refused, however little time there is. */
const LEAST_PER_SECOND = 1000;
/** What a client may ask at once, in time of its rate: resolvers ask in bursts. */
const BURST_MS = 100;
/** Datagrams have waited so long: more come than are answered. */
const BEHIND_MS = 20;
/** How often the rate is halved while that is so; it takes as long until the last change is felt. */
const CUT_EVERY_MS = 10;
/** While nothing waits, the rate doubles in this time. */
const DOUBLES_IN_MS = 2000;
/** What waited while nobody answered is answered within so long, or more comes than can be. */
const CATCH_UP_MS = 5000;
/** Nobody can ask so fast: from here on nothing is counted. */
const UNLIMITED_PER_SECOND = 1e6;

/** Cells of each of the two rows: a power of two. */
const CELLS = 4096;

/**
 * How fast each client may ask, by its address. While there is time for all, as fast as it likes. When queries wait, the
 * rate that is granted to each is halved until they do not: those who ask most are cut first and to the same rate, and
 * whoever asks less than that notices nothing.
 *
 * A client is one cell in each of two rows of clocks (count-min): a fixed amount of memory, whatever addresses are made
 * up. It is refused only when both its cells are ahead of time (the generic cell rate algorithm of ITU-T I.371), so that
 * an innocent one would have to share both cells with those who flood, by a hash that nobody outside can know.
 */
export class ClientRates {
  readonly #max: number;
  readonly #now: () => number;
  readonly #seed = randomInt(2 ** 32);
  /** For each cell the time up to which its client has used its rate. */
  readonly #cells = new Float64Array(2 * CELLS);
  #perSecond: number;
  #asked = 0;
  #waitsSince: number | undefined;
  #changedAt: number;
  /** Until then, and as long as anything waits, that is nobody's fault. */
  #catchingUpUntil = 0;

  constructor({ maxPerSecond = Infinity, now = () => performance.now() }: ClientRatesOptions = {}) {
    this.#max = maxPerSecond;
    this.#perSecond = maxPerSecond;
    this.#now = now;
    this.#changedAt = now();
  }

  /** Queries a second that each client is granted now; Infinity while nobody is counted. */
  get perSecond(): number {
    return this.#perSecond;
  }

  /** Counts a query; false where its client has had its share. */
  admits(client: Uint8Array): boolean {
    this.#asked += 1;
    if (this.#perSecond === Infinity) return true;
    const cells = this.#cells;
    const hash = this.#hash(client);
    const one = hash & (CELLS - 1);
    const other = CELLS + ((hash >>> 16) & (CELLS - 1));
    const now = this.#now();
    const used = Math.max(Math.min(cells[one] ?? 0, cells[other] ?? 0), now);
    if (used - now > BURST_MS) return false;
    const next = used + 1000 / this.#perSecond;
    cells[one] = Math.max(cells[one] ?? 0, next);
    cells[other] = Math.max(cells[other] ?? 0, next);
    return true;
  }

  /** What waits now has come while nobody answered: that is no flood. */
  catchUp(): void {
    this.#catchingUpUntil = this.#now() + CATCH_UP_MS;
  }

  /** To be told after each batch of queries: whether more of them wait already. */
  noteWaiting(waits: boolean): void {
    const now = this.#now();
    if (!waits) {
      this.#catchingUpUntil = 0;
      this.#waitsSince = undefined;
      this.#raise(now);
      return;
    }
    if (now < this.#catchingUpUntil) return;
    this.#waitsSince ??= now;
    if (now - this.#waitsSince >= BEHIND_MS && now - this.#changedAt >= CUT_EVERY_MS) this.#cut(now);
  }

  #cut(now: number): void {
    const asked = (this.#asked / (now - this.#changedAt)) * 1000;
    const rate = Math.min(this.#perSecond, asked) / 2;
    this.#perSecond = Math.min(Math.max(rate, LEAST_PER_SECOND), this.#max);
    this.#changedAt = now;
    this.#asked = 0;
  }

  #raise(now: number): void {
    const passed = now - this.#changedAt;
    if (passed < CUT_EVERY_MS) return;
    this.#changedAt = now;
    this.#asked = 0;
    if (this.#perSecond >= this.#max) return;
    const rate = this.#perSecond * 2 ** (passed / DOUBLES_IN_MS);
    this.#perSecond = rate > UNLIMITED_PER_SECOND ? this.#max : Math.min(rate, this.#max);
  }

  /** FNV-1a with a last mix (MurmurHash3's), so that both halves depend on every byte. */
  #hash(client: Uint8Array): number {
    let hash = this.#seed;
    for (const byte of client) hash = Math.imul(hash ^ byte, 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return hash ^ (hash >>> 16);
  }
}
