import { measureCpu, measureLatency, measureRate } from './dns-load.ts';
import { bind, coredns, dnsmasq, knot, unbound } from './dns-peers.ts';
import { measureRounds } from './dns-rounds.ts';
import { DnsSite, floor, weft } from './dns-site.ts';
import type { BenchFigure, BenchOptions } from './result.ts';

const services = 1000;
const manyServices = 10_000;
const seconds = 2;
const mix = 'a fifth each of A, AAAA without data, NXDOMAIN, SRV, PTR';

/** What a query costs each server. */
export async function cpu(directory: string, options: BenchOptions): Promise<BenchFigure[]> {
  await using site = new DnsSite(directory);
  const servers = await site.startAll([weft, knot, unbound, dnsmasq, bind, floor], { services });
  if (options.coredns !== undefined) {
    const peer = coredns(options.coredns, await site.startApi(services));
    servers.push(await site.start(peer, { services }));
  }
  const load = site.load(services, seconds);
  const medians = await measureRounds(servers, (server) =>
    measureCpu(server, server.name === floor.name ? { ...load, missingShare: 0 } : load),
  );
  return [
    {
      name: 'CPU per query, 1k Services',
      value: medians.of('weft'),
      unit: 'µs',
      aim: Math.min(
        medians.of('knot') * 1.1,
        medians.of('unbound'),
        ...(options.coredns === undefined ? [] : [medians.of('CoreDNS') * 0.33]),
      ),
      floor: medians.of('floor'),
      peers: medians.except('weft', 'floor'),
      note: `${mix}; one thread; aim: knot × 1.1, unbound, CoreDNS (kubernetes plugin) × 0.33`,
    },
  ];
}

/** What a query costs with many names, of which some change all the time. */
export async function scale(directory: string): Promise<BenchFigure[]> {
  await using site = new DnsSite(directory);
  const changesPerSecond = 100;
  const few = await site.start(weft, { services });
  const many = await site.start({ ...weft, name: 'many' }, { services: manyServices });
  const still = await site.start({ ...knot, name: 'knot, no changes' }, { services: manyServices });
  const medians = await measureRounds([few, many, still], async (server) => {
    const changing = server === many;
    if (changing) server.send({ changesPerSecond });
    const used = await measureCpu(server, site.load(server === few ? services : manyServices, seconds));
    if (changing) server.send({ changesPerSecond: 0 });
    return used;
  });
  return [
    {
      name: 'CPU per query, 10k Services, 100 changes/s',
      value: medians.of('many'),
      unit: 'µs',
      aim: medians.of('weft') * 1.3,
      peers: medians.except('weft', 'many'),
      note: `50k endpoints; changes included; aim: × 1.3 of 1k Services at rest in this run, ${medians.of('weft').toFixed(2)} µs`,
    },
  ];
}

/** How soon each server answers when it has little to do. */
export async function latency(directory: string): Promise<BenchFigure[]> {
  await using site = new DnsSite(directory, { first: true });
  const servers = await site.startAll([weft, knot, unbound, dnsmasq, bind, floor], { services });
  const load = { ...site.load(services, 3), perSecond: 1000, clients: 1 };
  const medians = await measureRounds(servers, (server) =>
    measureLatency(server, server.name === floor.name ? { ...load, missingShare: 0 } : load),
  );
  return [
    {
      name: 'p99 at 1,000 queries/s',
      value: medians.of('weft'),
      unit: 'µs',
      aim: medians.of('knot') * 1.5,
      floor: medians.of('floor'),
      peers: medians.except('weft', 'floor'),
      note: `1k Services; median of p99s; real-time priority; aim: knot × 1.5`,
    },
  ];
}

/** What a query for a name outside of the cluster costs that is in the cache. */
export async function forward(directory: string, options: BenchOptions): Promise<BenchFigure[]> {
  await using site = new DnsSite(directory);
  const upstream = await site.start({ ...knot, name: 'upstream' }, { services: 0, foreign: true });
  const duty = { services: 0, upstreamPort: upstream.port };
  const peers = [
    unbound,
    dnsmasq,
    bind,
    ...(options.coredns === undefined ? [] : [coredns(options.coredns)]),
  ];
  const servers = await site.startAll([weft, ...peers], duty);
  const load = site.load(0, seconds);
  const medians = await measureRounds(servers, (server) => measureCpu(server, load));
  return [
    {
      name: 'CPU per query, cached forwarding',
      value: medians.of('weft'),
      unit: 'µs',
      aim: medians.of('unbound') * 1.5,
      peers: medians.except('weft'),
      note: '1,000 names of an upstream server; aim: unbound × 1.5',
    },
  ];
}

/** How many queries two threads answer. */
export async function cores(directory: string): Promise<BenchFigure[]> {
  await using site = new DnsSite(directory, { cores: 'two' });
  const servers = await site.startAll([weft, knot, unbound], { services });
  const load = { ...site.load(services, seconds), clients: 16 };
  const medians = await measureRounds(servers, (server) => measureRate(server, load));
  return [
    {
      name: 'queries/s on two cores',
      value: medians.of('weft'),
      unit: '/s',
      aim: 90_000,
      higherIsBetter: true,
      peers: medians.except('weft'),
      note: `two threads; on a machine of two cores dnsperf takes its part of them`,
    },
  ];
}
