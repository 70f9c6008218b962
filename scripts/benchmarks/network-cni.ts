import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { bridgeName } from '../../agent/network/marks.ts';
import { createLink, getLink, setLink } from '../../netns/link.ts';
import { openNamespace, runInNamespace } from '../../netns/namespace.ts';
import { NetlinkSocket } from '../../netns/netlink.ts';
import type { Calls } from './cni-site.ts';
import { CniSite } from './cni-site.ts';
import type { BenchFigure } from './result.ts';
import { median, percentile } from './statistics.ts';

/** A p99 of a hundred calls is the slowest but one: one disturbance of the machine decides it, but not that of most series. */
const series = 3;
const rounds = 10;
const perRound = 10;
const crowd = 100;
/** An address that was given back rests for 30 s: a node's range has not enough of them for all parts at once. */
const restMs = 31_000;
const peer = 'bridge + host-local';

type Verb = 'ADD' | 'DEL';
/** The calls of one site, by verb. */
type Measured = Readonly<Record<Verb, readonly Calls[]>>;

function namesOf(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `bench${process.pid}-${i}`);
}

/** Containers come and go in rounds, with both plugins in each: what disturbs one disturbs the other. */
function measureCalls(sites: readonly CniSite[], atOnce: number): Measured[] {
  const measured = sites.map(() => ({ ADD: [] as Calls[], DEL: [] as Calls[] }));
  const names = namesOf(perRound);
  for (let round = 0; round < rounds; round += 1) {
    for (const index of round % 2 === 0 ? [0, 1] : [1, 0]) {
      const site = sites[index];
      site?.makeContainers(names);
      for (const verb of ['ADD', 'DEL'] as const)
        measured[index]?.[verb].push(site?.call(verb, names, atOnce) as Calls);
      site?.removeContainers(names);
    }
  }
  return measured;
}

/** From the first ADD until the last of a hundred containers has answered a ping, in s. */
async function measureCrowd(site: CniSite): Promise<number> {
  const names = namesOf(crowd);
  site.makeContainers(names);
  const startedAt = performance.now();
  site.call('ADD', names, crowd);
  await Promise.all(names.map((name) => pingUntilAnswered(site, addressIn(site.answer(name)))));
  const seconds = (performance.now() - startedAt) / 1000;
  site.call('DEL', names, perRound);
  site.removeContainers(names);
  return seconds;
}

function addressIn(answer: string): string {
  const { ips } = JSON.parse(answer) as { ips: { address: string }[] };
  return ips[0]?.address.split('/')[0] ?? '';
}

async function pingUntilAnswered(site: CniSite, address: string): Promise<void> {
  const ping = runInNamespace(site.namespace, () =>
    spawn('ping', ['-n', '-q', '-c', '1', '-i', '0.1', '-w', '10', address], { stdio: 'ignore' }),
  );
  await once(ping, 'exit');
  if (ping.exitCode !== 0) throw new Error(`${address} answers no ping`);
}

/**
 * The least that an ADD can take here, in ms: a process that only starts and ends, and the kernel's time for a pair of
 * links that are up, of which one is a port of the bridge.
 */
function measureFloor(site: CniSite): number {
  const names = namesOf(rounds * perRound);
  site.makeContainers(names);
  const starts = site.callNothing(names.length);
  using socket = new NetlinkSocket({ namespace: site.namespace });
  const master = getLink(socket, bridgeName).ifindex;
  const links = names.map((name, i) => {
    using namespace = openNamespace(name);
    using inside = new NetlinkSocket({ namespace });
    const peer = { name: 'eth0', namespaceFd: namespace.fd };
    const startedAt = performance.now();
    socket.request([createLink(`floor${i}`, { kind: 'veth', peer }, { master, up: true })]);
    inside.request([setLink('eth0', { up: true })]);
    return performance.now() - startedAt;
  });
  site.removeContainers(names);
  return percentile(starts, 50) + percentile(links, 50);
}

/** One series of calls: what each plugin took, ours first. */
type Series = readonly Measured[];

/** Medians of the series' figures. */
function figuresOf(how: string, all: readonly Series[], floor?: number): BenchFigure[] {
  return (['ADD', 'DEL'] as const).flatMap((verb) => {
    const times = (measured?: Measured): number[] => measured?.[verb].flatMap(({ ms }) => ms) ?? [];
    const cpu = (measured?: Measured): number =>
      (measured?.[verb].reduce((sum, { cpuMs }) => sum + cpuMs, 0) ?? 0) / times(measured).length;
    /** Of what is taken from each plugin: ours, theirs, and the ratio. */
    const compare = (take: (measured?: Measured) => number): readonly [number, number, number] => [
      median(all.map(([ours]) => take(ours))),
      median(all.map(([, theirs]) => take(theirs))),
      median(all.map(([ours, theirs]) => take(ours) / take(theirs))),
    ];
    const at = (percent: number, aim?: number): BenchFigure[] => {
      const [value, base, ratio] = compare((measured) => percentile(times(measured), percent));
      const name = `CNI ${verb}, ${how}, p${percent}`;
      return [
        { name: `${name} ÷ ${peer}`, value: ratio, unit: '', ...(aim === undefined ? {} : { aim }) },
        {
          ...{ name, value, unit: 'ms', peers: { [peer]: base } },
          ...(verb === 'ADD' && percent === 50 && floor !== undefined ? { floor } : {}),
        },
      ];
    };
    const [value, base] = compare(cpu);
    return [
      ...at(50, 0.25),
      ...at(99, verb === 'ADD' ? 0.5 : undefined),
      {
        ...{ name: `CNI ${verb}, ${how}, CPU of plugin and daemon`, value, unit: 'ms' },
        peers: { [peer]: base },
      },
    ];
  });
}

async function measureSeries(sites: readonly CniSite[], atOnce: number): Promise<Series[]> {
  const all: Series[] = [];
  for (let i = 0; i < series; i += 1) {
    await sleep(restMs);
    all.push(measureCalls(sites, atOnce));
  }
  return all;
}

/** What containers wait for: the plugin's whole process, beside Debian's bridge and host-local. */
export async function measureCni(): Promise<BenchFigure[]> {
  using weft = await CniSite.weft();
  using debian = CniSite.debian();
  const sites = [weft, debian];
  const seconds = await measureCrowd(weft);
  const sequential = figuresOf('one by one', await measureSeries(sites, 1), measureFloor(weft));
  const parallel = figuresOf(`${perRound} at once`, await measureSeries(sites, perRound));
  return [
    ...sequential,
    ...parallel,
    {
      name: `${crowd} containers at once until all answer a ping`,
      value: seconds,
      unit: 's',
      aim: 2,
      note: 'the pings of a hundred processes with it',
    },
  ];
}
