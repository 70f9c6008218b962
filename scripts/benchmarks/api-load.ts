import { Agent, request } from 'node:https';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { ApiClient } from '../../api/client/client.ts';
import type { ClientOptions } from '../../api/client/http.ts';
import { endpointSlices, services } from '../../api/client/resources.ts';
import { makeService, makeSlice } from './api-data.ts';

const connections = 24;

/** Creates `count` Services and `slicesEach` slices for each of them; `round` labels them all. */
export async function createObjects(
  client: ApiClient,
  round: string,
  count: number,
  slicesEach: number,
): Promise<void> {
  const name = (i: number): string => `${round}-${i}`;
  await overConnections(count, (i) => client.create(services, makeService(name(i), round)));
  await overConnections(count * slicesEach, (i) => {
    const service = name(i % count);
    const slice = makeSlice(`${service}-${Math.floor(i / count)}`, service, round, i);
    return client.create(endpointSlices, slice);
  });
}

/** Deletes what {@link createObjects} has made in a round. */
export async function deleteObjects(client: ApiClient, round: string): Promise<void> {
  const query = { labelSelector: `round=${round}` };
  await client.request('DELETE', '/api/v1/namespaces/default/services', { query });
  await client.request('DELETE', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', { query });
}

/** Runs `action` for 0 … count − 1, some at a time. */
export async function overConnections(count: number, action: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await action(next++);
  };
  await Promise.all(Array.from({ length: connections }, worker));
}

/** Reads a whole list page by page over one connection, as kubectl does; returns its bytes. */
export async function readList(access: ClientOptions, path: string): Promise<number> {
  const agent = new Agent({ ...tlsOf(access), keepAlive: true, maxSockets: 1 });
  let bytes = 0;
  let token = '';
  do {
    const page = await readAll(access, `${path}?limit=500&continue=${token}`, agent);
    bytes += page.length;
    // Opaque, but without quotes: the page need not be parsed to go on.
    token = /"continue":"([^"]+)"/.exec(page.toString('latin1', page.length - 500))?.[1] ?? '';
  } while (token !== '');
  agent.destroy();
  return bytes;
}

function tlsOf({ ca, cert = '', key = '' }: ClientOptions): { ca: string; cert: string; key: string } {
  return { ca, cert, key };
}

async function readAll({ server }: ClientOptions, path: string, agent: Agent): Promise<Buffer> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(new URL(path, server), { agent }, resolve).on('error', reject).end();
  });
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  if (response.statusCode !== 200)
    throw new Error(`GET ${path}: ${response.statusCode ?? 0} ${body.toString()}`);
  return body;
}

/** Many watches of one path, each over a connection of its own. */
export class Watchers {
  readonly #requests: ClientRequest[] = [];
  readonly #count: number;
  #seen: (number | undefined)[] = [];
  #missing = 0;
  #done: () => void = () => undefined;

  /** `path` is a watch that begins now, so that nothing comes before the first change. */
  static async open(access: ClientOptions, path: string, count: number): Promise<Watchers> {
    const watchers = new Watchers(count);
    const atOnce = 50;
    for (let first = 0; first < count; first += atOnce) {
      const batch = Array.from({ length: Math.min(atOnce, count - first) }, (_, i) =>
        watchers.#open(access, path, first + i),
      );
      await Promise.all(batch);
    }
    return watchers;
  }

  private constructor(count: number) {
    this.#count = count;
  }

  #open(access: ClientOptions, path: string, index: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const outgoing = request(new URL(path, access.server), {
        agent: new Agent(tlsOf(access)),
        timeout: 0,
      });
      this.#requests.push(outgoing);
      outgoing.on('error', reject).on('response', (response: IncomingMessage) => {
        response.on('data', () => this.#note(index)).on('error', () => undefined);
        resolve();
      });
      outgoing.end();
    });
  }

  #note(index: number): void {
    if (this.#seen[index] !== undefined) return;
    this.#seen[index] = performance.now();
    this.#missing -= 1;
    if (this.#missing === 0) this.#done();
  }

  /** Milliseconds from the beginning of `change` until each watcher has heard of it. */
  async timeChange(change: () => Promise<unknown>): Promise<number[]> {
    this.#seen = Array.from({ length: this.#count });
    this.#missing = this.#count;
    const all = new Promise<void>((resolve) => (this.#done = resolve));
    const startedAt = performance.now();
    await change();
    await all;
    return this.#seen.map((at = Infinity) => at - startedAt);
  }

  close(): void {
    for (const outgoing of this.#requests) outgoing.destroy();
  }
}
