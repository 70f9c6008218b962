import type { Test } from 'tap';
import t from 'tap';
import {
  configMaps,
  namespaces,
  pods,
  replicationControllers,
  services,
} from '../../../api/client/resources.ts';
import type { KubeObject } from '../../../api/kinds/meta.ts';
import type { Pod } from '../../../api/kinds/pod.ts';
import type { ReplicationController } from '../../../api/kinds/replication-controller.ts';
import { refusal, startServer } from './fixture.ts';
import type { Fixture } from './fixture.ts';
import { configMap, pod, service } from './objects.ts';

const at = { namespace: 'default', name: 'one' };
const contentType = 'application/apply-patch+yaml';

function apply(
  { client }: Fixture,
  path: string,
  body: unknown,
  query: Record<string, string> = {},
): Promise<unknown> {
  const options = { body, contentType, query: { fieldManager: 'tester', ...query } };
  return client.request('PATCH', `/api/v1/namespaces/default/${path}`, options);
}

const map = (data: Record<string, string>, metadata: Record<string, unknown> = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'one', ...metadata },
  data,
});

const managers = (object: KubeObject) =>
  (object.metadata.managedFields ?? []).map(({ manager, operation, subresource }) =>
    [manager, operation, subresource].filter(Boolean).join(' '),
  );

t.test('an object is made, changed and left alone by applying', async (t) => {
  const fixture = await startServer(t);
  const { client } = fixture;
  await apply(fixture, 'configmaps/one', map({ a: '1' }), { dryRun: 'All' });
  t.match(await refusal(t, client.get(configMaps, at)), { code: 404 }, 'a dry run makes nothing');
  await apply(fixture, 'configmaps/one', map({ a: '1' }));
  const made = await client.get(configMaps, at);
  t.strictSame([made.data, managers(made)], [{ a: '1' }, ['tester Apply']]);
  await apply(fixture, 'configmaps/one', map({ a: '1' }));
  t.strictSame(await client.get(configMaps, at), made, 'the same again writes nothing');
  await apply(fixture, 'configmaps/one', map({ b: '2' }));
  t.strictSame((await client.get(configMaps, at)).data, { b: '2' });
});

t.test('what an apply needs', async (t) => {
  const fixture = await startServer(t);
  const { client } = fixture;
  const refused = (body: unknown, query: Record<string, string> = {}) =>
    refusal(t, apply(fixture, 'configmaps/one', body, query));
  t.match(await refused(map({}), { fieldManager: '' }), {
    code: 422,
    message:
      'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
  });
  t.match(await refused(map({}), { fieldManager: 'x'.repeat(129) }), {
    code: 422,
    message: /fieldManager: Too long/,
  });
  t.match(await refused(map({}), { fieldManager: 'a\tb' }), {
    code: 422,
    message: /fieldManager: Invalid value/,
  });
  t.match(await refused({ metadata: { name: 'one' } }), {
    code: 400,
    message: 'invalid object type: , Kind=',
  });
  t.match(await refused({ ...map({}), kind: 'Secret' }), {
    code: 400,
    message: 'invalid object type: v1, Kind=Secret',
  });
  t.match(await refused(map({}, { managedFields: [] })), {
    code: 400,
    message: 'metadata.managedFields must be nil',
  });
  t.match(await refused(map({}, { name: 'two' })), {
    code: 400,
    message: /does not match the name on the URL/,
  });
  t.match(await refused(map({}, { uid: 'x' })), {
    code: 409,
    message: /uid mismatch.*no existing object was found/,
  });
  t.match(await refused(map({}, { resourceVersion: '1' })), { code: 409 });
  t.match(await refused({ ...map({}), data: 1 }), { code: 400 });
  t.match(await refused('just words'), { code: 400 });
  const { uid = '', resourceVersion = '' } = (await client.create(configMaps, configMap('one'))).metadata;
  t.match(await refused(map({}, { uid: 'x' })), { code: 409 });
  t.match(await refused(map({}, { resourceVersion: '1' })), { code: 409 });
  await apply(fixture, 'configmaps/one', map({ a: '1' }, { uid, resourceVersion }));
  const forced = client.request('PATCH', '/api/v1/namespaces/default/configmaps/one', {
    body: {},
    contentType: 'application/merge-patch+json',
    query: { force: 'true' },
  });
  t.match(await refusal(t, forced), { code: 422, message: /force: Forbidden: may not be specified/ });
  const port = { port: 80 };
  const twice = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'one' },
    spec: { ports: [port, port] },
  };
  t.match(await refusal(t, apply(fixture, 'services/one', twice)), {
    code: 400,
    message:
      'failed to create typed patch object (default/one; /v1, Kind=Service): .spec.ports: duplicate entries for key ' +
      '[port=80,protocol="TCP"]',
  });
  const nowhere = client.request('PATCH', '/api/v1/namespaces/nowhere/configmaps/one', {
    body: map({}),
    contentType,
    query: { fieldManager: 'x' },
  });
  t.match(await refusal(t, nowhere), { code: 404, message: 'namespaces "nowhere" not found' });
});

t.test('an apply may leave the name to its path', async (t) => {
  const fixture = await startServer(t);
  const configuration = { apiVersion: 'v1', kind: 'ConfigMap', data: { a: '1' } };
  t.match(await apply(fixture, 'configmaps/one', configuration), {
    metadata: { name: 'one' },
    data: { a: '1' },
  });
});

t.test('a conflict names the fields and their managers', async (t) => {
  const fixture = await startServer(t);
  await fixture.client.create(configMaps, configMap('one', { a: '1', b: '1' }));
  t.match(await refusal(t, apply(fixture, 'configmaps/one', map({ a: '2', b: '1' }))), {
    code: 409,
    reason: 'Conflict',
    message: 'Apply failed with 1 conflict: conflict with "weft-test" using v1: .data.a',
  });
  await apply(fixture, 'configmaps/one', map({ a: '2', b: '1' }), { force: 'true' });
  const object = await fixture.client.get(configMaps, at);
  t.match(object.metadata.managedFields, [
    { manager: 'tester', fieldsV1: { 'f:data': { 'f:a': {}, 'f:b': {} } } },
    { manager: 'weft-test', fieldsV1: { 'f:data': { '.': {}, 'f:b': {} } } },
  ]);
});

t.test('the status is applied to by itself', async (t) => {
  const fixture = await startServer(t);
  const { client } = fixture;
  const configuration = (phase: string, spec = {}) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'one', labels: { stolen: 'yes' } },
    spec,
    status: { phase, conditions: [{ type: 'Ready', status: 'True' }] },
  });
  t.match(await refusal(t, apply(fixture, 'pods/one/status', configuration('Running'))), { code: 404 });
  await client.create(pods, pod('one'));
  await apply(fixture, 'pods/one/status', configuration('Running', { nodeName: 'elsewhere' }));
  const object = await client.get<Pod>(pods, at);
  t.match(object, {
    status: { phase: 'Running', conditions: [{ type: 'Ready' }] },
    spec: { nodeName: undefined },
  });
  t.strictSame(object.metadata.labels, { app: 'one' });
  t.strictSame(managers(object), ['tester Apply status', 'weft-test Update']);
  await client.patchStatus(pods, at, { status: { phase: 'Failed' } }, 'strategic');
  t.match(await refusal(t, apply(fixture, 'pods/one/status', configuration('Running'))), {
    message:
      'Apply failed with 1 conflict: conflict with "weft-test" with subresource "status" using v1: .status.phase',
  });
});

t.test('the scale is applied to by itself', async (t) => {
  const fixture = await startServer(t);
  const { client } = fixture;
  const template = { metadata: { labels: { app: 'one' } }, spec: pod('one').spec };
  const spec = { replicas: 1, selector: { app: 'one' }, template };
  await client.create<ReplicationController>(replicationControllers, { metadata: at, spec });
  const scale = (replicas: number) => ({
    apiVersion: 'autoscaling/v1',
    kind: 'Scale',
    metadata: { name: 'one' },
    spec: { replicas },
  });
  const path = 'replicationcontrollers/one/scale';
  t.match(await refusal(t, apply(fixture, path, scale(3))), {
    code: 409,
    message: 'Apply failed with 1 conflict: conflict with "weft-test" using v1: .spec.replicas',
  });
  t.match(await refusal(t, apply(fixture, path, { ...scale(3), kind: 'ReplicationController' })), {
    code: 400,
  });
  t.match(await apply(fixture, path, scale(3), { force: 'true' }), { kind: 'Scale', spec: { replicas: 3 } });
  const object = await client.get(replicationControllers, at);
  t.equal(object.spec.replicas, 3);
  t.strictSame(managers(object), ['tester Apply scale', 'weft-test Update']);
  t.match(object.metadata.managedFields?.[0]?.fieldsV1, { 'f:spec': { 'f:replicas': {} } });
  const patch = { spec: { replicas: 5 } };
  const query = { fieldManager: 'scaler' };
  const merge = { body: patch, contentType: 'application/merge-patch+json', query };
  await client.request('PATCH', `/api/v1/namespaces/default/${path}`, merge);
  t.strictSame(managers(await client.get(replicationControllers, at)), [
    'scaler Update scale',
    'weft-test Update',
  ]);
});

t.test('writes are recorded under the names that clients give themselves', async (t) => {
  const fixture = await startServer(t);
  const { client } = fixture;
  const path = '/api/v1/namespaces/default/services';
  await client.request('POST', path, { body: service('one'), query: { fieldManager: 'maker' } });
  const object = await client.get(services, at);
  t.strictSame(managers(object), ['maker Update']);
  const owned = JSON.stringify(object.metadata.managedFields);
  t.notMatch(owned, /clusterIP|ipFamilies/, 'what the server allocates is nobody’s');
  const { managedFields: _, ...metadata } = object.metadata;
  const kept = await client.update(services, { ...object, metadata });
  t.strictSame(kept, object, 'a client that knows nothing of the record does no harm');
  await client.patch(services, at, { metadata: { labels: { a: 'b' } } }, 'merge');
  t.strictSame(managers(await client.get(services, at)).sort(), ['maker Update', 'weft-test Update']);
  await client.patch(services, at, { metadata: { managedFields: [{}] } }, 'merge');
  t.equal((await client.get(services, at)).metadata.managedFields, undefined, 'the record is thrown away');
  await client.patch(services, at, { metadata: { labels: { a: 'c' } } }, 'merge');
  t.equal((await client.get(services, at)).metadata.managedFields, undefined);
  t.match(
    await refusal(
      t,
      client.request('POST', path, { body: service('two'), query: { fieldManager: 'x'.repeat(200) } }),
    ),
    { code: 422, message: /^CreateOptions.meta.k8s.io "" is invalid: fieldManager: Too long/ },
  );
  await standing(t, fixture);
});

async function standing(t: Test, { client }: Fixture): Promise<void> {
  const own = await client.get(services, { namespace: 'default', name: 'kubernetes' });
  t.strictSame(managers(own), ['weft-server Update']);
  t.strictSame(managers(await client.get(namespaces, { name: 'default' })), ['weft-server Update']);
}
