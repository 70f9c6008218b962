import { measureCni } from './network-cni.ts';
import { FlannelSite } from './network-flannel.ts';
import { NetworkLab } from './network-lab.ts';
import type { NetworkPath } from './network-path.ts';
import { measureRoundTrip, measureThroughput } from './network-traffic.ts';
import type { Bench, BenchFigure } from './result.ts';
import { median } from './statistics.ts';

const rounds = 5;
const trafficParts = ['throughput', 'latency'] as const;
const parts = [...trafficParts, 'cni'] as const;

type TrafficPart = (typeof trafficParts)[number];

/** All ways that are compared; each has a place in every round. */
class Paths implements Disposable {
  readonly #undo = new DisposableStack();
  readonly underlay: NetworkPath;
  readonly direct: NetworkPath;
  readonly vxlan: NetworkPath;
  readonly flannel: NetworkPath;
  readonly flannelUnderlay: NetworkPath;
  readonly bridged: NetworkPath;

  constructor() {
    using undo = new DisposableStack();
    const open = (name: string, apiPort: number, ...flags: string[]): NetworkLab =>
      undo.use(new NetworkLab({ name, apiPort, flags }));
    const direct = open('bench-direct', 16443, '--network-mode', 'direct');
    const vxlan = open('bench-vxlan', 16444, '--network-mode', 'vxlan');
    const flannel = undo.use(new FlannelSite());
    this.underlay = direct.underlay('underlay');
    this.direct = direct.across('direct');
    this.vxlan = vxlan.across('vxlan');
    this.bridged = direct.within('bridge');
    this.flannel = flannel.pods;
    this.flannelUnderlay = flannel.underlay;
    this.#undo.use(undo.move());
  }

  [Symbol.dispose](): void {
    this.#undo.dispose();
  }

  /** The values of each way, round by round: what disturbs one disturbs its neighbours in the round. */
  async measure(action: (path: NetworkPath) => Promise<number>): Promise<(path: NetworkPath) => number[]> {
    const { underlay, direct, vxlan, flannel, flannelUnderlay, bridged } = this;
    const paths = [underlay, direct, vxlan, flannel, flannelUnderlay, bridged];
    const values = new Map(paths.map((path) => [path, [] as number[]]));
    for (let round = 0; round < rounds; round += 1) {
      for (const path of round % 2 === 0 ? paths : paths.toReversed()) {
        values.get(path)?.push(await action(path));
      }
    }
    return (path) => values.get(path) ?? [];
  }
}

/** The median of the rounds' ratios. */
function ratio(values: (path: NetworkPath) => number[], path: NetworkPath, base: NetworkPath): number {
  const bases = values(base);
  return median(values(path).map((value, round) => value / (bases[round] ?? NaN)));
}

async function throughput(paths: Paths): Promise<BenchFigure[]> {
  const values = await paths.measure(measureThroughput);
  const gigabits = (path: NetworkPath): number => median(values(path));
  const shared = { unit: 'Gb/s', higherIsBetter: true } as const;
  const { underlay, direct, vxlan, flannel, flannelUnderlay, bridged } = paths;
  return [
    {
      name: 'throughput: direct ÷ underlay',
      value: ratio(values, direct, underlay),
      unit: '',
      higherIsBetter: true,
      aim: 0.95,
    },
    {
      name: "throughput: vxlan ÷ flannel's vxlan",
      value: ratio(values, vxlan, flannel),
      unit: '',
      higherIsBetter: true,
      aim: 1,
      note: `one run's rounds differ: its own underlay ÷ ours is ${ratio(values, flannelUnderlay, underlay).toFixed(2)}`,
    },
    { name: 'throughput: direct', value: gigabits(direct), ...shared, floor: gigabits(underlay) },
    {
      name: 'throughput: vxlan',
      value: gigabits(vxlan),
      ...shared,
      floor: gigabits(underlay),
      peers: { flannel: gigabits(flannel) },
    },
    {
      name: 'throughput: same node, bridge',
      value: gigabits(bridged),
      ...shared,
    },
  ];
}

async function latency(paths: Paths): Promise<BenchFigure[]> {
  const values = await paths.measure(measureRoundTrip);
  const micros = (path: NetworkPath): number => median(values(path));
  const { underlay, direct, vxlan, flannel, bridged } = paths;
  return [
    {
      name: 'round trip p50: direct ÷ underlay',
      value: ratio(values, direct, underlay),
      unit: '',
      aim: 1.15,
    },
    { name: 'round trip p50: direct', value: micros(direct), unit: 'µs', floor: micros(underlay) },
    {
      name: 'round trip p50: vxlan',
      value: micros(vxlan),
      unit: 'µs',
      floor: micros(underlay),
      peers: { flannel: micros(flannel) },
    },
    {
      name: 'round trip p50: same node, bridge',
      value: micros(bridged),
      unit: 'µs',
    },
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
