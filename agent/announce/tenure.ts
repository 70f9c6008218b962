import { leaseSeconds } from './timing.ts';

/**
 * Until when this node may announce what it holds. Every heartbeat that the API took extends it, counted from the
 * moment it was sent: by whatever clock another node waits, it began later. A node that comes too late has lapsed:
 * what it held belongs to an earlier session and has to be taken anew, for others may have it by now.
 *
 * Times are milliseconds of one monotonic clock.
 */
export class Tenure {
  #session = 0;
  #validUntil = -Infinity;

  /** Changes with every lapse. */
  get session(): number {
    return this.#session;
  }

  isValid(now: number): boolean {
    return now < this.#validUntil;
  }

  /** The API has taken the heartbeat sent at `sentAt`. */
  extend(sentAt: number, now: number): void {
    if (!this.isValid(now)) this.#session += 1;
    this.#validUntil = Math.max(this.#validUntil, sentAt + leaseSeconds * 1000);
  }

  /** Everything ends now. */
  end(): void {
    this.#session += 1;
    this.#validUntil = -Infinity;
  }
}
