import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { createInterface } from 'node:readline';
import t from 'tap';
import type { Test } from 'tap';
import { ApiError } from '../../../api/client/api-error.ts';
import type { ApiClient } from '../../../api/client/client.ts';
import { configMaps } from '../../../api/client/resources.ts';
import type { ConfigMap } from '../../../api/kinds/config-map.ts';
import { startServer } from './fixture.ts';
import type { Fixture } from './fixture.ts';

/**
 * Writers change, delete and recreate a few objects at random, all at once. What every watcher sees, from whatever
 * revision on, is then compared with what a watch of everything saw.
 */

interface Event {
  readonly type: string;
  readonly object: ConfigMap;
}

/** One change of one object. */
interface Change {
  readonly revision: number;
  readonly before: ConfigMap | undefined;
  readonly after: ConfigMap | undefined;
}

/** Selectors and what they mean. */
const selections: readonly { readonly query: string; readonly matches: (object: ConfigMap) => boolean }[] = [
  { query: '', matches: () => true },
  { query: 'labelSelector=a%3D1', matches: ({ metadata }) => metadata.labels?.['a'] === '1' },
  { query: 'labelSelector=a!%3D1', matches: ({ metadata }) => metadata.labels?.['a'] !== '1' },
  { query: 'labelSelector=a', matches: ({ metadata }) => metadata.labels?.['a'] !== undefined },
  { query: 'fieldSelector=metadata.name%3Dc1', matches: ({ metadata }) => metadata.name === 'c1' },
  { query: 'fieldSelector=metadata.name!%3Dc1', matches: ({ metadata }) => metadata.name !== 'c1' },
];

const names = ['c', 'c1', 'c10', 'c2'];
const at = (name: string) => ({ namespace: 'default', name });
const collection = '/api/v1/namespaces/default/configmaps';

t.test('every watcher sees every change as its selector and its beginning have it', async (t) => {
  const fixture = await startServer(t);
  const { client } = fixture;
  const start = Number((await client.list(configMaps)).metadata.resourceVersion);
  const watchers = await Promise.all(selections.map(({ query }) => follow(t, fixture, query, start)));

  const seed = Date.now() % 100_000;
  t.comment(`seed ${seed}`);
  await Promise.all([1, 2, 3].map((writer) => writeAtRandom(client, createRandom(seed + writer), 40)));
  await client.create(configMaps, { metadata: { ...at('end') } });

  const history = await readHistory(watchers[0]?.events ?? nobody());
  const { items } = await client.list(configMaps, { namespace: 'default' });
  t.same(stateAfter(history, Infinity), briefly(items), 'the events add up to the list');
  for (const [i, { query, matches }] of selections.entries()) {
    const events = i === 0 ? undefined : watchers[i]?.events;
    if (events)
      t.same(await read(events, expected(history, matches, start)), expected(history, matches, start), query);
    for (const { revision } of history.filter((_, index) => index % 12 === 2 * i)) {
      const wanted = expected(history, matches, revision);
      const late = await follow(t, fixture, query, revision);
      t.same(await read(late.events, wanted), wanted, `${query} after ${revision}`);
      late.close();
    }
  }
});

t.test('a list at any revision is what the events add up to by then', async (t) => {
  const fixture = await startServer(t);
  const { client } = fixture;
  const start = Number((await client.list(configMaps)).metadata.resourceVersion);
  const { events } = await follow(t, fixture, '', start);
  await writeAtRandom(client, createRandom(7), 40);
  await client.create(configMaps, { metadata: { ...at('end') } });
  const history = await readHistory(events);
  for (const { revision } of history) {
    const listed: ConfigMap[] = [];
    const query = new URLSearchParams({
      resourceVersion: String(revision),
      resourceVersionMatch: 'Exact',
      limit: '2',
    });
    for (let more = true; more; more = query.has('continue')) {
      const list = (await client.request('GET', `${collection}?${query.toString()}`)) as List;
      t.equal(list.metadata.resourceVersion, String(revision));
      listed.push(...list.items);
      query.delete('continue');
      query.delete('resourceVersion');
      query.delete('resourceVersionMatch');
      if (list.metadata.continue) query.set('continue', list.metadata.continue);
    }
    t.same(stateAfter(history, revision), briefly(listed), `at ${revision}`);
  }
});

interface List {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly ConfigMap[];
}

/** Follows the collection after a revision. */
async function follow(t: Test, { server }: Fixture, query: string, after: number) {
  const url = new URL(`${collection}?watch=1&resourceVersion=${after}&${query}`, server.loopback.server);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(url, { ...server.loopback, agent: false }, resolve)
      .on('error', reject)
      .end();
  });
  const close = () => response.destroy();
  t.teardown(close);
  return { events: eventsOf(response), close };
}

async function* eventsOf(response: IncomingMessage): AsyncGenerator<Event, void> {
  for await (const line of createInterface({ input: response })) yield JSON.parse(line) as Event;
}

async function* nobody(): AsyncGenerator<Event, void> {}

/** All that happened until the object `end` was made, from the events of all. */
async function readHistory(events: AsyncGenerator<Event, void>): Promise<Change[]> {
  const history: Change[] = [];
  const state = new Map<string, ConfigMap>();
  for await (const { type, object } of events) {
    const { name } = object.metadata;
    const before = state.get(name);
    const isNew = before === undefined;
    if (isNew !== (type === 'ADDED'))
      throw new Error(`${name} is ${type} and was ${isNew ? 'not ' : ''}there`);
    const revision = revisionOf(object);
    if (revision <= (history.at(-1)?.revision ?? 0)) throw new Error(`${revision} comes too late`);
    const after = type === 'DELETED' ? undefined : object;
    history.push({ revision, before, after });
    if (after) state.set(name, after);
    else state.delete(name);
    if (name === 'end') break;
  }
  return history;
}

/** What a watch after a revision must say, in short. */
function expected(
  history: readonly Change[],
  matches: (object: ConfigMap) => boolean,
  after: number,
): string[] {
  return history.flatMap(({ revision, before, after: next }) => {
    if (revision <= after) return [];
    const was = before !== undefined && matches(before);
    const name = (next ?? before)?.metadata.name ?? '';
    if (next && matches(next)) return [`${was ? 'MODIFIED' : 'ADDED'} ${name} ${revision}`];
    return was ? [`DELETED ${name} ${revision}`] : [];
  });
}

/** As many events as are wanted, in short. */
async function read(events: AsyncGenerator<Event, void>, wanted: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  while (found.length < wanted.length) {
    const { value } = await events.next();
    if (!value) break;
    found.push(`${value.type} ${value.object.metadata.name} ${revisionOf(value.object)}`);
  }
  return found;
}

function stateAfter(history: readonly Change[], revision: number): string[] {
  const state = new Map<string, ConfigMap>();
  for (const change of history) {
    if (change.revision > revision) break;
    if (change.after) state.set(change.after.metadata.name, change.after);
    else if (change.before) state.delete(change.before.metadata.name);
  }
  return briefly([...state.values()]);
}

function briefly(objects: readonly ConfigMap[]): string[] {
  return objects
    .filter(({ metadata }) => metadata.name !== 'kube-root-ca.crt')
    .map(({ metadata, data }) =>
      JSON.stringify([metadata.name, metadata.uid, metadata.resourceVersion, metadata.labels, data]),
    )
    .sort();
}

function revisionOf({ metadata }: ConfigMap): number {
  return Number(metadata.resourceVersion);
}

type Random = (below: number) => number;

/** A small generator with a seed (Numerical Recipes' constants): a failure can be repeated. */
function createRandom(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return Math.floor((state / 2 ** 32) * below);
  };
}

async function writeAtRandom(client: ApiClient, random: Random, count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    try {
      await write(client, random, String(i));
    } catch (error) {
      // Others were faster: the object is gone, there already, or another version.
      if (!(error instanceof ApiError) || ![404, 409, 422].includes(error.code)) throw error;
    }
  }
}

async function write(client: ApiClient, random: Random, value: string): Promise<void> {
  const name = names[random(names.length)] ?? '';
  const a = [undefined, '1', '2'][random(3)];
  const labels = a === undefined ? {} : { a };
  const finalizers = random(3) === 0 ? ['example.com/hold'] : [];
  const type = { apiVersion: 'v1', kind: 'ConfigMap' };
  switch (random(6)) {
    case 0:
      await client.create(configMaps, {
        ...type,
        metadata: { ...at(name), labels, finalizers },
        data: { value },
      });
      return;
    case 1: {
      const found = await client.get(configMaps, at(name));
      await client.update(configMaps, {
        ...found,
        metadata: { ...found.metadata, labels, finalizers },
        data: { value },
      });
      return;
    }
    case 2:
      await client.patch(
        configMaps,
        at(name),
        { metadata: { labels: { a: a ?? null } }, data: { value } },
        'merge',
      );
      return;
    case 3:
      await client.patch(configMaps, at(name), { metadata: { finalizers: null } }, 'merge');
      return;
    case 4: {
      const applied = { ...type, metadata: { ...at(name), labels }, data: { applied: value } };
      const path = `${collection}/${name}?fieldManager=model&force=true`;
      await client.request('PATCH', path, { body: applied, contentType: 'application/apply-patch+yaml' });
      return;
    }
    default:
      await client.delete(configMaps, at(name));
  }
}
