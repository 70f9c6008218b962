import { setTimeout as sleep } from 'node:timers/promises';

const limitMs = 30_000;

/** Waits until `check` returns something true; throws with `what` after half a minute, however long a check takes. */
export async function eventually<T>(what: string, check: () => T | Promise<T>): Promise<NonNullable<T>> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await sleep(10);
  }
}
