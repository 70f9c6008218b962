import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until `check` returns something true; throws with `what` after ten seconds. */
export async function eventually<T>(what: string, check: () => T | Promise<T>): Promise<NonNullable<T>> {
  for (let waited = 0; waited < 10_000; waited += 10) {
    const value = await check();
    if (value) return value;
    await sleep(10);
  }
  throw new Error(`waited in vain until ${what}`);
}
