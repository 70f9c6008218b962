import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import type { Test } from 'tap';
import type { ApiClient } from '../../../api/client/client.ts';
import { configMaps } from '../../../api/client/resources.ts';
import type { ConfigMap } from '../../../api/kinds/config-map.ts';
import type { ListMeta } from '../../../api/kinds/meta.ts';
import { SqliteStore } from '../../../api/store/sqlite.ts';
import { ApiError } from '../../../api/client/api-error.ts';
import { refusal, startServer } from './fixture.ts';
import type { Fixture } from './fixture.ts';
import { configMap, createMany } from './objects.ts';

const path = '/api/v1/namespaces/default/configmaps';

async function page(client: ApiClient, query: Record<string, string>) {
  const list = (await client.request('GET', path, { query })) as { metadata: ListMeta; items: ConfigMap[] };
  return { ...list.metadata, names: list.items.map(({ metadata }) => metadata.name) };
}

async function make(client: ApiClient, names: readonly string[], data: Record<string, string> = {}) {
  for (const name of names) await client.create(configMaps, configMap(name, data));
}

/** Restarts the server with all history forgotten. */
async function compacted(t: Test, { server, stateDir }: Fixture): Promise<Fixture> {
  await server.close();
  const store = SqliteStore.open(`${stateDir}/store.db`);
  await store.compact(await store.currentRevision());
  await store.close();
  return startServer(t, { stateDir });
}

t.test('pages are of one snapshot and say how much is left', async (t) => {
  const { client } = await startServer(t);
  await make(client, ['a', 'b', 'c', 'd', 'e']);
  const first = await page(client, { limit: '2' });
  t.match(first, { names: ['a', 'b'], remainingItemCount: 3 });
  await make(client, ['bb', 'z']);
  await client.delete(configMaps, { namespace: 'default', name: 'c' });
  const second = await page(client, { limit: '2', continue: first.continue ?? '' });
  t.match(second, { names: ['c', 'd'], resourceVersion: first.resourceVersion, remainingItemCount: 1 });
  const third = await page(client, { limit: '2', continue: second.continue ?? '' });
  t.match(third, { names: ['e'], resourceVersion: first.resourceVersion });
  t.same([third.continue, third.remainingItemCount], [undefined, undefined]);
  t.match(await page(client, { limit: '6' }), { names: { length: 6 }, continue: undefined });
});

t.test('a page of what a selector matches is full, wherever the matches are', async (t) => {
  const { client } = await startServer(t);
  const numbers = Array.from({ length: 1_100 }, (_, i) => i);
  const objects = numbers.map((i) => {
    const object = configMap(`c${String(i).padStart(4, '0')}`);
    object.metadata.labels = { mark: i % 400 === 50 ? 'yes' : 'no' };
    return object;
  });
  await createMany(client, objects);
  const first = await page(client, { limit: '2', labelSelector: 'mark=yes' });
  t.match(first, { names: ['c0050', 'c0450'], continue: String });
  t.notOk(first.remainingItemCount, 'how many are left nobody has counted');
  const rest = await page(client, {
    limit: '2',
    labelSelector: 'mark=yes',
    continue: first.continue ?? '',
  });
  t.match(rest, { names: ['c0850'], continue: undefined });
  t.match(await page(client, { labelSelector: 'mark=yes' }), { names: { length: 3 } });
  t.match(await page(client, { labelSelector: 'mark=never' }), { names: [] });
  t.match(await page(client, { limit: '700' }), { names: { length: 700 }, remainingItemCount: 400 });
});

t.test('a token that is too old comes back with one that goes on', async (t) => {
  const fixture = await startServer(t);
  await make(fixture.client, ['a', 'b', 'c', 'd']);
  const first = await page(fixture.client, { limit: '2' });
  await make(fixture.client, ['cc']);
  const again = await compacted(t, fixture);
  const error = await page(again.client, { limit: '2', continue: first.continue ?? '' }).catch(
    (error: unknown) => error,
  );
  if (!(error instanceof ApiError)) throw new Error('the token should have been refused');
  t.match(error, { code: 410, reason: 'Expired' });
  t.match(error.message, /^The provided continue parameter is too old to display a consistent list result/);
  const next = error.status?.metadata?.continue ?? '';
  const rest = await page(again.client, { limit: '2', continue: next });
  t.match(rest, { names: ['c', 'cc'], continue: String });
  t.match(await page(again.client, { continue: rest.continue ?? '' }), { names: ['d'] });
});

t.test('resourceVersion says which state is wanted', async (t) => {
  const fixture = await startServer(t);
  const { client } = fixture;
  await make(client, ['a']);
  const { resourceVersion: old = '' } = await page(client, {});
  await make(client, ['b']);
  const names = async (query: Record<string, string>) => (await page(client, query)).names;
  t.same(await names({ resourceVersion: '0' }), ['a', 'b']);
  t.same(await names({ resourceVersion: old }), ['a', 'b'], 'not older');
  t.same(await names({ resourceVersion: old, resourceVersionMatch: 'NotOlderThan', limit: '9' }), ['a', 'b']);
  t.same(await names({ resourceVersion: old, resourceVersionMatch: 'Exact' }), ['a']);
  t.same(await names({ resourceVersion: old, limit: '9' }), ['a'], 'a limit makes it exact');
  for (const more of [{}, { resourceVersionMatch: 'Exact' }, { limit: '9' }]) {
    t.match(await refusal(t, page(client, { resourceVersion: '1000000', ...more })), {
      code: 504,
      reason: 'Timeout',
      message: /^Timeout: Too large resource version: 1000000, current: \d+$/,
    });
  }
  const one = client.request('GET', `${path}/a`, { query: { resourceVersion: '1000000' } });
  t.match(await refusal(t, one), { code: 504, reason: 'Timeout' });
  t.match(await client.request('GET', `${path}/a`, { query: { resourceVersion: old } }), {
    kind: 'ConfigMap',
  });

  const again = await compacted(t, fixture);
  const gone = page(again.client, { resourceVersion: old, resourceVersionMatch: 'Exact' });
  t.match(await refusal(t, gone), { code: 410, reason: 'Expired' });
  t.same((await page(again.client, { resourceVersion: old })).names, ['a', 'b']);
});

t.test('what a list may not ask for is said in upstream’s words', async (t) => {
  const { client } = await startServer(t);
  const refusals: Record<string, string> = {
    'resourceVersionMatch=Exact':
      'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided',
    'resourceVersionMatch=Exact&resourceVersion=0':
      'resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
    'resourceVersionMatch=Newest&resourceVersion=1':
      'resourceVersionMatch: Unsupported value: "Newest": supported values: "", "Exact", "NotOlderThan"',
    'sendInitialEvents=true': 'sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list',
  };
  for (const [query, why] of Object.entries(refusals)) {
    t.match(await refusal(t, client.request('GET', `${path}?${query}`)), {
      code: 422,
      reason: 'Invalid',
      message: `ListOptions.meta.k8s.io "" is invalid: ${why}`,
    });
  }
  for (const query of ['limit=x', 'resourceVersion=new', 'continue=bogus', 'continue=x&resourceVersion=7']) {
    t.match(await refusal(t, client.request('GET', `${path}?${query}`)), { code: 400 }, query);
  }
});

t.test('a long list comes in pieces, compressed for those who like, and is whole', async (t) => {
  const { client, server } = await startServer(t);
  const count = 1_300;
  const names = Array.from({ length: count }, (_, i) => `c${i}`).sort();
  const objects = names.map((name) => configMap(name, { text: 'Grüße, 你好 🙂' }));
  await createMany(client, objects);
  const ask = async (headers: Record<string, string>) => {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request(new URL(path, server.loopback.server), { ...server.loopback, headers, agent: false }, resolve)
        .on('error', reject)
        .end();
    });
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    return { headers: response.headers, body: Buffer.concat(chunks) };
  };
  const plain = await ask({});
  t.equal(plain.headers['content-encoding'], undefined);
  const list = JSON.parse(plain.body.toString()) as { kind: string; metadata: ListMeta; items: ConfigMap[] };
  t.match(list, { kind: 'ConfigMapList', apiVersion: 'v1', metadata: { resourceVersion: /^\d+$/ } });
  t.same(
    list.items.map(({ metadata, data }) => [metadata.name, data?.['text']]),
    names.map((name) => [name, 'Grüße, 你好 🙂']),
  );
  t.ok(list.items.every(({ metadata }) => /^\d+$/.test(metadata.resourceVersion ?? '')));
  const compressed = await ask({ 'accept-encoding': 'gzip' });
  t.equal(compressed.headers['content-encoding'], 'gzip');
  t.equal(gunzipSync(compressed.body).toString(), plain.body.toString());
  const table = await ask({ accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
  const rows = JSON.parse(table.body.toString()) as { rows: { cells: unknown[] }[] };
  t.same(
    rows.rows.map(({ cells }) => cells[0]),
    names,
  );
});
