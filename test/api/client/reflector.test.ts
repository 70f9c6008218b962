import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import type { CacheEvent } from '../../../api/client/cache.ts';
import { ApiClient } from '../../../api/client/client.ts';
import { Reflector } from '../../../api/client/reflector.ts';
import type { ReflectorOptions } from '../../../api/client/reflector.ts';
import { configMaps } from '../../../api/client/resources.ts';
import type { ConfigMap } from '../../../api/kinds/config-map.ts';
import { eventually } from '../eventually.ts';
import { FakeApi } from './fake-api.ts';

async function setUp(t: Test, options: Partial<ReflectorOptions<ConfigMap>> = {}) {
  const api = await FakeApi.start(t.testdir());
  const client = new ApiClient(api.clientOptions);
  const reflector = new Reflector<ConfigMap>({
    client,
    resource: configMaps,
    retryMs: 1,
    maxRetryMs: 20,
    ...options,
  });
  const told: string[] = [];
  reflector.subscribe((event) => told.push(render(event)));
  t.teardown(async () => {
    await reflector.stop();
    client.close();
    await api.close();
  });
  return { api, reflector, told };
}

function render(event: CacheEvent<ConfigMap>): string {
  if (event.type === 'synced') return 'synced';
  const before = event.type === 'updated' ? `${event.previous.data?.['v'] ?? ''}→` : '';
  return `${event.type} ${event.key} ${before}${event.object.data?.['v'] ?? ''}`;
}

t.test('lists in pages, then follows', async (t) => {
  const { api, reflector, told } = await setUp(t, { pageSize: 2 });
  for (const name of ['a', 'b', 'c']) api.set(name, { v: '1' });
  t.equal(reflector.synced, false);
  reflector.start();
  await reflector.whenSynced();
  t.same(told, ['added default/a 1', 'added default/b 1', 'added default/c 1', 'synced']);
  api.set('b', { v: '2' });
  api.remove('a');
  api.set('d', { v: '1' });
  await eventually('the changes arrive', () => told.length === 7);
  t.same(told.slice(4), ['updated default/b 1→2', 'deleted default/a 1', 'added default/d 1']);
  t.same([...reflector.list()].map((object) => object.metadata.name).sort(), ['b', 'c', 'd']);
  t.equal(reflector.get('default/b')?.data?.['v'], '2');
  t.equal(reflector.revision, 106n);
});

t.test('begins with one watch where the server has those', async (t) => {
  const { api, reflector, told } = await setUp(t);
  api.streams = true;
  api.cutsInitialEvents = 1;
  for (const name of ['a', 'b', 'c']) api.set(name, { v: '1' });
  reflector.start();
  await reflector.whenSynced();
  t.same(told, ['added default/a 1', 'added default/b 1', 'added default/c 1', 'synced']);
  t.equal(reflector.revision, 103n);
  api.set('b', { v: '2' });
  await eventually('the change arrives', () => told.includes('updated default/b 1→2'));
  t.notOk(
    api.requests.some((line) => line.includes('limit=')),
    'no list',
  );
  api.cutWatches();
  api.remove('a');
  api.compact();
  told.length = 0;
  await eventually('it is synced again', () => told.includes('synced'));
  t.same(told, ['deleted default/a 1', 'synced']);
  api.cutWatches();
  api.set('d', { v: '1' });
  await eventually('the change arrives', () => told.includes('added default/d 1'));
  t.match(api.requests.at(-1), /resourceVersion=105/, 'a cut watch goes on where it ended');
});

t.test('asks a server without such watches only once', async (t) => {
  const { api, reflector } = await setUp(t);
  api.set('a', { v: '1' });
  reflector.start();
  await eventually('it watches', () => api.watchCount === 1);
  api.cutWatches();
  api.set('a', { v: '2' });
  api.compact();
  await eventually('it has listed again', () => reflector.get('default/a')?.data?.['v'] === '2');
  t.equal(api.requests.filter((line) => line.includes('sendInitialEvents')).length, 1);
  t.equal(reflector.lastError?.code, 410);
});

t.test('goes on where a cut watch ended, without a new list', async (t) => {
  const { api, reflector, told } = await setUp(t);
  api.set('a', { v: '1' });
  reflector.start();
  await eventually('it watches', () => api.watchCount === 1);
  api.cutWatches();
  api.set('a', { v: '2' });
  await eventually('the change arrives', () => told.includes('updated default/a 1→2'));
  t.equal(api.requests.filter((line) => line.includes('limit=')).length, 1);
});

t.test('takes its revision from bookmarks', async (t) => {
  const { api, reflector } = await setUp(t);
  reflector.start();
  await eventually('it watches', () => api.watchCount === 1);
  api.bookmark();
  await eventually('the bookmark arrives', () => reflector.revision === 110n);
  api.endWatches();
  await eventually('it watches again', () =>
    api.requests.some((line) => line.includes('resourceVersion=110')),
  );
});

t.test('lists again after a compaction and tells the difference', async (t) => {
  const { api, reflector, told } = await setUp(t);
  for (const name of ['a', 'b', 'c']) api.set(name, { v: '1' });
  reflector.start();
  await eventually('it watches', () => api.watchCount === 1);
  api.cutWatches();
  told.length = 0;
  api.remove('a');
  api.set('b', { v: '2' });
  api.remove('c');
  api.set('c', { v: 'new' });
  api.compact();
  await eventually('it is synced again', () => told.includes('synced'));
  // c is another object now: its end and its beginning are both told.
  t.same(told, [
    'deleted default/a 1',
    'updated default/b 1→2',
    'deleted default/c 1',
    'added default/c new',
    'synced',
  ]);
});

t.test('a silent watch is torn down and started again', async (t) => {
  const { api, reflector } = await setUp(t, { idleMs: 30 });
  reflector.start();
  const watches = (): number => api.requests.filter((line) => line.includes('watch=true')).length;
  await eventually('it has watched three times', () => watches() >= 3);
  t.equal(reflector.synced, true);
  t.equal(reflector.lastError?.reason, 'Stale');
});

t.test('keeps its last state while the API is away', async (t) => {
  const { api, reflector, told } = await setUp(t);
  api.set('a', { v: '1' });
  reflector.start();
  await eventually('it watches', () => api.watchCount === 1);
  const before = reflector.lastContact;
  api.failures.push(503, 500, 503);
  api.cutWatches();
  await eventually('it watches again', () => api.failures.length === 0 && api.watchCount === 1);
  await eventually('that it goes on is known', () => reflector.lastError === undefined);
  t.equal(reflector.synced, true);
  t.notOk(told.includes('deleted default/a 1'));
  t.ok(before !== undefined);
  api.set('a', { v: '2' });
  await eventually('the change arrives', () => told.includes('updated default/a 1→2'));
  t.equal(reflector.lastError, undefined);
});

t.test('starts with what an earlier process knew when the API does not answer', async (t) => {
  const known = (name: string): ConfigMap => ({
    metadata: { name, namespace: 'default', uid: `old-${name}`, resourceVersion: '1' },
    data: { v: 'old' },
  });
  const { api, reflector, told } = await setUp(t, { lastKnown: () => [known('a'), known('b')] });
  api.set('a', { v: '1' });
  const seen: [restored: boolean, synced: boolean][] = [];
  reflector.subscribe(() => seen.push([reflector.restored, reflector.synced]));
  api.failures.push(503, 503);
  reflector.start();
  await reflector.whenSynced();
  t.same([reflector.restored, reflector.synced], [false, true]);
  t.same(told, [
    'added default/a old',
    'added default/b old',
    'deleted default/b old',
    'deleted default/a old',
    'added default/a 1',
    'synced',
  ]);
  t.same(seen.slice(0, 2), [
    [true, false],
    [true, false],
  ]);
  t.same(
    seen.map(([, synced]) => synced),
    [false, false, false, false, false, true],
    'good to serve from, not to delete by',
  );
});

t.test('starts with what an earlier process knew when nothing is heard of the API', async (t) => {
  // Takes connections and says nothing, as a machine that is switched off in the middle of one.
  const silent = createServer();
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const known: ConfigMap = { metadata: { name: 'a', namespace: 'default', uid: 'a', resourceVersion: '1' } };
  const client = new ApiClient({ server: `https://127.0.0.1:${port}`, ca: '' });
  const reflector = new Reflector<ConfigMap>({
    client,
    resource: configMaps,
    lastKnown: () => [known],
    patienceMs: 20,
  });
  t.teardown(async () => {
    await reflector.stop();
    client.close();
    silent.close();
  });
  reflector.start();
  await eventually('it is restored', () => reflector.restored);
  t.same([...reflector.list()], [known]);
  t.equal(reflector.synced, false);
});

t.test('needs no earlier knowledge when the API answers', async (t) => {
  const { reflector } = await setUp(t, {
    lastKnown: () => {
      t.fail('nobody asks for it');
      return [];
    },
  });
  reflector.start();
  await reflector.whenSynced();
  t.equal(reflector.restored, false);
});

t.test('keeps only what trim leaves', async (t) => {
  const { api, reflector } = await setUp(t, { trim: ({ metadata }) => ({ metadata }) });
  api.set('a', { secret: 'x' });
  reflector.start();
  await reflector.whenSynced();
  api.set('b', { secret: 'x' });
  await eventually('b arrives', () => reflector.get('default/b'));
  for (const object of reflector.list()) t.notOk('data' in object);
});

t.test('one failing listener leaves the others alone', async (t) => {
  const { api, reflector } = await setUp(t);
  const seen: string[] = [];
  reflector.subscribe(() => {
    throw new Error('broken');
  });
  const unsubscribe = reflector.subscribe((event) => seen.push(event.type));
  api.set('a', {});
  reflector.start();
  await reflector.whenSynced();
  t.same(seen, ['added', 'synced']);
  unsubscribe();
  api.set('b', {});
  await eventually('b arrives', () => reflector.get('default/b'));
  t.equal(seen.length, 2);
});
