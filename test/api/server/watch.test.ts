import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { createInterface } from 'node:readline';
import type { Test } from 'tap';
import t from 'tap';
import { configMaps, pods } from '../../../api/client/resources.ts';
import { SqliteStore } from '../../../api/store/sqlite.ts';
import type { ApiClient } from '../../../api/client/client.ts';
import { refusal, startServer } from './fixture.ts';
import type { Fixture } from './fixture.ts';
import { configMap, createMany, pod } from './objects.ts';

interface Event {
  readonly type: string;
  readonly object: {
    readonly kind: string;
    readonly code?: number;
    readonly reason?: string;
    readonly metadata: { name?: string; resourceVersion: string; annotations?: Record<string, string> };
    readonly columnDefinitions?: unknown[];
    readonly rows?: { cells: unknown[] }[];
  };
}

/** Asks with plain HTTP; the answer is the test's to read. */
async function openAnswer(
  t: Test,
  { server }: Fixture,
  path: string | URL,
  accept = 'application/json',
): Promise<IncomingMessage> {
  const { loopback } = server;
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const url = new URL(path, loopback.server);
    const outgoing = request(url, { ...loopback, headers: { accept }, agent: false }, resolve);
    outgoing.on('error', reject);
    outgoing.end();
  });
  t.teardown(() => response.destroy());
  return response;
}

/** Watches and reads event by event. */
async function openWatch(t: Test, fixture: Fixture, path: string, accept = 'application/json') {
  const url = new URL(path, fixture.server.loopback.server);
  url.searchParams.set('watch', '1');
  return eventsOf(await openAnswer(t, fixture, url, accept));
}

/** An answer's next event; undefined once the server has ended it. */
function eventsOf(response: IncomingMessage) {
  const lines = createInterface({ input: response })[Symbol.asyncIterator]();
  return async (): Promise<Event | undefined> => {
    const { value, done } = await lines.next();
    return done ? undefined : (JSON.parse(value) as Event);
  };
}

async function newest(client: ApiClient): Promise<string> {
  return (await client.list(configMaps)).metadata.resourceVersion ?? '';
}

const path = '/api/v1/namespaces/default/configmaps';
const brief = (event: Event | undefined) =>
  `${event?.type ?? 'end'} ${event?.object.metadata.name ?? ''}`.trim();

t.test('a watch begins with what is there, or after a revision', async (t) => {
  const fixture = await startServer(t);
  const { client } = fixture;
  const a = await client.create(configMaps, configMap('a'));
  await client.create(configMaps, configMap('b'));
  const all = await openWatch(t, fixture, path);
  const later = await openWatch(t, fixture, `${path}?resourceVersion=${a.metadata.resourceVersion ?? ''}`);
  t.same([brief(await all()), brief(await all())], ['ADDED a', 'ADDED b']);
  t.equal(brief(await later()), 'ADDED b');

  await client.patch(configMaps, { namespace: 'default', name: 'a' }, { data: { x: '1' } }, 'merge');
  await client.delete(configMaps, { namespace: 'default', name: 'b' });
  for (const next of [all, later]) {
    t.equal(brief(await next()), 'MODIFIED a');
    const gone = await next();
    t.equal(brief(gone), 'DELETED b');
    t.equal(
      Number(gone?.object.metadata.resourceVersion),
      Number(a.metadata.resourceVersion) + 3,
      'at its own revision',
    );
  }
});

t.test('objects that begin or cease to match are added and deleted', async (t) => {
  const fixture = await startServer(t);
  const { client } = fixture;
  const next = await openWatch(
    t,
    fixture,
    '/api/v1/pods?labelSelector=app%3Dweb&fieldSelector=spec.nodeName%3D',
  );
  const label = (name: string, app: string) =>
    client.patch(pods, { namespace: 'default', name }, { metadata: { labels: { app } } }, 'merge');
  await client.create(pods, pod('other'));
  await client.create(pods, pod('web'));
  t.equal(brief(await next()), 'ADDED web');
  await label('other', 'web');
  t.equal(brief(await next()), 'ADDED other');
  await label('web', 'changed');
  t.equal(brief(await next()), 'DELETED web');
  const binding = { target: { kind: 'Node', name: 'node1' } };
  await client.createSubresource(pods, { namespace: 'default', name: 'other' }, 'binding', binding);
  t.equal(brief(await next()), 'DELETED other');
});

t.test('WatchList: everything, a mark, then changes; the timeout ends it after a bookmark', async (t) => {
  const fixture = await startServer(t);
  const created = await fixture.client.create(configMaps, configMap('a'));
  const query =
    'sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=1';
  const next = await openWatch(t, fixture, `${path}?${query}`);
  t.equal(brief(await next()), 'ADDED a');
  const mark = await next();
  t.match(mark, {
    type: 'BOOKMARK',
    object: {
      kind: 'ConfigMap',
      metadata: {
        resourceVersion: created.metadata.resourceVersion,
        annotations: { 'k8s.io/initial-events-end': 'true' },
      },
    },
  });
  const elsewhere = await fixture.client.create(pods, pod('elsewhere'));
  t.match(await next(), {
    type: 'BOOKMARK',
    object: { metadata: { resourceVersion: elsewhere.metadata.resourceVersion } },
  });
  t.equal(await next(), undefined);
});

t.test('history that is gone is said to be expired', async (t) => {
  const first = await startServer(t);
  const created = await first.client.create(configMaps, configMap('a'));
  await first.client.create(configMaps, configMap('b'));
  await first.server.close();
  const store = SqliteStore.open(`${first.stateDir}/store.db`);
  await store.compact(await store.currentRevision());
  await store.close();
  const again = await startServer(t, { stateDir: first.stateDir });
  const old = await openWatch(t, again, `${path}?resourceVersion=${created.metadata.resourceVersion ?? ''}`);
  t.match(await old(), { type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } });
  t.equal(await old(), undefined);
});

t.test('tables name their columns once', async (t) => {
  const fixture = await startServer(t);
  await fixture.client.create(configMaps, configMap('a', { k: 'v' }));
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';
  const next = await openWatch(t, fixture, `${path}?resourceVersion=0`, accept);
  await fixture.client.create(configMaps, configMap('b'));
  const [one, two] = [await next(), await next()];
  t.match(one, { type: 'ADDED', object: { kind: 'Table', rows: [{ cells: ['a', 1, String] }] } });
  t.ok(one?.object.columnDefinitions?.length);
  t.match(two, { object: { rows: [{ cells: ['b', 0, String] }], columnDefinitions: [] } });
});

t.test('a server that stops ends its watches', async (t) => {
  const fixture = await startServer(t);
  const next = await openWatch(t, fixture, `${path}?resourceVersion=0`);
  const ended = next().catch(() => undefined);
  await fixture.server.close();
  t.equal(await ended, undefined);
});

t.test('what a watch may not ask for is said in upstream’s words', async (t) => {
  const fixture = await startServer(t);
  const refusals: Record<string, string> = {
    'sendInitialEvents=true':
      'resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
    'resourceVersionMatch=NotOlderThan':
      'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
    'sendInitialEvents=false&resourceVersionMatch=NotOlderThan&continue=x':
      'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided',
  };
  for (const [query, why] of Object.entries(refusals)) {
    t.match(await refusal(t, fixture.client.request('GET', `${path}?watch=true&${query}`)), {
      code: 422,
      reason: 'Invalid',
      message: `ListOptions.meta.k8s.io "" is invalid: ${why}`,
    });
  }
  const both = 'sendInitialEvents=true&resourceVersionMatch=Exact';
  t.match(await refusal(t, fixture.client.request('GET', `${path}?watch=true&${both}`)), {
    code: 422,
    message:
      /is invalid: \[resourceVersionMatch: Forbidden: .*, resourceVersionMatch: Unsupported value: "Exact"/,
  });
  const future = 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=1000000';
  t.match(await refusal(t, fixture.client.request('GET', `${path}?watch=true&${future}`)), {
    code: 504,
    reason: 'Timeout',
    message: /^Timeout: Too large resource version: 1000000, current: \d+$/,
  });
});

t.test('a watch that declines what is there begins now', async (t) => {
  const fixture = await startServer(t);
  await fixture.client.create(configMaps, configMap('before'));
  const query = 'sendInitialEvents=false&resourceVersionMatch=NotOlderThan';
  const nexts = [
    await openWatch(t, fixture, `${path}?${query}`),
    await openWatch(t, fixture, `${path}?${query}&resourceVersion=0`),
  ];
  await fixture.client.create(configMaps, configMap('after'));
  for (const next of nexts) t.equal(brief(await next()), 'ADDED after');
});

t.test('WatchList sends a long collection whole, and what changes meanwhile', async (t) => {
  const fixture = await startServer(t);
  const { client } = fixture;
  const names = Array.from({ length: 1_200 }, (_, i) => `c${String(i).padStart(4, '0')}`);
  const objects = names.map((name) => configMap(name, { v: 'x'.repeat(2_000) }));
  await createMany(client, objects);
  const query = 'sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan';
  const next = await openWatch(t, fixture, `${path}?${query}`);
  await client.delete(configMaps, { namespace: 'default', name: 'c0000' });
  await client.create(configMaps, configMap('new'));
  const seen: string[] = [];
  for (;;) {
    const event = await next();
    if (event?.type === 'BOOKMARK') break;
    seen.push(brief(event));
  }
  t.same(
    seen,
    names.map((name) => `ADDED ${name}`),
  );
  t.same([brief(await next()), brief(await next())], ['DELETED c0000', 'ADDED new']);
});

t.test('a client that does not read misses nothing and holds nobody up', async (t) => {
  const fixture = await startServer(t);
  const { client } = fixture;
  const response = await openAnswer(t, fixture, `${path}?watch=1&resourceVersion=0`);
  response.pause();
  const quick = await openWatch(t, fixture, path);
  // More than all buffers between server and client take.
  const big = 'x'.repeat(500_000);
  const names = Array.from({ length: 60 }, (_, i) => `c${i}`);
  for (const name of names) await client.create(configMaps, configMap(name, { big }));
  await client.delete(configMaps, { namespace: 'default', name: 'c7' });
  const all = [...names.map((name) => `ADDED ${name}`), 'DELETED c7'];
  for (const wanted of all) t.equal(brief(await quick()), wanted);

  const slow = eventsOf(response);
  for (const wanted of all) t.equal(brief(await slow()), wanted);
  await client.create(configMaps, configMap('last'));
  t.equal(brief(await slow()), 'ADDED last', 'and it is up to date again');
});

t.test('watchers with different eyes see the same change, each in its way', async (t) => {
  const fixture = await startServer(t);
  const { client } = fixture;
  const table = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  const partial = 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io';
  const from = `${path}?resourceVersion=${await newest(client)}`;
  const [whole, again, rows, wide, metadata] = [
    await openWatch(t, fixture, from),
    await openWatch(t, fixture, from),
    await openWatch(t, fixture, from, table),
    await openWatch(t, fixture, `${from}&includeObject=Object`, table),
    await openWatch(t, fixture, from, partial),
  ];
  const made = await client.create(configMaps, configMap('a', { k: 'v' }));
  await client.delete(configMaps, { namespace: 'default', name: 'a' });
  const { uid, resourceVersion } = made.metadata;
  const gone = String(Number(resourceVersion) + 1);
  const object = { kind: 'ConfigMap', metadata: { name: 'a', uid, resourceVersion }, data: { k: 'v' } };
  for (const next of [whole, again]) {
    t.match(await next(), { type: 'ADDED', object });
    t.match(await next(), {
      type: 'DELETED',
      object: { ...object, metadata: { uid, resourceVersion: gone } },
    });
  }
  t.match(await rows(), {
    type: 'ADDED',
    object: {
      metadata: { resourceVersion },
      rows: [{ cells: ['a', 1], object: { kind: 'PartialObjectMetadata', metadata: { uid } } }],
    },
  });
  t.match(await rows(), { type: 'DELETED', object: { metadata: { resourceVersion: gone } } });
  t.match(await wide(), { object: { columnDefinitions: [{ name: 'Name' }], rows: [{ object }] } });
  const brief = await metadata();
  t.match(brief, { object: { kind: 'PartialObjectMetadata', metadata: { uid, resourceVersion } } });
  t.notOk(brief && 'data' in brief.object);
});

t.test('a watch for longer than a timer counts does not end at once', async (t) => {
  const fixture = await startServer(t);
  const next = await openWatch(t, fixture, `${path}?timeoutSeconds=99999999999&resourceVersion=1`);
  await fixture.client.create(configMaps, configMap('a'));
  t.equal(brief(await next()), 'ADDED a');
});
