/**
 * Runs a `weft server` with many Services in this process's network namespace and one `weft agent` after the other
 * on the nodes beside it; changes EndpointSlices at the API and connects until the new backend answers.
 * Usage: services-change-process.ts JSON, a {@link ChangePlan}. Sends its parent {@link AgentMeasures}.
 */
import { createServer } from 'node:net';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiClient } from '../../api/client/client.ts';
import { endpointSlices, services } from '../../api/client/resources.ts';
import * as sockets from '../../netns/socket.ts';
import { close } from '../../netns/libc.ts';
import { runInNamespace } from '../../netns/namespace.ts';
import { encodeInetAddress } from '../../netns/sockaddr.ts';
import { overConnections } from './api-load.ts';
import { MeasuredServer } from './api-server.ts';
import { MeasuredAgent } from './services-agent.ts';
import { cluster, clusterIP, endpointPort, serviceOf, servicePort, sliceOf } from './services-data.ts';
import type { Tool } from './services-layouts.ts';
import { apiAddress } from './services-place.ts';
import type { Place } from './services-place.ts';

export interface ChangePlan {
  readonly stateDir: string;
  readonly services: number;
  readonly changes: number;
  readonly nodes: readonly { readonly tool: Tool; readonly place: Place; readonly withRate: boolean }[];
}

/** What one agent was measured to do. Memory in MB. */
export interface AgentMeasure {
  readonly tool: Tool;
  readonly readyMs: number;
  /** With all Services programmed: right behind the load, when there had been nothing to do for a while, at most. */
  readonly loadedRss: number;
  readonly rss: number;
  readonly peakRss: number;
  /** From the write's beginning to a connect that reaches the new backend. */
  readonly changeMs: readonly number[];
  /** CPU seconds of the agent and its tools for one change. */
  readonly changeCpu: number;
  readonly rate?: RateMeasure;
}

/** Many changes a second for a while. */
export interface RateMeasure {
  /** Answered by the API per second. */
  readonly perSecond: number;
  /** From the API's answer to a connect that reaches the new backend, of one change in fifty. */
  readonly staleMs: readonly number[];
  readonly agentCores: number;
}

const apiPort = 6443;
const changesPerSecond = 1000;
const rateSeconds = 10;
const sampleOneIn = 50;
const giveUpAfterMs = 60_000;
/** An agent looks every 5 s whether it has been idle, and gives memory back then. */
const settlingMs = 30_000;

/** Serves all endpoints and knows which of them a connect has reached. */
class Backends {
  readonly #server = createServer().listen({ host: '0.0.0.0', port: endpointPort, backlog: 1024 });

  /** Connects to a Service from the client's namespace. One at a time. */
  async reach(client: string, service: number): Promise<{ readonly address: string; readonly at: number }> {
    const accepted = once(this.#server, 'connection') as Promise<[Socket]>;
    const fd = runInNamespace(client, () => sockets.open(sockets.AF_INET, sockets.SOCK_STREAM));
    try {
      sockets.connect(fd, encodeInetAddress(clusterIP(service), servicePort));
      const at = performance.now();
      const [socket] = await accepted;
      const { localAddress: address = '' } = socket.on('error', () => undefined);
      socket.destroy();
      return { address, at };
    } finally {
      close(fd);
    }
  }
}

class Changes {
  readonly #client: ApiClient;
  readonly #backends: Backends;
  #count = 0;

  constructor(client: ApiClient, backends: Backends) {
    this.#client = client;
    this.#backends = backends;
  }

  /** Moves a Service to one endpoint that no Service had before. */
  write(service: number): { readonly address: string; readonly answered: Promise<unknown> } {
    const number = this.#count++;
    const address = `10.175.${number >> 8}.${number & 255}`;
    const slice = sliceOf(service);
    const [endpoint] = slice.endpoints;
    if (!endpoint) throw new Error('a slice without endpoints');
    const answered = this.#client.update(endpointSlices, {
      ...slice,
      endpoints: [{ ...endpoint, addresses: [address] }],
    });
    return { address, answered };
  }

  /** Milliseconds from the write's beginning until the new backend answers. */
  async measure(client: string, service: number): Promise<number> {
    const startedAt = performance.now();
    const { address, answered } = this.write(service);
    const [at] = await Promise.all([this.#whenReached(client, service, address), answered]);
    return at - startedAt;
  }

  async #whenReached(client: string, service: number, address: string): Promise<number> {
    for (const deadline = performance.now() + giveUpAfterMs; performance.now() < deadline;) {
      const reached = await this.#backends.reach(client, service);
      if (reached.address === address) return reached.at;
      await sleep(1);
    }
    throw new Error(`${clusterIP(service)} still does not lead to ${address}`);
  }

  /** Writes at a steady rate over a few connections and samples how soon packets follow. */
  async measureRate(client: string, count: number): Promise<Omit<RateMeasure, 'agentCores'>> {
    const startedAt = performance.now();
    const waiting = new Map<number, { readonly address: string; readonly answeredAt: number }>();
    let writing = true;
    const staleMs: number[] = [];
    const sample = async (): Promise<void> => {
      while (writing || waiting.size > 0) {
        for (const [service, { address, answeredAt }] of waiting) {
          const reached = await this.#backends.reach(client, service);
          const waited = reached.at - answeredAt;
          if (reached.address !== address && waited < giveUpAfterMs) continue;
          waiting.delete(service);
          staleMs.push(Math.max(0, waited));
        }
        await sleep(2);
      }
    };
    const sampling = sample();
    const total = changesPerSecond * rateSeconds;
    await overConnections(total, async (i) => {
      const dueMs = startedAt + (i / changesPerSecond) * 1000 - performance.now();
      if (dueMs > 0) await sleep(dueMs);
      const service = i % count;
      const { address, answered } = this.write(service);
      await answered;
      if (i % sampleOneIn === sampleOneIn - 1) {
        waiting.set(service, { address, answeredAt: performance.now() });
      }
    });
    const perSecond = total / ((performance.now() - startedAt) / 1000);
    writing = false;
    await sampling;
    return { perSecond, staleMs };
  }
}

async function measureAgent(
  agent: MeasuredAgent,
  changes: Changes,
  { tool, place, withRate }: ChangePlan['nodes'][number],
  plan: ChangePlan,
): Promise<AgentMeasure> {
  await agent.whenIdle();
  const { rss: loadedRss, peak: peakRss } = agent.memory();
  await sleep(settlingMs);
  const { rss } = agent.memory();
  const changeMs: number[] = [];
  const cpuBefore = agent.cpuSeconds();
  for (let i = 0; i < plan.changes; i += 1) {
    // Not in step with anything that happens at regular times.
    await sleep(30 + ((i * 37) % 100));
    changeMs.push(await changes.measure(place.client, (i * 7919) % plan.services));
  }
  const changeCpu = (agent.cpuSeconds() - cpuBefore) / plan.changes;
  const measure = { tool, readyMs: agent.readyMs, rss, loadedRss, peakRss, changeMs, changeCpu };
  if (!withRate) return measure;
  const [startedAt, cpu] = [performance.now(), agent.cpuSeconds()];
  const rate = await changes.measureRate(place.client, plan.services);
  const agentCores = (agent.cpuSeconds() - cpu) / ((performance.now() - startedAt) / 1000);
  return { ...measure, rate: { ...rate, agentCores } };
}

async function measure(plan: ChangePlan): Promise<AgentMeasure[]> {
  await using undo = new AsyncDisposableStack();
  const serverDir = join(plan.stateDir, 'api');
  const server = await MeasuredServer.start(serverDir, apiPort, {
    'listen-addresses': apiAddress,
    'advertise-address': apiAddress,
    // Agents go one after the other: their nodes' silence is no news.
    'log-level': 'error',
    'cluster-cidrs': cluster.clusterCIDRs.join(','),
    'service-cidrs': cluster.serviceCIDRs.join(','),
  });
  undo.defer(() => server.stop());
  const client = new ApiClient(server.access);
  undo.defer(() => client.close());
  await overConnections(plan.services, (i) => client.create(services, serviceOf(i)));
  await overConnections(plan.services, (i) => client.create(endpointSlices, sliceOf(i)));
  await server.whenIdle();
  const changes = new Changes(client, new Backends());
  const measures: AgentMeasure[] = [];
  for (const [i, node] of plan.nodes.entries()) {
    const agent = await MeasuredAgent.start({
      ...node,
      nodeName: `node-${i}`,
      server: server.access.server,
      tokenFile: join(serverDir, 'server/token'),
      directory: join(plan.stateDir, `node-${i}`),
    });
    try {
      measures.push(await measureAgent(agent, changes, node, plan));
    } finally {
      await agent.stop();
    }
  }
  return measures;
}

process.once('disconnect', () => process.exit(1));
const measures = await measure(JSON.parse(process.argv[2] ?? '') as ChangePlan);
process.send?.(measures, () => process.exit(0));
