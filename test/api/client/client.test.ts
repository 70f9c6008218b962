import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { connect } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import t from 'tap';
import { ApiError, isNotFound } from '../../../api/client/api-error.ts';
import { ApiClient } from '../../../api/client/client.ts';
import { objectKey, parseKey, resourcePath } from '../../../api/client/resource.ts';
import { configMaps, endpointSlices, nodes } from '../../../api/client/resources.ts';
import { Authority } from '../../../api/server/authority.ts';
import { decodePort, encodeInetAddress } from '../../../netns/sockaddr.ts';
import * as sockets from '../../../netns/socket.ts';
import { FakeApi } from './fake-api.ts';

t.test('paths of collections, objects and subresources', (t) => {
  const table: [string, string][] = [
    [resourcePath(nodes, {}), '/api/v1/nodes'],
    [resourcePath(nodes, { name: 'node1', subresource: 'status' }), '/api/v1/nodes/node1/status'],
    [resourcePath(configMaps, {}), '/api/v1/configmaps'],
    [resourcePath(configMaps, { namespace: 'a', name: 'b' }), '/api/v1/namespaces/a/configmaps/b'],
    [
      resourcePath(endpointSlices, { namespace: 'a' }),
      '/apis/discovery.k8s.io/v1/namespaces/a/endpointslices',
    ],
    [resourcePath(configMaps, { namespace: 'a', name: '../x' }), '/api/v1/namespaces/a/configmaps/..%2Fx'],
  ];
  for (const [path, expected] of table) t.equal(path, expected);
  t.end();
});

t.test('keys are namespace/name or name', (t) => {
  t.equal(objectKey({ metadata: { name: 'b', namespace: 'a' } }), 'a/b');
  t.equal(objectKey({ metadata: { name: 'b' } }), 'b');
  t.same(parseKey('a/b'), { namespace: 'a', name: 'b' });
  t.same(parseKey('b'), { name: 'b' });
  t.end();
});

t.test('against a server', async (t) => {
  const api = await FakeApi.start(t.testdir());
  const client = new ApiClient(api.clientOptions);
  t.teardown(async () => {
    client.close();
    await api.close();
  });

  t.test('lists page by page', async (t) => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) api.set(name, {});
    const all = await client.listAll(configMaps, { limit: 2 });
    t.same(
      all.map((object) => object.metadata.name),
      ['a', 'b', 'c', 'd', 'e'],
    );
    t.equal(api.requests.filter((line) => line.includes('limit=2')).length, 3);
  });

  t.test('an error carries the code, the reason and the message of the Status', async (t) => {
    const error = await client
      .get(configMaps, { namespace: 'x', name: 'y' })
      .catch((error: unknown) => error);
    t.type(error, ApiError);
    t.match(error, { code: 404, reason: 'NotFound', message: 'it is NotFound', status: { code: 404 } });
    t.ok(isNotFound(error));
  });

  t.test('patches say their type', async (t) => {
    const at = { namespace: 'x', name: 'y' };
    for (const [type, expected] of [
      ['merge', 'application/merge-patch+json'],
      ['strategic', 'application/strategic-merge-patch+json'],
      ['json', 'application/json-patch+json'],
    ] as const) {
      t.match(await client.patch(configMaps, at, { data: { a: 'b' } }, type), {
        type: expected,
        body: { data: { a: 'b' } },
      });
    }
    t.match(api.requests.at(-1), 'PATCH /api/v1/namespaces/x/configmaps/y');
  });

  t.test('deletions carry their options', async (t) => {
    const options = { gracePeriodSeconds: 0, preconditions: { uid: 'u' } };
    t.match(await client.delete(configMaps, { namespace: 'x', name: 'y' }, options), { body: options });
  });

  t.test('a watch without a word is given up as stale', async (t) => {
    const watch = client.watch(configMaps, { resourceVersion: '1000', idleMs: 50 });
    await t.rejects(watch.next(), { code: 0, reason: 'Stale' });
  });

  t.test('an aborted watch says so', async (t) => {
    const abort = new AbortController();
    const watch = client.watch(configMaps, { resourceVersion: '1000', signal: abort.signal });
    const next = watch.next();
    abort.abort();
    await t.rejects(next, { code: 0, reason: 'Aborted' });
  });
});

t.test('no server at all: one sentence', async (t) => {
  const api = await FakeApi.start(t.testdir());
  const options = api.clientOptions;
  await api.close();
  const client = new ApiClient(options);
  const error = await client.list(configMaps).catch((error: unknown) => error);
  t.match(error, { code: 0, reason: 'Unreachable' });
  t.match((error as Error).message, /^the API at https:\/\/127\.0\.0\.1:\d+ is unreachable: .*ECONNREFUSED/);
});

t.test('connections that are not made yet end, with whatever address the kernel began them', async (t) => {
  const api = await FakeApi.start(t.testdir());
  t.teardown(() => api.close());
  // Nobody accepts here, and the queue has room for one: others are not answered.
  const deaf = sockets.open(sockets.AF_INET, sockets.SOCK_STREAM);
  t.teardown(() => closeSync(deaf));
  sockets.bind(deaf, encodeInetAddress('127.0.0.1', 0));
  sockets.listen(deaf, 0);
  const port = decodePort(sockets.getsockname(deaf));
  const waiting = connect({ host: '127.0.0.1', port });
  t.teardown(() => waiting.destroy());
  await once(waiting, 'connect');

  const client = new ApiClient({ ...api.clientOptions, server: `https://127.0.0.1:${port}` });
  t.teardown(() => client.close());
  const asked = client.list(configMaps);
  const rejected = t.rejects(asked, { code: 0, reason: 'Unreachable', message: /127\.0\.0\.1 is gone/ });
  await setImmediate();
  client.dropConnectionsFrom(['192.0.2.1']);
  await rejected;
});

t.test('a server of another CA is not trusted', async (t) => {
  const { one, two } = { one: t.testdir({ one: {}, two: {} }) + '/one', two: t.testdirName + '/two' };
  const api = await FakeApi.start(one);
  t.teardown(() => api.close());
  const stranger = await Authority.open(two);
  const client = new ApiClient({ ...api.clientOptions, ca: stranger.certificate });
  t.teardown(() => client.close());
  await t.rejects(client.list(configMaps), { code: 0, reason: 'Untrusted', message: /not signed by our CA/ });
});
