/**
 * Told a name, asks the cluster's DNS for its address until there is one: says once that there is none yet, and then
 * when there is ({@link DnsWatch}).
 */
import { Resolver } from 'node:dns/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** On the clock of `process.hrtime.bigint()`, which all processes of a machine share. */
export interface DnsWatch {
  readonly at: string;
}

const resolver = new Resolver({ timeout: 1000, tries: 1 });
resolver.setServers(['10.96.0.10']);

async function exists(name: string): Promise<boolean> {
  try {
    return (await resolver.resolve4(name)).length > 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTFOUND') return false;
    throw error;
  }
}

function tell(): void {
  process.send?.({ at: String(process.hrtime.bigint()) } satisfies DnsWatch);
}

process.on('message', (name: string) => void watch(name));
process.once('disconnect', () => process.exit());

async function watch(name: string): Promise<void> {
  if (await exists(name)) throw new Error(`${name} is there already`);
  tell();
  while (!(await exists(name))) await sleep(1);
  tell();
}
