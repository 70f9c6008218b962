import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Plot } from './plot.ts';
import type { Bench, BenchFigure, BenchResult } from './result.ts';
import { measureAgents } from './services-change.ts';
import { measureConnects, targets } from './services-connect.ts';
import type { Connects, Measured } from './services-connect.ts';
import { tools } from './services-layouts.ts';
import type { Tool } from './services-layouts.ts';
import { measureLoads, measureRepairs } from './services-load.ts';
import { median } from './statistics.ts';

const sizes = [1, 1_000, 5_000, 10_000, 30_000];
/** Where the aims for connects are set. */
const aimedSizes = [10_000, 30_000];
/** From here on connects are also measured as programs make them; the largest of kube-proxy's layouts are among them. */
const programsFrom = 5_000;

interface Part {
  readonly name: string;
  /** `directory` is for its files. */
  run(directory: string): Promise<Pick<BenchResult, 'figures' | 'plot'>>;
}

const parts: readonly Part[] = [
  { name: 'connect', run: connects },
  { name: 'load', run: loads },
  { name: 'repair', run: repairs },
  { name: 'agent', run: async (directory) => ({ figures: await measureAgents(directory) }) },
];

/** Services by the tens of thousands: what they cost each packet, each change and the node. */
export const bench: Bench = {
  name: 'services',
  parts: parts.map(({ name }) => name),
  async run(wanted): Promise<BenchResult> {
    const directory = mkdtempSync(join(tmpdir(), 'weft-bench-'));
    const remove = (): void => rmSync(directory, { recursive: true, force: true });
    process.once('exit', remove);
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
    // The machine's own iptables shall neither wait for us nor we for it.
    process.env['XTABLES_LOCKFILE'] = join(directory, 'xtables.lock');
    const figures: BenchFigure[] = [];
    let plot: Plot | undefined;
    for (const part of parts) {
      if (wanted.length > 0 && !wanted.includes(part.name)) continue;
      const result = await part.run(directory);
      figures.push(...result.figures);
      plot ??= result.plot;
    }
    return { name: 'services', figures, ...(plot && { plot }) };
  },
};

const thousands = (count: number): string => (count < 1000 ? String(count) : `${count / 1000}k`);
const list = (ratios: Connects['ratios']): string =>
  targets.map((target) => `${target} ${ratios[target].toFixed(2)}`).join(', ');
const worst = (ratios: Connects['ratios']): number => Math.max(...Object.values(ratios));

async function connects(): Promise<{ figures: BenchFigure[]; plot: Plot }> {
  const measured: Measured[] = [];
  for (const size of sizes) measured.push(...(await measureConnects(size, size >= programsFrom)));
  const figures = tools.flatMap((tool) =>
    aimedSizes.flatMap((size) => [...connectFigures(measured, tool, size)]),
  );
  return { figures, plot: plotOf(measured) };
}

function* connectFigures(measured: readonly Measured[], tool: Tool, size: number): Generator<BenchFigure> {
  const all = measured.filter((each) => each.tool === tool);
  const ours = all.find(({ owner, services }) => owner === 'weft' && services === size);
  const floor = all.find(({ owner, services }) => owner === 'single rule' && services === size);
  const peer = all.findLast(({ owner }) => owner === 'kube-proxy');
  if (!ours || !floor || !peer) throw new Error(`nothing measured for ${tool}`);
  const peerName = `kube-proxy's layout, ${thousands(peer.services)}`;
  const { program, syscall } = ours;
  if (program && floor.program) {
    yield {
      name: `connect ${tool}, ${thousands(size)}`,
      value: worst(program.ratios),
      unit: '',
      aim: 1.05,
      floor: 1,
      ...(peer.program && { peers: { [peerName]: worst(peer.program.ratios) } }),
      note: `÷ a single DNAT rule (${floor.program.times.first.toFixed(0)} µs), a program's connect: ${list(program.ratios)}`,
    };
  }
  yield {
    name: `connect(2) ${tool}, ${thousands(size)}`,
    value: worst(syscall.ratios),
    unit: '',
    floor: 1,
    peers: { [peerName]: worst(peer.syscall.ratios) },
    note: `the kernel's part alone, on one core (floor ${floor.syscall.times.first.toFixed(1)} µs): ${list(syscall.ratios)}`,
  };
}

function plotOf(measured: readonly Measured[]): Plot {
  const lines = tools.flatMap((tool) =>
    (['weft', 'kube-proxy'] as const).map((owner) => ({
      name: owner === 'weft' ? `weft, ${tool}` : `kube-proxy's layout, ${tool}`,
      ours: owner === 'weft',
      points: measured
        .filter((each) => each.tool === tool && each.owner === owner)
        .map(({ services, syscall }) => [services, syscall.ratios.last] as const),
    })),
  );
  return {
    title: 'connect(2) to the last Service ÷ connect(2) through a single DNAT rule',
    x: { label: 'Services with five endpoints each', ticks: [0, 5_000, 10_000, 20_000, 30_000] },
    y: { label: 'times a single rule', ticks: [1, 1.5, 2, 3, 5, 10] },
    lines,
  };
}

/** What kube-proxy 1.36 took for its first full sync of 10,000 Services on such a machine, measured apart. */
const peerLoads: Partial<Record<Tool, number>> = { nftables: 66, 'iptables-legacy': 4.9 };
const loadAims: Readonly<Record<Tool, number>> = {
  nftables: 1,
  'iptables-nft': 5,
  'iptables-legacy': 1.5,
};

async function loads(): Promise<{ figures: BenchFigure[] }> {
  const figures: BenchFigure[] = [];
  const rounds = 3;
  for (const tool of tools) {
    const { seconds, cpu, kernelMegabytes } = await measureLoads(tool, 10_000, rounds);
    const peer = peerLoads[tool];
    figures.push({
      name: `load 10k × 5, ${tool}`,
      value: seconds,
      unit: 's',
      aim: loadAims[tool],
      ...(peer !== undefined && { peers: { 'kube-proxy, measured apart': peer } }),
      note: `from the informer to the kernel, CPU ${cpu.toFixed(2)} s, ${kernelMegabytes.toFixed(1)} MB in the kernel, median of ${rounds}`,
    });
  }
  const { seconds, cpu, kernelMegabytes } = await measureLoads('nftables', 30_000, rounds);
  figures.push(
    {
      name: 'load 30k × 5, nftables: CPU',
      value: cpu,
      unit: 's',
      aim: 3,
      note: `${seconds.toFixed(1)} s on the clock, median of ${rounds}`,
    },
    {
      name: 'load 30k × 5, nftables: kernel memory',
      value: kernelMegabytes,
      unit: 'MB',
      aim: 20,
      note: 'charged to the control group of who loaded it; the tables’ hash buckets, about 3 MB, are not charged',
    },
  );
  return { figures };
}

async function repairs(): Promise<{ figures: BenchFigure[] }> {
  const figures: BenchFigure[] = [];
  for (const tool of tools) {
    for (const size of [1_000, 10_000]) {
      const seconds = await measureRepairs(tool, size, 3);
      figures.push({
        name: `repair, ${tool}, ${thousands(size)}`,
        value: median(seconds),
        unit: 's',
        aim: 1,
        note: `all rules flushed by somebody else → all there again, median of ${seconds.length}, worst ${Math.max(...seconds).toFixed(2)} s`,
      });
    }
  }
  return { figures };
}
