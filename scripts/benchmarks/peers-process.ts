/** Measures a node's network with many other nodes, in this process's network namespace; sends its parent the times. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { Registry } from 'prom-client';
import { SettingsKeeper } from '../../agent/host/settings.ts';
import { ownership } from '../../agent/network/marks.ts';
import { NodeNetwork, removeNodeNetwork } from '../../agent/network/node-network.ts';
import { PodNetwork } from '../../agent/network/pod-network.ts';
import type { NetworkMode } from '../../agent/network/view.ts';
import type { Node } from '../../api/kinds/node.ts';
import { ensureAddress } from '../../netns/address.ts';
import { createLink, getLink, setLink } from '../../netns/link.ts';
import { NetlinkSocket } from '../../netns/netlink.ts';
import { observe } from '../../netns/state.ts';
import { FakeCache } from '../../rig/fake-cache.ts';

/** Times in ms. */
export interface PeerTimes {
  /** From an empty host to all ways; wall and CPU, each repetition. */
  readonly start: readonly number[];
  readonly startCpu: readonly number[];
  /** With everything there already: read, compared, nothing done. */
  readonly restart: readonly number[];
  /** From the event of one Node to its ways in the kernel. */
  readonly move: readonly number[];
  readonly join: readonly number[];
  readonly leave: readonly number[];
  /** The same ways by `ip -batch` and `bridge -batch`. */
  readonly iproute2: number;
  /** Routes, neighbours and forwarding entries that there are. */
  readonly objects: number;
}

/** What the parent asks for. */
export interface PeerSettings {
  readonly peers: number;
  readonly mode: NetworkMode;
}

const { peers, mode } = JSON.parse(process.argv[2] ?? '{}') as PeerSettings;
const repetitions = 3;
const changes = 30;

function makeNode(number: number, address = number): Node {
  const [high, low] = [number >> 8, number & 255];
  return {
    metadata: { name: `node${number}`, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { podCIDRs: [`10.${high}.${low}.0/24`, `fd00:10:244:${number.toString(16)}::/64`] },
    status: { addresses: [{ type: 'InternalIP', address: nodeIP(address) }] },
  };
}

function nodeIP(number: number): string {
  return `172.30.${number >> 8}.${number & 255}`;
}

/** The cluster's nodes, as a watch would tell of them: this one and its peers. */
function makeNodes(): FakeCache<Node> {
  const nodes = new FakeCache<Node>(({ metadata }) => metadata.name);
  for (let number = 1; number <= peers + 1; number += 1) nodes.set(makeNode(number));
  nodes.sync();
  return nodes;
}

function fail(): void {
  throw new Error('two nodes of the benchmark have one range');
}

function makeHost(): void {
  using socket = new NetlinkSocket();
  socket.request([
    setLink('lo', { up: true }),
    createLink('eth0', { kind: 'bridge' }),
    setLink('eth0', { up: true }),
  ]);
  const { ifindex } = getLink(socket, 'eth0');
  socket.request([ensureAddress({ ifindex, address: nodeIP(1), prefix: 16, protocol: 4, passive: false })]);
}

/** The network of node1, with a register of its own to read passes from. */
function makeNetwork(
  nodes: FakeCache<Node>,
  stateDir: string,
): { network: NodeNetwork; passes: () => Promise<number> } {
  const metrics = new Registry();
  const context = {
    nodeName: 'node1',
    metrics,
    log: pino({ level: 'silent' }),
    config: {
      nodeIPs: [nodeIP(1)],
      networkMode: mode,
      podLink: 'bridge' as const,
      vxlan: { port: 8472, vni: 117 },
      stateDir,
    },
    cluster: { dnsIPs: [] },
    caches: { nodes },
  };
  const passes = async (): Promise<number> => {
    const metric = await metrics.getSingleMetric('weft_network_pass_seconds')?.get();
    return (metric?.values ?? [])
      .filter((value) => 'metricName' in value && String(value.metricName).endsWith('_count'))
      .reduce((sum, { value }) => sum + value, 0);
  };
  const reports = { noteFenced: fail, noteReleased: fail };
  // Nobody is there to be probed.
  const paths = {
    mtus: new Map<string, number>(),
    subscribe: () => () => undefined,
    follow: () => undefined,
  };
  const straight = {
    proven: { has: () => true },
    subscribe: () => () => undefined,
    adopt: () => undefined,
    follow: () => undefined,
  };
  const network = new NodeNetwork(context, new PodNetwork(context), reports, {
    paths,
    straight,
    settings: new SettingsKeeper(),
  });
  return { network, passes };
}

/** Until one more pass has been made than before `act`. */
async function timePass(passes: () => Promise<number>, act: () => unknown): Promise<number> {
  const before = await passes();
  const startedAt = performance.now();
  await act();
  while ((await passes()) === before) await turn();
  return performance.now() - startedAt;
}

function countObjects(): number {
  using socket = new NetlinkSocket();
  const { routes, neighbors, fdb } = observe(socket, ownership, []);
  return routes.length + neighbors.length + fdb.length;
}

async function measureStarts(stateDir: string): Promise<Pick<PeerTimes, 'start' | 'startCpu' | 'restart'>> {
  const start: number[] = [];
  const startCpu: number[] = [];
  const restart: number[] = [];
  for (let i = 0; i < repetitions; i += 1) {
    const nodes = makeNodes();
    const first = makeNetwork(nodes, stateDir);
    const cpu = process.cpuUsage();
    start.push(await timePass(first.passes, () => first.network.start()));
    const { user, system } = process.cpuUsage(cpu);
    startCpu.push((user + system) / 1000);
    await first.network.stop();
    const second = makeNetwork(nodes, stateDir);
    restart.push(await timePass(second.passes, () => second.network.start()));
    await second.network.stop();
    if (i < repetitions - 1) removeNodeNetwork();
  }
  return { start, startCpu, restart };
}

async function measureChanges(stateDir: string): Promise<Pick<PeerTimes, 'move' | 'join' | 'leave'>> {
  const nodes = makeNodes();
  const { network, passes } = makeNetwork(nodes, stateDir);
  await timePass(passes, () => network.start());
  const measure = async (act: (i: number) => void): Promise<number[]> => {
    const times: number[] = [];
    for (let i = 0; i < changes; i += 1) {
      // A burst of changes is one pass: each of these comes alone.
      await sleep(220);
      times.push(await timePass(passes, () => act(i)));
    }
    return times;
  };
  const other = (i: number): number => 2 + Math.floor((i * peers) / changes);
  const move = await measure((i) => nodes.set(makeNode(other(i), peers + 100 + i)));
  const leave = await measure((i) => nodes.delete(`node${other(i)}`));
  const join = await measure((i) => nodes.set(makeNode(other(i))));
  await network.stop();
  return { move, join, leave };
}

/** iproute2 gives a host without ways the same. */
function measureIproute2(): number {
  using socket = new NetlinkSocket();
  const { routes, neighbors, fdb } = observe(socket, ownership, []);
  const ip = [
    ...neighbors.map(
      ({ link, address, mac }) => `neigh replace ${address} lladdr ${mac} dev ${link} nud permanent`,
    ),
    ...routes.map(
      ({ link, destination, gateway, source }) =>
        `route replace ${destination} via ${gateway} dev ${link} src ${source} onlink proto 117`,
    ),
  ];
  const bridge = fdb.map(
    ({ link, mac, destination }) => `fdb replace ${mac} dev ${link} dst ${destination} self`,
  );
  for (const { link } of [...routes.slice(0, 1), ...neighbors.slice(0, 1)])
    execFileSync('sh', [
      '-c',
      `ip route flush proto 117; ip -6 route flush proto 117; ip neigh flush dev ${link} nud permanent`,
    ]);
  const startedAt = performance.now();
  execFileSync('ip', ['-batch', '-'], { input: ip.join('\n') });
  if (bridge.length > 0) execFileSync('bridge', ['-batch', '-'], { input: bridge.join('\n') });
  return performance.now() - startedAt;
}

const stateDir = mkdtempSync(path.join(tmpdir(), 'weft-bench-'));
try {
  makeHost();
  const starts = await measureStarts(stateDir);
  const objects = countObjects();
  const times: PeerTimes = {
    ...starts,
    ...(await measureChanges(stateDir)),
    objects,
    iproute2: measureIproute2(),
  };
  process.send?.(times);
} finally {
  rmSync(stateDir, { recursive: true });
}
process.disconnect();
