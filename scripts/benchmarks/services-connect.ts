import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { listenInNamespace } from '../../netns/namespace.ts';
import { runChild, startChild } from './services-child.ts';
import type { ConnectPlan, ConnectTarget, ConnectTimes } from './services-connect-process.ts';
import { clusterIP, endpointAddresses, endpointPort, servicePort } from './services-data.ts';
import { peerLimits, tools } from './services-layouts.ts';
import type { Owner, Tool } from './services-layouts.ts';
import { loadInto } from './services-load.ts';
import type { LoadCost } from './services-load-process.ts';
import { Site } from './services-place.ts';
import type { Place } from './services-place.ts';
import { median } from './statistics.ts';

/** What a connect goes through; `direct` is traffic that is for no Service. */
export const targets = ['first', 'middle', 'last', 'direct'] as const;
type Target = (typeof targets)[number];

/** Connects through one owner's rules of one tool with so many Services. */
export interface Measured {
  readonly owner: Owner;
  readonly tool: Tool;
  readonly services: number;
  readonly load: LoadCost;
  /** By a program over its event loop, as connects are mostly made; undefined where not asked for. */
  readonly program: Connects | undefined;
  /** connect(2) alone with everything on one core: the kernel's way of the packets and nothing else. */
  readonly syscall: Connects;
}

export interface Connects {
  /** p50 in µs. */
  readonly times: Readonly<Record<Target, number>>;
  /** p50 ÷ that of the same tool's single DNAT rule; `direct` ÷ traffic that the single rule does not match. */
  readonly ratios: Readonly<Record<Target, number>>;
}

interface Loaded {
  readonly owner: Owner;
  readonly tool: Tool;
  readonly place: Place;
  readonly load: LoadCost;
}

const rounds = 60;
const warmUp = 2;

/** Measures all rules with so many Services side by side; kube-proxy's only where they can be loaded in time. */
export async function measureConnects(services: number, withPrograms: boolean): Promise<Measured[]> {
  using site = new Site();
  const loaded: Loaded[] = [];
  for (const tool of tools) {
    for (const owner of ['single rule', 'weft', 'kube-proxy'] as const) {
      if (owner === 'kube-proxy' && services > peerLimits[tool]) continue;
      const place = site.addPlace();
      const count = owner === 'single rule' ? 1 : services;
      loaded.push({ owner, tool, place, load: await loadInto(place, owner, tool, count) });
    }
  }
  const plan: ConnectPlan = {
    endpoints: site.endpoints,
    rounds,
    places: loaded.map(({ owner, place }) => ({
      client: place.client,
      targets: targetsOf(owner === 'single rule' ? 1 : services),
    })),
  };
  const syscalls = await runChild<ConnectTimes>('services-connect-process.ts', [JSON.stringify(plan)], {
    pinned: true,
  });
  const programs = withPrograms ? await measurePrograms(plan) : undefined;
  return loaded.map(({ owner, tool, load }, i) => {
    const floor = loaded.findIndex((each) => each.owner === 'single rule' && each.tool === tool);
    const toFloor = (times: ConnectTimes): Connects => compare(times[i] ?? [], times[floor] ?? []);
    return {
      owner,
      tool,
      services,
      load,
      program: programs && toFloor(programs),
      syscall: toFloor(syscalls),
    };
  });
}

/** The same plan with a program per client that connects over its event loop. */
async function measurePrograms({ endpoints, rounds, places }: ConnectPlan): Promise<ConnectTimes> {
  await using undo = new AsyncDisposableStack();
  const fd = listenInNamespace(endpoints, { host: '0.0.0.0', port: endpointPort });
  const server = createServer((socket) => socket.on('error', () => undefined).destroy()).listen({ fd });
  undo.defer(() => void server.close());
  const work: { program: ChildProcess; target: ConnectTarget; medians: number[] }[] = [];
  for (const { client, targets } of places) {
    const program = startChild('services-program-process.ts', [], { namespace: client, pinned: true });
    undo.defer(() => program.disconnect());
    await once(program, 'message');
    for (const target of targets) work.push({ program, target, medians: [] as number[] });
  }
  for (let round = -warmUp; round < rounds; round += 1) {
    for (const { program, target, medians } of work) {
      program.send(target);
      const [time] = (await once(program, 'message')) as [number];
      if (round >= 0) medians.push(time);
    }
  }
  let next = 0;
  return places.map(({ targets }) => targets.map(() => work[next++]?.medians ?? []));
}

function targetsOf(services: number): ConnectTarget[] {
  const [endpoint = ''] = endpointAddresses(0);
  const through = [0, Math.floor(services / 2), services - 1].map((service) => ({
    host: clusterIP(service),
    port: servicePort,
  }));
  return [...through, { host: endpoint, port: endpointPort }];
}

/** Ratios are taken round by round: what slowed a round down slowed its floor down, too. */
function compare(times: readonly (readonly number[])[], floor: readonly (readonly number[])[]): Connects {
  const by = (value: (i: number) => number): Record<Target, number> =>
    Object.fromEntries(targets.map((target, i) => [target, value(i)])) as Record<Target, number>;
  return {
    times: by((i) => median(times[i] ?? [])),
    ratios: by((i) => median((times[i] ?? []).map((time, round) => time / (floor[i]?.[round] ?? NaN)))),
  };
}
