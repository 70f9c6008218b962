import { join } from 'node:path';
import type { Test } from 'tap';
import t from 'tap';
import { configMapKind } from '../../../../api/kinds/config-map.ts';
import { namespaceKind } from '../../../../api/kinds/namespace.ts';
import type { Kind } from '../../../../api/kinds/kind.ts';
import type { KubeObject } from '../../../../api/kinds/meta.ts';
import { encodeObject, objectKey } from '../../../../api/server/registry/codec.ts';
import { listObjects, wholeList } from '../../../../api/server/registry/list.ts';
import type { Resource } from '../../../../api/server/registry/resource.ts';
import { watchObjects } from '../../../../api/server/registry/watch.ts';
import { selectionOf } from '../../../../api/server/verbs/select.ts';
import { SqliteStore } from '../../../../api/store/sqlite.ts';
import type { Store } from '../../../../api/store/store.ts';
import { configMap } from '../objects.ts';

/** A store that counts the entries and events it hands out. */
function countReads(store: SqliteStore): { readonly store: Store; reads: number } {
  const counted = {
    reads: 0,
    store: new Proxy<Store>(store, {
      get: (_target, name) => {
        if (name === 'list') {
          return async (...request: Parameters<Store['list']>) => {
            const page = await store.list(...request);
            counted.reads += page.entries.length;
            return page;
          };
        }
        if (name === 'watch') {
          return (...[prefix, after, handler]: Parameters<Store['watch']>) =>
            store.watch(prefix, after, {
              ...handler,
              onBatch: (batch) => {
                counted.reads += batch.events.length;
                handler.onBatch(batch);
              },
            });
        }
        const value: unknown = Reflect.get(store, name);
        return typeof value === 'function' ? (value.bind(store) as unknown) : value;
      },
    }),
  };
  return counted;
}

async function openStore(t: Test) {
  const sqlite = SqliteStore.open(join(t.testdir(), 'store.db'));
  t.teardown(() => sqlite.close());
  for (const name of ['a', 'web', 'web-1', 'web-2', 'x'])
    await create(sqlite, configMapKind, configMap(name));
  for (const name of ['web', 'web-1']) await create(sqlite, namespaceKind, { metadata: { name } });
  const elsewhere = configMap('web');
  elsewhere.metadata.namespace = 'other';
  await create(sqlite, configMapKind, elsewhere);
  return { sqlite, counted: countReads(sqlite) };
}

function create(store: Store, kind: Kind, object: KubeObject): Promise<number> {
  const { namespace, name } = object.metadata;
  const value = encodeObject(kind, object);
  return store.write([{ type: 'create', key: objectKey(kind, namespace, name), value }]);
}

function select(kind: Kind, fieldSelector: string) {
  return selectionOf(kind, new URLSearchParams({ fieldSelector }));
}

t.test('a list of one name reads that one key', async (t) => {
  const { counted } = await openStore(t);
  const list = async (kind: Kind, fieldSelector: string, namespace?: string, more = {}) => {
    counted.reads = 0;
    const resource: Resource = { kind, strategy: {}, store: counted.store };
    const request = { ...wholeList, ...more, ...select(kind, fieldSelector), namespace };
    const result = await listObjects(resource, request);
    const found = result.items.map(({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name}`);
    return { found, reads: counted.reads, more: result.continue !== undefined };
  };
  const one = { found: ['default/web'], reads: 1, more: false };
  t.same(await list(configMapKind, 'metadata.name=web', 'default'), one);
  t.same(await list(configMapKind, 'metadata.name==web,metadata.namespace=default', 'default'), one);
  t.same(await list(configMapKind, 'metadata.name=web', 'default', { limit: 1 }), one);
  t.same(await list(configMapKind, 'metadata.name=web', 'default', { limit: 500 }), one);
  t.same(await list(configMapKind, 'metadata.name=web', 'default', { exactRevision: 2 }), one);
  t.same((await list(configMapKind, 'metadata.name=web', 'default', { exactRevision: 1 })).found, []);
  t.same(await list(namespaceKind, 'metadata.name=web'), { found: ['/web'], reads: 1, more: false });
  t.same((await list(configMapKind, 'metadata.name=we', 'default')).found, [], 'a beginning is no name');
  t.same((await list(configMapKind, 'metadata.name=', 'default')).found, []);
  t.same((await list(configMapKind, 'metadata.name=web,metadata.name=x', 'default')).found, []);
  t.same((await list(configMapKind, 'metadata.name!=web', 'default')).found.length, 4);
  t.same((await list(configMapKind, 'metadata.name=web')).found, ['default/web', 'other/web']);
});

t.test('pages of a list go on when the rest is asked for by name', async (t) => {
  const { sqlite } = await openStore(t);
  const resource: Resource = { kind: configMapKind, strategy: {}, store: sqlite };
  const request = { ...wholeList, namespace: 'default', matches: () => true, limit: 1 };
  const first = await listObjects(resource, request);
  const rest = { ...request, ...select(configMapKind, 'metadata.name=web'), continue: first.continue };
  t.same(
    (await listObjects(resource, rest)).items.map(({ metadata }) => metadata.name),
    ['web'],
  );
});

t.test('a watch of one name is not handed the others', async (t) => {
  const { sqlite, counted } = await openStore(t);
  const resource: Resource = { kind: configMapKind, strategy: {}, store: counted.store };
  const seen: string[] = [];
  const request = {
    namespace: 'default',
    ...select(configMapKind, 'metadata.name=web'),
    afterRevision: undefined,
  };
  const watch = await watchObjects(resource, request, {
    event: (type, { key }) => seen.push(`${type} ${key.split('/').at(-1) ?? ''}`),
    initial: (entries) => {
      for (const { key } of entries) seen.push(`initial ${key.split('/').at(-1) ?? ''}`);
      return Promise.resolve();
    },
    onInitialEnd: () => seen.push('all'),
    bookmark: () => seen.push('bookmark'),
    end: (error) => seen.push(error ? 'error' : 'end'),
  });
  await new Promise(setImmediate);
  const removal = { type: 'delete', key: objectKey(configMapKind, 'default', 'web') } as const;
  await create(sqlite, configMapKind, configMap('web-3'));
  await create(sqlite, configMapKind, configMap('y'));
  await sqlite.write([removal]);
  await create(sqlite, configMapKind, configMap('web'));
  watch.requestBookmark();
  await new Promise(setImmediate);
  t.same(seen, ['initial web', 'all', 'DELETED web', 'ADDED web', 'bookmark']);
  t.equal(counted.reads, 4, 'the object, its two changes, and the one whose name begins like it');
  watch.stop();
});

t.test('a revision that is gone or not yet there is refused for one name too', async (t) => {
  const { sqlite } = await openStore(t);
  const resource: Resource = { kind: configMapKind, strategy: {}, store: sqlite };
  const at = (exactRevision: number) =>
    listObjects(resource, {
      ...wholeList,
      ...select(configMapKind, 'metadata.name=web'),
      namespace: 'default',
      exactRevision,
    });
  await t.rejects(at(1_000), { code: 504 });
  await sqlite.compact(await sqlite.currentRevision());
  await t.rejects(at(1), { code: 410 });
});

t.test('a field nobody can select by is refused instead of matching nothing', (t) => {
  t.throws(() => select(configMapKind, 'data.x=1'), {
    code: 400,
    message: 'field label not supported: data.x',
  });
  t.throws(() => select(configMapKind, 'metadata.name=a,foo!=1'), { code: 400 });
  t.end();
});
