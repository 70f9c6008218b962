/**
 * Loads Services into this process's network namespace and sends its parent what that took ({@link LoadCost}).
 * Our own rules take the agent's way: objects arrive in its caches, its subsystem compiles and programs them.
 * With REPAIRS our rules are then thrown away so often, and it sends how long their repair took ({@link LoadCost}).
 * Usage: services-load-process.ts OWNER TOOL COUNT POD_RANGE NODE_IP [REPAIRS]
 */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import type { Config } from '../../agent/config/config.ts';
import { loadConfig } from '../../agent/config/load.ts';
import { ServiceRules } from '../../agent/services/services.ts';
import type { AgentContext } from '../../agent/subsystem.ts';
import type { EndpointSlice } from '../../api/kinds/endpoint-slice.ts';
import type { Node } from '../../api/kinds/node.ts';
import type { Service } from '../../api/kinds/service.ts';
import { FakeCache } from '../../rig/fake-cache.ts';
import { cpuSecondsOf } from './measured-process.ts';
import { cluster, serviceOf, sliceOf } from './services-data.ts';
import { loadForeign, makeBackend, owners, tools } from './services-layouts.ts';
import type { Tool } from './services-layouts.ts';
import type { Place } from './services-place.ts';

/** In seconds. */
export interface LoadCost {
  readonly seconds: number;
  /** Of this process and of the tools it runs. */
  readonly cpu: number;
  /** From the end of the program that threw all rules away until they are there again. */
  readonly repairs?: readonly number[];
}

const nodeName = 'node-7';
const keyOf = ({ metadata }: Service | EndpointSlice | Node): string => `default/${metadata.name}`;

async function measure(action: () => Promise<void> | void): Promise<LoadCost> {
  const [startedAt, cpuBefore] = [performance.now(), cpuSecondsOf(process.pid, true)];
  await action();
  return {
    seconds: (performance.now() - startedAt) / 1000,
    cpu: cpuSecondsOf(process.pid, true) - cpuBefore,
  };
}

/** A sync that fails is tried again for ever: here it ends the measurement. */
function fail(line: string): never {
  throw new Error(line);
}

/** What an agent has when nobody sets anything, whatever this machine's own configuration says. */
function configOf(tool: Tool, nodeIP: string): Config {
  const backend = tool === 'nftables' ? 'nftables' : 'iptables';
  return loadConfig({
    file: '/dev/null',
    environment: {},
    flags: {
      backend,
      clusterCIDRs: cluster.clusterCIDRs.join(','),
      serviceCIDRs: cluster.serviceCIDRs.join(','),
    },
    detectAddresses: () => [nodeIP],
  });
}

/** What an administrator, or another program's reload, does to rules. */
const damages: Readonly<Record<Tool, readonly string[]>> = {
  nftables: ['nft', 'flush', 'ruleset'],
  'iptables-nft': ['nft', 'flush', 'ruleset'],
  'iptables-legacy': ['iptables-legacy', '-w', '-t', 'nat', '-F'],
};

async function measureRepairs(tool: Tool, metrics: Registry, count: number): Promise<number[]> {
  const repairs = async (): Promise<number> =>
    (await metrics.getSingleMetric('weft_services_repairs_total')?.get())?.values[0]?.value ?? 0;
  const seconds: number[] = [];
  const [program = '', ...args] = damages[tool];
  for (let i = 0; i < count; i += 1) {
    // The share of a processor that comparing may take is to be free again.
    await sleep(10_000);
    const before = await repairs();
    await promisify(execFile)(program, args);
    const damagedAt = performance.now();
    while ((await repairs()) === before) await sleep(5);
    seconds.push((performance.now() - damagedAt) / 1000);
  }
  return seconds;
}

async function loadOurs(
  tool: Tool,
  count: number,
  { podRange, nodeIP }: Pick<Place, 'podRange' | 'nodeIP'>,
  repairs: number,
): Promise<LoadCost> {
  const caches = {
    services: new FakeCache<Service>(keyOf),
    endpointSlices: new FakeCache<EndpointSlice>(keyOf),
    nodes: new FakeCache<Node>(({ metadata }) => metadata.name),
  };
  const objects = Array.from({ length: count }, (_, i) => ({ service: serviceOf(i), slice: sliceOf(i) }));
  const node = { metadata: { name: nodeName }, spec: { podCIDRs: [podRange] } } as Node;
  const config = configOf(tool, nodeIP);
  const metrics = new Registry();
  const context = {
    nodeName,
    config: config.agent,
    cluster: config.server.cluster,
    client: { create: () => Promise.reject(new Error('the benchmark has no API')) },
    caches,
    log: pino({ level: 'error' }, { write: fail }),
    metrics,
  } as unknown as AgentContext;
  const rules = new ServiceRules(context, {
    choose: (_name, run) =>
      Promise.resolve({
        backend: makeBackend(tool, run),
        others: [],
        rules: tool === 'iptables-legacy' ? 'legacy' : 'nft',
      }),
  });
  await rules.start();
  const cost = await measure(async () => {
    caches.nodes.set(node);
    for (const { service, slice } of objects) {
      caches.services.set(service);
      caches.endpointSlices.set(slice);
    }
    for (const cache of Object.values(caches)) cache.sync();
    while (!rules.health().ready) await sleep(5);
  });
  const seconds = await measureRepairs(tool, metrics, repairs);
  await rules.stop();
  return repairs === 0 ? cost : { ...cost, repairs: seconds };
}

const [ownerText, toolText, count = '0', podRange = '', nodeIP = '', repairs = '0'] = process.argv.slice(2);
const owner = owners.find((each) => each === ownerText);
const tool = tools.find((each) => each === toolText);
if (!owner || !tool) throw new Error(`no such rules: ${ownerText} ${toolText}`);
process.once('disconnect', () => process.exit(1));
const cost =
  owner === 'weft'
    ? await loadOurs(tool, Number(count), { podRange, nodeIP }, Number(repairs))
    : await measure(() => loadForeign(owner, tool, Number(count)));
process.send?.(cost, () => process.exit(0));
