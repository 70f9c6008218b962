import t from 'tap';
import { gunzipSync } from 'node:zlib';
import { configMaps, events } from '../../../../api/client/resources.ts';
import { eventKind } from '../../../../api/kinds/event.ts';
import { kinds } from '../../../../api/kinds/registry.ts';
import { removeOldEvents } from '../../../../api/server/maintenance.ts';
import { Resources } from '../../../../api/server/registry/resources.ts';
import { SqliteStore } from '../../../../api/store/sqlite.ts';
import { testCluster } from '../../../cluster.ts';
import { ask, json } from '../ask.ts';
import { startServer } from '../fixture.ts';
import { configMap } from '../objects.ts';

t.test('discovery comes in three forms, with the form asked for in its type', async (t) => {
  const fixture = await startServer(t);
  const aggregated = (v: string) => `application/json;g=apidiscovery.k8s.io;v=${v};as=APIGroupDiscoveryList`;
  for (const version of ['v2', 'v2beta1']) {
    const accept = `${aggregated(version)},application/json`;
    const answer = await ask(fixture, '/api', { headers: { accept } });
    t.equal(answer.headers['content-type'], aggregated(version));
    t.match(json(answer), {
      kind: 'APIGroupDiscoveryList',
      apiVersion: `apidiscovery.k8s.io/${version}`,
      items: [{ versions: [{ version: 'v1', resources: Array }] }],
    });
    const etag = String(answer.headers.etag);
    const again = await ask(fixture, '/api', { headers: { accept, 'if-none-match': etag } });
    t.equal(again.code, 304);
  }
  t.match(json(await ask(fixture, '/api')), { kind: 'APIVersions', versions: ['v1'] });
  const { resources } = json(await ask(fixture, '/api/v1')) as { resources: { name: string }[] };
  const named = new Map(resources.map((resource) => [resource.name, resource]));
  t.match(named.get('pods'), { singularName: 'pod', namespaced: true, kind: 'Pod', shortNames: ['po'] });
  t.match(named.get('nodes'), { namespaced: false });
  t.match(named.get('replicationcontrollers/scale'), { group: 'autoscaling', version: 'v1', kind: 'Scale' });
  for (const name of ['pods/exec', 'pods/log', 'pods/binding', 'services/status'])
    t.ok(named.has(name), name);
  const groups = json(await ask(fixture, '/apis')) as { groups: { name: string }[] };
  const wanted = new Set(kinds.map(({ group }) => group).filter((group) => group !== ''));
  const served = new Set(groups.groups.map(({ name }) => name));
  t.equal(served.size, groups.groups.length, 'each group once');
  t.ok(wanted.isSubsetOf(served), [...served].join(' '));
  t.match(json(await ask(fixture, '/apis/discovery.k8s.io')), { kind: 'APIGroup', name: 'discovery.k8s.io' });
  t.equal((await ask(fixture, '/apis/batch/v1')).code, 404);
});

t.test('OpenAPI is served as JSON and as protobuf', async (t) => {
  const fixture = await startServer(t);
  t.match(json(await ask(fixture, '/openapi/v2')), { swagger: '2.0' });
  const accept = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
  const protobuf = await ask(fixture, '/openapi/v2', { headers: { accept } });
  t.match(protobuf.headers['content-type'], /proto-openapi.spec.v2.v1.0\+protobuf/);
  const index = json(await ask(fixture, '/openapi/v3')) as {
    paths: Record<string, { serverRelativeURL: string }>;
  };
  const path = index.paths['api/v1']?.serverRelativeURL ?? '';
  t.match(json(await ask(fixture, path)), { openapi: /^3/ });
  t.equal((await ask(fixture, '/openapi/v3/api/v9')).code, 404);
});

t.test('tables and bare metadata', async (t) => {
  const fixture = await startServer(t);
  await fixture.client.create(configMaps, configMap('a', { k: 'v' }));
  const path = '/api/v1/namespaces/default/configmaps';
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  t.match(json(await ask(fixture, path, { headers: { accept } })), {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: { resourceVersion: String },
    columnDefinitions: [{ name: 'Name' }, { name: 'Data' }, { name: 'Age' }],
    rows: [{ cells: ['a', 1, String], object: { kind: 'PartialObjectMetadata', metadata: { name: 'a' } } }],
  });
  const whole = json(await ask(fixture, `${path}/a?includeObject=Object`, { headers: { accept } }));
  t.match(whole, { rows: [{ object: { kind: 'ConfigMap', data: { k: 'v' } } }] });
  const metadata = 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io';
  const bare = json(await ask(fixture, `${path}/a`, { headers: { accept: metadata } }));
  t.match(bare, { kind: 'PartialObjectMetadata', metadata: { name: 'a' }, data: undefined });
});

t.test('large answers are compressed for those who ask', async (t) => {
  const fixture = await startServer(t);
  await fixture.client.create(configMaps, configMap('large', { text: 'x'.repeat(200_000) }));
  const path = '/api/v1/namespaces/default/configmaps/large';
  const plain = await ask(fixture, path);
  t.equal(plain.headers['content-encoding'], undefined);
  const zipped = await ask(fixture, path, { headers: { 'accept-encoding': 'gzip' } });
  t.equal(zipped.headers['content-encoding'], 'gzip');
  t.ok(zipped.body.length < plain.body.length / 10);
  t.same(gunzipSync(zipped.body), plain.body);
});

t.test('bodies may be YAML; unknown fields are warned about', async (t) => {
  const fixture = await startServer(t);
  const path = '/api/v1/namespaces/default/configmaps';
  const headers = { 'content-type': 'application/yaml' };
  const body = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\ndata: {a: b}\nsurprise: 1\n';
  const made = await ask(fixture, path, { method: 'POST', headers, body });
  t.equal(made.code, 201);
  t.equal(made.headers.warning, '299 - "unknown field \\"surprise\\""');
  t.match(json(made), { data: { a: 'b' } });
  const silent = await ask(fixture, `${path}?fieldValidation=Ignore&dryRun=All`, {
    method: 'POST',
    headers,
    body: body.replace('name: y', 'name: z'),
  });
  t.same([silent.code, silent.headers.warning], [201, undefined]);
  for (const wrong of ['a: [', '{"a": ']) {
    t.equal((await ask(fixture, path, { method: 'POST', headers, body: wrong })).code, 400);
  }
  const huge = `{"data": {"a": "${'x'.repeat(3_200_000)}"}}`;
  const answer = await ask(fixture, path, { method: 'POST', body: huge }).catch(() => undefined);
  t.match(answer, { code: 413 });
  const untyped = await ask(fixture, path, { method: 'POST', body: '{"metadata": {"name": "untyped"}}' });
  t.equal(untyped.code, 201, 'kubectl 1.20 sends JSON without saying so');
});

t.test('health and metrics', async (t) => {
  const fixture = await startServer(t);
  for (const path of ['/healthz', '/livez', '/readyz']) {
    const answer = await ask(fixture, path);
    t.same([answer.code, answer.body.toString()], [200, 'ok'], path);
  }
  await fixture.client.list(configMaps);
  const metrics = (await ask(fixture, '/metrics')).body.toString();
  t.match(
    metrics,
    /apiserver_request_total\{verb="LIST",group="",resource="configmaps",subresource="",code="200"\} 1/,
  );
  t.match(metrics, /apiserver_request_duration_seconds_bucket/);
  t.match(json(await ask(fixture, '/version')), { major: '1', minor: '32' });
});

t.test('old Events are forgotten', async (t) => {
  const fixture = await startServer(t);
  for (const [name, lastTimestamp] of [
    ['old', '2020-01-01T00:00:00Z'],
    ['new', new Date().toISOString()],
  ] as const) {
    await fixture.client.create(events, {
      metadata: { name, namespace: 'default' },
      involvedObject: { kind: 'Pod', name: 'web', namespace: 'default' },
      lastTimestamp,
    });
  }
  await fixture.server.close();
  const store = SqliteStore.open(`${fixture.stateDir}/store.db`);
  await removeOldEvents(new Resources(store, testCluster).of(eventKind), Date.now() - 60_000);
  const { entries } = await store.list('/registry/core/events/');
  await store.close();
  t.same(
    entries.map((entry) => entry.key),
    ['/registry/core/events/default/new'],
  );
});
