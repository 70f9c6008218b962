import { measureLatency, measureLoad } from './dns-load.ts';
import type { Load } from './dns-load.ts';
import { bind, dnsmasq, knot, unbound } from './dns-peers.ts';
import type { DnsServerProcess } from './dns-server.ts';
import { DnsSite } from './dns-site.ts';
import type { Ours } from './dns-site.ts';
import type { BenchFigure } from './result.ts';
import { median } from './statistics.ts';

const weft: Ours = { name: 'weft', file: 'dns-weft-process.ts' };
const rounds = 5;
const services = 1000;

/**
 * What each server did in each round, by its name. Round by round, so that noise meets all alike; the first one only
 * warms up.
 */
async function measureRounds<T>(
  servers: readonly DnsServerProcess[],
  measure: (server: DnsServerProcess) => Promise<T>,
): Promise<Map<string, T[]>> {
  const measured = new Map(servers.map(({ name }) => [name, [] as T[]]));
  for (let round = 0; round <= rounds; round += 1) {
    for (const server of servers) {
      const value = await measure(server);
      if (round > 0) measured.get(server.name)?.push(value);
    }
  }
  return measured;
}

/** The median of each server. */
function medians<T>(
  measured: ReadonlyMap<string, readonly T[]>,
  of: (value: T) => number,
): Map<string, number> {
  return new Map([...measured].map(([name, values]) => [name, median(values.map(of))]));
}

/** Everybody's value but ours. */
function peersOf(values: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...values].filter(([name]) => name !== weft.name));
}

async function startAll(site: DnsSite): Promise<DnsServerProcess[]> {
  const servers: DnsServerProcess[] = [];
  for (const who of [weft, knot, unbound, dnsmasq, bind]) servers.push(await site.start(who, { services }));
  return servers;
}

/** What a query costs each server. */
export async function measureCpu(directory: string): Promise<BenchFigure[]> {
  await using site = new DnsSite(directory);
  const load = site.load(services, 2);
  const measured = await measureRounds(await startAll(site), (server) => measureLoad(server, load));
  const cpu = medians(measured, ({ cpuMicroseconds }: Load) => cpuMicroseconds);
  const of = (name: string): number => cpu.get(name) ?? NaN;
  return [
    {
      name: 'CPU per query, 1k Services',
      value: of('weft'),
      unit: 'µs',
      aim: Math.min(of('knot') * 1.1, of('unbound')),
      peers: peersOf(cpu),
      note: `a fifth each of A, AAAA without data, NXDOMAIN, SRV, PTR; one thread; median of ${rounds}; aim: knot × 1.1, unbound`,
    },
  ];
}

/** How soon each server answers when it has little to do. */
export async function measureLatencies(directory: string): Promise<BenchFigure[]> {
  await using site = new DnsSite(directory);
  const load = { ...site.load(services, 3), perSecond: 1000, clients: 1 };
  const measured = await measureRounds(await startAll(site), (server) => measureLatency(server, load));
  const p99 = medians(measured, (value: number) => value);
  return [
    {
      name: 'p99 at 1,000 queries/s',
      value: p99.get('weft') ?? NaN,
      unit: 'µs',
      aim: (p99.get('knot') ?? NaN) * 1.5,
      peers: peersOf(p99),
      note: `1k Services; median of ${rounds} p99s; aim: knot × 1.5`,
    },
  ];
}
