/**
 * Runs a benchmark, prints each figure beside its aim, its peers and its floor, and writes
 * `docs/performance/NAME.json` and `.svg`. Exits non-zero when an aim is missed and names it on the last line.
 * Usage: main.ts NAME
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { bench as api } from './api.ts';
import { bench as attach } from './attach.ts';
import { bench as lab } from './lab.ts';
import { missesAim, renderSvg, renderTable } from './report.ts';
import type { Bench } from './result.ts';

const benches: readonly Bench[] = [api, attach, lab];
const directory = join(import.meta.dirname, '../../docs/performance');

const name = process.argv[2];
const bench = benches.find((candidate) => candidate.name === name);
if (!bench) {
  process.stderr.write(
    `usage: scripts/bench NAME, where NAME is one of: ${benches.map(({ name }) => name).join(', ')}\n`,
  );
  process.exit(2);
}

const result = await bench.run();
mkdirSync(directory, { recursive: true });
const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  kernel: release(),
  node: process.version,
};
writeFileSync(
  join(directory, `${result.name}.json`),
  `${JSON.stringify({ ...result, machine }, undefined, 2)}\n`,
);
writeFileSync(join(directory, `${result.name}.svg`), renderSvg(result));
process.stdout.write(renderTable(result));

const missed = result.figures.filter(missesAim);
if (missed.length > 0) {
  process.stdout.write(`${result.name}: missed ${missed.map(({ name }) => name).join(', ')}\n`);
  process.exitCode = 1;
} else {
  process.stdout.write(`${result.name}: every aim met\n`);
}
