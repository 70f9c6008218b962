import type { BenchFigure } from './result.ts';
import type { AgentMeasure, ChangePlan, RateMeasure } from './services-change-process.ts';
import { runChild } from './services-child.ts';
import { tools } from './services-layouts.ts';
import type { Tool } from './services-layouts.ts';
import { Site } from './services-place.ts';
import { median, percentile } from './statistics.ts';

const services = 10_000;
const changes = 100;

/** Whole agents against a real server, one tool after the other; the first, nftables, also under many changes a second. */
export async function measureAgents(stateDir: string): Promise<BenchFigure[]> {
  using site = new Site();
  const nodes = tools.map((tool) => ({ tool, place: site.addPlace(), withRate: tool === 'nftables' }));
  const plan: ChangePlan = { stateDir, services, changes, nodes };
  const measures = await runChild<AgentMeasure[]>('services-change-process.ts', [JSON.stringify(plan)], {
    namespace: site.endpoints,
  });
  return [
    ...measures.flatMap((measure) => [...changeFigures(measure)]),
    ...measures.flatMap(({ rate }) => (rate ? [...rateFigures(rate)] : [])),
    ...measures.map(memoryFigure),
  ];
}

/** kube-proxy 1.36 at 10,000 Services on such a machine, measured apart: ms for a change, MB of memory. */
const peerChange: Partial<Record<Tool, number>> = { nftables: 8300, 'iptables-legacy': 1161 };
const peerMemory: Partial<Record<Tool, number>> = { nftables: 426, 'iptables-legacy': 246 };
const peer = 'kube-proxy, measured apart';
const peersOf = (value: number | undefined): Pick<BenchFigure, 'peers'> =>
  value === undefined ? {} : { peers: { [peer]: value } };

const changeAims: Readonly<Record<Tool, { readonly p50: number; readonly p99?: number }>> = {
  nftables: { p50: 10, p99: 50 },
  'iptables-nft': { p50: 150 },
  'iptables-legacy': { p50: 450 },
};

function* changeFigures({ tool, changeMs, changeCpu }: AgentMeasure): Generator<BenchFigure> {
  const aims = changeAims[tool];
  yield {
    name: `change, ${tool}: p50`,
    value: median(changeMs),
    unit: 'ms',
    aim: aims.p50,
    ...peersOf(peerChange[tool]),
    note: `from the write of an EndpointSlice at the API to a connect that reaches the new backend, 10k Services; agent's CPU ${(changeCpu * 1000).toFixed(0)} ms each, ${changeMs.length} changes`,
  };
  yield {
    name: `change, ${tool}: p99`,
    value: percentile(changeMs, 99),
    unit: 'ms',
    ...(aims.p99 !== undefined && { aim: aims.p99 }),
  };
}

function* rateFigures({ perSecond, staleMs, agentCores }: RateMeasure): Generator<BenchFigure> {
  const note = `nftables, 10k Services, asked for 1,000/s for 10 s; the API took ${perSecond.toFixed(0)}/s`;
  yield {
    name: 'many changes: worst staleness',
    value: Math.max(...staleMs),
    unit: 'ms',
    aim: 1000,
    note: `${note}; ${staleMs.length} samples, p50 ${median(staleMs).toFixed(0)} ms after the API's answer`,
  };
  yield {
    name: 'many changes: taken per second',
    value: perSecond,
    unit: '/s',
    aim: 950,
    higherIsBetter: true,
  };
  yield {
    name: 'many changes: agent',
    value: agentCores,
    unit: 'cores',
    aim: 1,
    note: 'CPU time ÷ clock, tools included',
  };
}

function memoryFigure({ tool, rss, loadedRss, peakRss, readyMs }: AgentMeasure): BenchFigure {
  return {
    name: `agent's memory, ${tool}`,
    value: rss,
    unit: 'MB',
    aim: 160,
    ...peersOf(peerMemory[tool]),
    note: `RSS with 10k Services, 50k endpoints, half a minute after the load; right behind it ${loadedRss.toFixed(0)} MB, at most ${peakRss.toFixed(0)} MB; ready ${(readyMs / 1000).toFixed(1)} s after its start, DNS and pods included`,
  };
}
