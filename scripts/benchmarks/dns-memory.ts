import { setTimeout as sleep } from 'node:timers/promises';
import { measureRate } from './dns-load.ts';
import { DnsSite, weft } from './dns-site.ts';
import type { WorkerMemory } from './dns-weft-process.ts';
import type { BenchFigure } from './result.ts';
import { median } from './statistics.ts';

const services = 10_000;
const rounds = 3;
/** A worker looks every 5 s whether it has been idle, and gives memory back then. */
const settlingMs = 20_000;

/** What a worker takes when every name has been asked for. */
export async function memory(directory: string): Promise<BenchFigure[]> {
  const workers: number[] = [];
  const more: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const [one, two] = [await measureProcess(directory, 1), await measureProcess(directory, 2)];
    workers.push(one.worker);
    more.push(two.rss - one.rss);
  }
  return [
    {
      name: 'memory of a worker, 10k Services',
      value: median(more),
      unit: 'MB',
      aim: 60,
      note: `RSS of a process with two workers − with one; each name asked for; 50k endpoints, and as many pods verified; median of ${rounds}; its heap and buffers, untouched ones included: ${median(workers).toFixed(0)} MB`,
    },
  ];
}

/** In MB. */
interface Megabytes {
  readonly worker: number;
  readonly rss: number;
}

async function measureProcess(directory: string, threads: number): Promise<Megabytes> {
  await using site = new DnsSite(directory);
  const server = await site.start(weft, { services, threads });
  // Many sockets: the kernel spreads them over the workers, and each is asked for nearly every name.
  await measureRate(server, { ...site.load(services, 5), clients: 32 });
  await sleep(settlingMs);
  const { megabytes } = await server.ask<WorkerMemory>('memory');
  return { worker: megabytes / threads, rss: server.rss };
}
