import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memory } from './dns-memory.ts';
import { cores, cpu, forward, latency, scale } from './dns-queries.ts';
import { visible } from './dns-visible.ts';
import type { Bench, BenchFigure, BenchOptions } from './result.ts';

interface Part {
  readonly name: string;
  /** `directory` is for its files. */
  run(directory: string, options: BenchOptions): Promise<BenchFigure[]>;
}

const parts: readonly Part[] = [
  { name: 'cpu', run: cpu },
  { name: 'scale', run: scale },
  { name: 'latency', run: latency },
  { name: 'forward', run: forward },
  { name: 'cores', run: cores },
  { name: 'visible', run: visible },
  { name: 'memory', run: memory },
];

/** Cluster DNS beside the servers that Debian has: what a query costs, how soon it is answered, how soon names follow. */
export const bench: Bench = {
  name: 'dns',
  parts: parts.map(({ name }) => name),
  async run(wanted, options) {
    const directory = mkdtempSync(join(tmpdir(), 'weft-bench-'));
    process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
    const figures: BenchFigure[] = [];
    for (const part of parts) {
      if (wanted.length === 0 || wanted.includes(part.name))
        figures.push(...(await part.run(directory, options)));
    }
    return { name: 'dns', figures };
  },
};
