/**
 * Measures TCP connects through rules: blocking connect(2) from the client's namespace of each place to each of its
 * targets, in rounds that go over all of them, so that noise meets all alike. Pin it to one core: then a connect is
 * one chain of work from the client over the node to the endpoint and back.
 * Usage: services-connect-process.ts JSON, a {@link ConnectPlan}. Sends its parent {@link ConnectTimes}.
 */
import { createServer } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import * as sockets from '../../netns/socket.ts';
import { close } from '../../netns/libc.ts';
import { listenInNamespace, runInNamespace } from '../../netns/namespace.ts';
import { encodeInetAddress } from '../../netns/sockaddr.ts';
import { endpointPort } from './services-data.ts';
import { median } from './statistics.ts';

export interface ConnectTarget {
  readonly host: string;
  readonly port: number;
}

export interface ConnectPlan {
  /** The namespace that answers for all endpoints. */
  readonly endpoints: string;
  readonly rounds: number;
  readonly places: readonly {
    readonly client: string;
    readonly targets: readonly ConnectTarget[];
  }[];
}

/** By place, target and round: the median of a few connects, in µs. */
export type ConnectTimes = readonly (readonly (readonly number[])[])[];

/** Connects in a row to the same target: the first ones find its rules cold in the processor's caches, as real ones do. */
const inARow = 12;

class Endpoints {
  #accepted = 0;

  constructor(namespace: string) {
    const fd = listenInNamespace(namespace, { host: '0.0.0.0', port: endpointPort, backlog: 1024 });
    createServer((socket) => {
      this.#accepted += 1;
      socket.on('error', () => undefined).destroy();
    }).listen({ fd });
  }

  /** The kernel accepts connections by itself; this end closes them first, so that only it has to remember them. */
  async drain(count: number): Promise<void> {
    while (this.#accepted < count) await nextTurn();
    this.#accepted = 0;
  }
}

/** Connects and leaves the sockets to the caller, with the times in µs. */
function connect(client: string, to: Buffer): { readonly fds: number[]; readonly times: number[] } {
  return runInNamespace(client, () => {
    const fds: number[] = [];
    const times: number[] = [];
    for (let i = 0; i < inARow; i += 1) {
      const fd = sockets.open(sockets.AF_INET, sockets.SOCK_STREAM);
      fds.push(fd);
      const startedAt = performance.now();
      sockets.connect(fd, to);
      times.push((performance.now() - startedAt) * 1000);
    }
    return { fds, times };
  });
}

async function measure({ endpoints, rounds, places }: ConnectPlan): Promise<ConnectTimes> {
  const server = new Endpoints(endpoints);
  const work = places.flatMap(({ client, targets }) =>
    targets.map(({ host, port }) => ({ client, to: encodeInetAddress(host, port), medians: [] as number[] })),
  );
  const warmUp = 2;
  for (let round = -warmUp; round < rounds; round += 1) {
    // Each round begins elsewhere: nobody is always measured right after the same neighbour.
    for (let i = 0; i < work.length; i += 1) {
      const item = work[(i * 7 + round + warmUp) % work.length];
      if (!item) continue;
      const { fds, times } = connect(item.client, item.to);
      await server.drain(inARow);
      for (const fd of fds) close(fd);
      if (round >= 0) item.medians.push(median(times));
    }
  }
  let next = 0;
  return places.map(({ targets }) => targets.map(() => work[next++]?.medians ?? []));
}

process.once('disconnect', () => process.exit(1));
const times = await measure(JSON.parse(process.argv[2] ?? '') as ConnectPlan);
process.send?.(times, () => process.exit(0));
