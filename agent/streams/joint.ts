import { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/**
 * Joins two connections until both directions have ended: each as fast as its reader takes it, an end of one side
 * passed on to the other as an end. A break of either breaks both. Never rejects.
 */
export async function joinConnections(one: Duplex, other: Duplex): Promise<void> {
  await Promise.allSettled([pipeline(one, other), pipeline(other, one)]);
  // What ended well is closed; of what broke, the other direction may still stand open.
  one.destroy();
  other.destroy();
}
