import { setTimeout as sleep } from 'node:timers/promises';
import { measureRate } from './dns-load.ts';
import { DnsSite, weft } from './dns-site.ts';
import type { BenchFigure } from './result.ts';
import { median } from './statistics.ts';

const services = 10_000;
const rounds = 3;
/** Garbage of the start is collected meanwhile. */
const settlingMs = 10_000;

/** What one worker more takes, all names asked for: nothing but a worker is in it. */
export async function memory(directory: string): Promise<BenchFigure[]> {
  const more: number[] = [];
  const whole: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const [one, two] = [await residentMegabytes(directory, 1), await residentMegabytes(directory, 2)];
    more.push(two - one);
    whole.push(one);
  }
  return [
    {
      name: 'memory of a worker, 10k Services',
      value: median(more),
      unit: 'MB',
      aim: 60,
      note: `RSS of a process with two workers − with one (${median(whole).toFixed(0)} MB, caches of all objects included), each name asked for; 50k endpoints; median of ${rounds}`,
    },
  ];
}

async function residentMegabytes(directory: string, threads: number): Promise<number> {
  await using site = new DnsSite(directory);
  const server = await site.start(weft, { services, threads });
  // Many sockets: the kernel spreads them over the workers, and each is asked for nearly every name.
  await measureRate(server, { ...site.load(services, 5), clients: 32 });
  await sleep(settlingMs);
  return server.rss;
}
