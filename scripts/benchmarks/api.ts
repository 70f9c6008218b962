import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ApiClient } from '../../api/client/client.ts';
import { services } from '../../api/client/resources.ts';
import { measureFloor, timeSeconds } from './api-floor.ts';
import type { Floor } from './api-floor.ts';
import { createObjects, deleteObjects, readList, Watchers } from './api-load.ts';
import { MeasuredServer } from './api-server.ts';
import { median, percentile } from './statistics.ts';
import type { Bench, BenchFigure, BenchResult } from './result.ts';
import { freePort } from '../../rig/free-port.ts';

const scale = { services: 10_000, slicesEach: 5 };
const rounds = 5;
const created = 1_000;
const watcherCount = 1_000;
const changes = 20;
const slicesPath = '/apis/discovery.k8s.io/v1/endpointslices';

/** Wall clock and the server's CPU time, in seconds. */
interface Cost {
  readonly seconds: number;
  readonly cpu: number;
}

interface Measured {
  readonly starts: readonly number[];
  /** In MB: with the data, its controllers in step; and after all the work below. */
  readonly rss: { readonly idle: number; readonly after: number; readonly peak: number };
  readonly lists: readonly Cost[];
  readonly listBytes: number;
  readonly creates: readonly Cost[];
  readonly fanOutMs: readonly number[];
  readonly floor: Floor;
}

/** A busy API: 10,000 Services with 50,000 EndpointSlices. */
export const bench: Bench = {
  name: 'api',
  async run(): Promise<BenchResult> {
    const stateDir = mkdtempSync(path.join(tmpdir(), 'weft-bench-'));
    try {
      return { name: 'api', figures: [...figuresOf(await measure(stateDir))] };
    } finally {
      rmSync(stateDir, { recursive: true });
    }
  },
};

async function measure(stateDir: string): Promise<Measured> {
  const port = await freePort();
  await fill(stateDir, port);
  const starts: number[] = [];
  for (let i = 0; i < rounds; i += 1) {
    const server = await MeasuredServer.start(stateDir, port);
    starts.push(server.readyMs / 1000);
    await server.stop();
  }
  const server = await MeasuredServer.start(stateDir, port);
  try {
    return { starts, ...(await work(server, stateDir)) };
  } finally {
    await server.stop();
  }
}

async function fill(stateDir: string, port: number): Promise<void> {
  const server = await MeasuredServer.start(stateDir, port);
  const client = new ApiClient(server.access);
  await createObjects(client, 'seed', scale.services, scale.slicesEach);
  client.close();
  await server.stop();
}

async function work(server: MeasuredServer, stateDir: string): Promise<Omit<Measured, 'starts'>> {
  const client = new ApiClient(server.access);
  await server.whenIdle();
  const idle = server.memory().rss;
  let listBytes = 0;
  const lists: Cost[] = [];
  for (let i = 0; i < rounds; i += 1) {
    lists.push(await costOf(server, async () => (listBytes = await readList(server.access, slicesPath))));
  }
  const creates: Cost[] = [];
  for (let i = 0; i < rounds; i += 1) {
    creates.push(await costOf(server, () => createObjects(client, `new${i}`, created, 1)));
    await deleteObjects(client, `new${i}`);
  }
  await server.whenIdle();
  const fanOutMs = await fanOut(server, client);
  const { rss: after, peak } = server.memory();
  client.close();
  const floor = await measureFloor({
    access: server.access,
    directory: path.join(stateDir, 'server/pki'),
    listBytes,
    pages: Math.ceil((scale.services * scale.slicesEach) / 500),
    objects: created,
    watchers: watcherCount,
    changes,
  });
  return { rss: { idle, after, peak }, lists, listBytes, creates, fanOutMs, floor };
}

async function fanOut(server: MeasuredServer, client: ApiClient): Promise<number[]> {
  const { resourceVersion = '' } = (await client.list(services, { limit: 1 })).metadata;
  const from = `/api/v1/services?watch=true&resourceVersion=${resourceVersion}`;
  const watchers = await Watchers.open(server.access, from, watcherCount);
  const times: number[] = [];
  for (let i = 0; i < changes; i += 1) {
    const annotations = { change: String(i) };
    const change = () =>
      client.patch(
        services,
        { namespace: 'default', name: 'seed-7' },
        { metadata: { annotations } },
        'merge',
      );
    times.push(...(await watchers.timeChange(change)));
  }
  watchers.close();
  return times;
}

async function costOf(server: MeasuredServer, action: () => Promise<unknown>): Promise<Cost> {
  const before = server.cpuSeconds();
  const seconds = await timeSeconds(action);
  return { seconds, cpu: server.cpuSeconds() - before };
}

function* figuresOf({
  starts,
  rss,
  lists,
  listBytes,
  creates,
  fanOutMs,
  floor,
}: Measured): Generator<BenchFigure> {
  const peer = 'kube-apiserver + etcd';
  const runs = `median of ${rounds}`;
  const seconds = (costs: readonly Cost[]): number => median(costs.map((cost) => cost.seconds));
  const cpu = (costs: readonly Cost[]): number => median(costs.map((cost) => cost.cpu));
  yield {
    name: 'create 1,000 + 1,000',
    value: seconds(creates),
    unit: 's',
    aim: 4.5,
    peers: { [peer]: 4.5 },
    floor: floor.createSeconds,
    note: `${runs}, 24 connections, durable (the peer without fsync, empty); floor: TLS, HTTP, SQLite`,
  };
  yield { name: 'create: CPU', value: cpu(creates), unit: 's', note: 'of the server, controllers included' };
  yield {
    name: 'list 50,000 slices',
    value: seconds(lists),
    unit: 's',
    aim: 2,
    floor: floor.listSeconds,
    note: `${runs}, ${(listBytes / 1e6).toFixed(0)} MB in pages of 500; floor: the same bytes`,
  };
  yield { name: 'list: CPU', value: cpu(lists), unit: 's' };
  yield {
    name: '1,000 watchers: p99',
    value: percentile(fanOutMs, 99),
    unit: 'ms',
    aim: 250,
    floor: percentile(floor.fanOutMs, 99),
    note: `from the request to each watcher, ${changes} changes; floor: 1,000 bytes to each`,
  };
  yield {
    name: '1,000 watchers: p50',
    value: percentile(fanOutMs, 50),
    unit: 'ms',
    floor: percentile(floor.fanOutMs, 50),
  };
  yield {
    name: 'start to ready',
    value: median(starts),
    unit: 's',
    aim: 3,
    peers: { [`${peer}, empty`]: 2.6 },
    floor: floor.startSeconds,
    note: `${runs}; floor: node that does nothing`,
  };
  yield {
    name: 'memory with the data',
    value: rss.idle,
    unit: 'MB',
    aim: 400,
    peers: { [`${peer}, 1,000 Services`]: 335 },
    floor: floor.rss,
    note: 'RSS of `weft server`, its controllers in step; floor: a Node.js HTTPS server',
  };
  yield {
    name: 'memory after all this',
    value: rss.after,
    unit: 'MB',
    note: `with 1,000 watchers just gone; at most ${rss.peak.toFixed(0)} MB`,
  };
}
