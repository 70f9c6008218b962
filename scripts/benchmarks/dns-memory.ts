import { setTimeout as sleep } from 'node:timers/promises';
import { measureRate } from './dns-load.ts';
import { DnsSite, weft } from './dns-site.ts';
import type { WorkerMemory } from './dns-weft-process.ts';
import type { BenchFigure } from './result.ts';
import { median } from './statistics.ts';

const services = 10_000;
const rounds = 3;
/** Compared with one worker, so that nothing but workers is in the difference. */
const workers = 4;
/** A thread looks every 5 s whether it has been idle, and gives memory back then. */
const settlingMs = 20_000;

/** What a worker takes when names have been asked for. */
export async function memory(directory: string): Promise<BenchFigure[]> {
  const resident: number[] = [];
  const own: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const [one, many] = [await measureProcess(directory, 1), await measureProcess(directory, workers)];
    resident.push((many.rss - one.rss) / (workers - 1));
    own.push(one.inHeapsAndBuffers);
  }
  return [
    {
      name: 'memory of a worker, 10k Services',
      value: median(resident),
      unit: 'MB',
      aim: 60,
      note: `RSS of a process with ${workers} workers − with one, for each; 50k endpoints, and as many pods verified; median of ${rounds}; heap and buffers of one, garbage and 16 MB of untouched cache included: ${median(own).toFixed(0)} MB`,
    },
  ];
}

/** In MB. */
interface Megabytes {
  readonly rss: number;
  readonly inHeapsAndBuffers: number;
}

async function measureProcess(directory: string, threads: number): Promise<Megabytes> {
  await using site = new DnsSite(directory);
  const server = await site.start(weft, { services, threads });
  // Many sockets: the kernel spreads them over the workers, and each is asked for most names.
  await measureRate(server, { ...site.load(services, 5), clients: 32 });
  await sleep(settlingMs);
  const { megabytes } = await server.ask<WorkerMemory>('memory');
  return { rss: server.rss, inHeapsAndBuffers: megabytes };
}
