import type { AnnouncerLease } from './leases.ts';
import { leaseSeconds, marginMs } from './timing.ts';

interface Sighting {
  readonly version: string | undefined;
  readonly released: boolean;
  readonly durationMs: number;
  /** When the heartbeat was first seen as it is. */
  since: number;
}

/**
 * Which announcers live, by when their heartbeats last changed on this node's own clock: what others' clocks say is
 * never read. A missing Lease is a heartbeat that does not change.
 */
export class Liveness {
  readonly #sightings = new Map<string, Sighting>();

  /** Takes note of a node's heartbeat as the API has it now. */
  note(node: string, lease: AnnouncerLease | undefined, now: number): void {
    const before = this.#sightings.get(node);
    if (before && before.version === lease?.version) return;
    // An answer may be overtaken by news.
    if (before?.version !== undefined && lease && BigInt(lease.version) < BigInt(before.version)) return;
    this.#sightings.set(node, {
      version: lease?.version,
      released: lease?.released ?? false,
      // Of a Lease that is gone nobody can tell what it promised: as much as the one before.
      durationMs: lease?.durationMs ?? before?.durationMs ?? leaseSeconds * 1000,
      since: now,
    });
  }

  /** Starts waiting for a node that has never been heard of. */
  expect(node: string, now: number): void {
    if (!this.#sightings.has(node)) this.note(node, undefined, now);
  }

  /** The API could not be asked: while nobody hears a node, its silence says nothing. */
  lostContact(node: string, now: number): void {
    const sighting = this.#sightings.get(node);
    if (sighting) sighting.since = now;
  }

  /** The node has given everything away. */
  isReleased(node: string): boolean {
    return this.#sightings.get(node)?.released ?? false;
  }

  /** No heartbeat for longer than the node may announce without one: it has stopped, if the API says the same. */
  isSilent(node: string, now: number): boolean {
    const sighting = this.#sightings.get(node);
    return sighting !== undefined && now >= sighting.since + sighting.durationMs + marginMs;
  }
}
