/**
 * Runs a benchmark, prints each figure beside its aim, its peers and its floor, and writes
 * `docs/performance/NAME.json` and `.svg`. Exits non-zero when an aim is missed and names it on the last line.
 * Usage: main.ts NAME [PART…] [--coredns PATH]. With parts only these are run, and their figures take the places of
 * those that the last run wrote.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bench as api } from './api.ts';
import { bench as attach } from './attach.ts';
import { bench as dns } from './dns.ts';
import { bench as healing } from './healing.ts';
import { bench as lab } from './lab.ts';
import { bench as network } from './network.ts';
import { missesAim, renderSvg, renderTable } from './report.ts';
import { bench as peers } from './peers.ts';
import { renderPlot } from './plot.ts';
import type { Bench, BenchResult } from './result.ts';
import { bench as services } from './services.ts';

const benches: readonly Bench[] = [api, attach, dns, healing, lab, network, peers, services];
const directory = join(import.meta.dirname, '../../docs/performance');

const { positionals, values: options } = parseArgs({
  allowPositionals: true,
  options: { coredns: { type: 'string' } },
});
const [name, ...parts] = positionals;
const bench = benches.find((candidate) => candidate.name === name);
if (!bench)
  fail(`usage: scripts/bench NAME, where NAME is one of: ${benches.map(({ name }) => name).join(', ')}`);
const unknown = parts.find((part) => !bench.parts?.includes(part));
if (unknown !== undefined)
  fail(`${bench.name} has no part ${unknown}: ${bench.parts?.join(', ') ?? 'it has none'}`);

const result = await bench.run(parts, options);
write(parts.length === 0 ? result : amongEarlier(result));
process.stdout.write(renderTable(result));

const missed = result.figures.filter(missesAim);
if (missed.length > 0) {
  process.stdout.write(`${result.name}: missed ${missed.map(({ name }) => name).join(', ')}\n`);
  process.exitCode = 1;
} else {
  process.stdout.write(`${result.name}: every aim met\n`);
}

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

/** A part's figures among those of the other parts. */
function amongEarlier({ name, figures, ...rest }: BenchResult): BenchResult {
  const path = join(directory, `${name}.json`);
  const earlier = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as BenchResult).figures : [];
  const byName = new Map([...earlier, ...figures].map((figure) => [figure.name, figure]));
  return { ...rest, name, figures: [...byName.values()] };
}

function write(result: BenchResult): void {
  mkdirSync(directory, { recursive: true });
  const machine = {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    kernel: release(),
    node: process.version,
  };
  const file = (suffix: string): string => join(directory, `${result.name}${suffix}`);
  writeFileSync(file('.json'), `${JSON.stringify({ ...result, machine }, undefined, 2)}\n`);
  writeFileSync(file('.svg'), renderSvg(result));
  if (result.plot) writeFileSync(file('-plot.svg'), renderPlot(result.plot));
}
