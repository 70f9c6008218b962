import { request } from 'node:https';
import { createInterface } from 'node:readline';
import type { Test } from 'tap';
import t from 'tap';
import { configMaps, pods } from '../../../api/client/resources.ts';
import { SqliteStore } from '../../../api/store/sqlite.ts';
import { startServer } from './fixture.ts';
import type { Fixture } from './fixture.ts';
import { configMap, pod } from './objects.ts';

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

/** Watches with plain HTTP and reads event by event; undefined once the server has ended the answer. */
async function openWatch(t: Test, { server }: Fixture, path: string, accept = 'application/json') {
  const { loopback } = server;
  const url = new URL(path, loopback.server);
  url.searchParams.set('watch', '1');
  const response = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
    const outgoing = request(url, { ...loopback, headers: { accept }, agent: false }, resolve);
    outgoing.on('error', reject);
    outgoing.end();
  });
  t.teardown(() => response.destroy());
  const lines = createInterface({ input: response })[Symbol.asyncIterator]();
  return async (): Promise<Event | undefined> => {
    const { value, done } = await lines.next();
    return done ? undefined : (JSON.parse(value) as Event);
  };
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
