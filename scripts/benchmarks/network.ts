import { measureCni } from './network-cni.ts';
import { Paths, Rounds } from './network-paths.ts';
import type { WayName } from './network-paths.ts';
import { measureRoundTrip, measureThroughput } from './network-traffic.ts';
import type { Throughput } from './network-traffic.ts';
import type { Bench, BenchFigure } from './result.ts';

const trafficParts = ['throughput', 'latency'] as const;
const parts = [...trafficParts, 'cni'] as const;

type TrafficPart = (typeof trafficParts)[number];

/** A way as it is told of, beside what bounds it. */
const told: readonly { way: WayName; name: string; floor?: WayName; peers?: Record<string, WayName> }[] = [
  { way: 'direct', name: 'direct', floor: 'underlay', peers: { 'same links, no rules': 'bare' } },
  { way: 'directRouted', name: 'direct, routed pod links', floor: 'underlay' },
  { way: 'vxlan', name: 'vxlan', floor: 'underlay', peers: { flannel: 'flannel' } },
  { way: 'bridged', name: 'same node, bridge' },
  { way: 'routed', name: 'same node, routed' },
];

/** The figures of each way, in the unit that was measured. */
function absolute(
  kind: string,
  rounds: Rounds<WayName>,
  shared: Pick<BenchFigure, 'unit' | 'higherIsBetter'>,
): BenchFigure[] {
  return told.map(({ way, name, floor, peers }) => ({
    name: `${kind}: ${name}`,
    value: rounds.median(way),
    ...shared,
    ...(floor === undefined ? {} : { floor: rounds.median(floor) }),
    ...(peers === undefined
      ? {}
      : { peers: Object.fromEntries(Object.entries(peers).map(([peer, of]) => [peer, rounds.median(of)])) }),
  }));
}

async function throughput(paths: Paths): Promise<BenchFigure[]> {
  const measured = await paths.measure(measureThroughput);
  const take = (what: keyof Throughput): Rounds<WayName> =>
    new Rounds(new Map(Array.from(measured, ([way, values]) => [way, values.map((each) => each[what])])));
  const [wall, cpu] = [take('gigabits'), take('cpuMs')];
  const better = { unit: '', higherIsBetter: true } as const;
  const bare = `same links without rules ÷ underlay: ${wall.ratio('bare', 'underlay').toFixed(2)}, CPU ${cpu.ratio('bare', 'underlay').toFixed(2)}`;
  const hosts = `hosts alone, flannel's ÷ ours: ${wall.ratio('flannelUnderlay', 'underlay').toFixed(2)}, CPU ${cpu.ratio('flannelUnderlay', 'underlay').toFixed(2)}`;
  return [
    {
      name: 'throughput: direct ÷ underlay',
      value: wall.ratio('direct', 'underlay'),
      ...better,
      aim: 0.95,
      note: bare,
    },
    {
      name: "throughput: vxlan ÷ flannel's vxlan",
      value: wall.ratio('vxlan', 'flannel'),
      ...better,
      aim: 1,
      note: hosts,
    },
    { name: 'throughput: same node, routed ÷ bridge', value: wall.ratio('routed', 'bridged'), ...better },
    { name: 'CPU per byte: direct ÷ underlay', value: cpu.ratio('direct', 'underlay'), unit: '' },
    { name: "CPU per byte: vxlan ÷ flannel's vxlan", value: cpu.ratio('vxlan', 'flannel'), unit: '' },
    { name: 'CPU per byte: same node, routed ÷ bridge', value: cpu.ratio('routed', 'bridged'), unit: '' },
    ...absolute('throughput', wall, { unit: 'Gb/s', higherIsBetter: true }),
    ...absolute('CPU per 10⁹ bytes', cpu, { unit: 'ms' }),
  ];
}

async function latency(paths: Paths): Promise<BenchFigure[]> {
  const rounds = new Rounds(await paths.measure(measureRoundTrip));
  return [
    {
      name: 'round trip p50: direct ÷ underlay',
      value: rounds.ratio('direct', 'underlay'),
      unit: '',
      aim: 1.15,
      note: `same links without rules ÷ underlay: ${rounds.ratio('bare', 'underlay').toFixed(2)}`,
    },
    { name: "round trip p50: vxlan ÷ flannel's vxlan", value: rounds.ratio('vxlan', 'flannel'), unit: '' },
    {
      name: 'round trip p50: same node, routed ÷ bridge',
      value: rounds.ratio('routed', 'bridged'),
      unit: '',
    },
    ...absolute('round trip p50', rounds, { unit: 'µs' }),
  ];
}

const measurements: Readonly<Record<TrafficPart, (paths: Paths) => Promise<BenchFigure[]>>> = {
  throughput,
  latency,
};

async function measureTraffic(wanted: readonly TrafficPart[]): Promise<BenchFigure[]> {
  if (wanted.length === 0) return [];
  using paths = new Paths();
  const figures: BenchFigure[] = [];
  for (const part of wanted) figures.push(...(await measurements[part](paths)));
  return figures;
}

/**
 * What pods' packets cost beside the plain network between their nodes, and beside flannel; what containers wait for
 * beside Debian's CNI plugins.
 */
export const bench: Bench = {
  name: 'network',
  parts,
  async run(wanted) {
    const isWanted = (part: string): boolean => wanted.length === 0 || wanted.includes(part);
    const figures = await measureTraffic(trafficParts.filter(isWanted));
    return { name: 'network', figures: [...figures, ...(isWanted('cni') ? await measureCni() : [])] };
  },
};
