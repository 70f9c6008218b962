import t from 'tap';
import { isNotFound } from '../../../api/client/api-error.ts';
import { configMaps, namespaces, pods, replicationControllers } from '../../../api/client/resources.ts';
import type { Pod } from '../../../api/kinds/pod.ts';
import { refusal, startServer } from './fixture.ts';
import { configMap, pod } from './objects.ts';

const at = (name: string) => ({ namespace: 'default', name });

t.test('an object is created, read, replaced, patched and deleted', async (t) => {
  const { client } = await startServer(t);
  const created = await client.create(configMaps, configMap('one', { a: '1' }));
  t.match(created.metadata, { name: 'one', namespace: 'default', uid: String, resourceVersion: /^\d+$/ });
  t.same(await client.get(configMaps, at('one')), created);
  t.match(await refusal(t, client.create(configMaps, configMap('one'))), {
    code: 409,
    reason: 'AlreadyExists',
    message: 'configmaps "one" already exists',
  });

  const replaced = await client.update(configMaps, { ...created, data: { b: '2' } });
  t.same(replaced.data, { b: '2' });
  t.equal(replaced.metadata.uid, created.metadata.uid);
  t.ok(Number(replaced.metadata.resourceVersion) > Number(created.metadata.resourceVersion));
  t.match(await refusal(t, client.update(configMaps, { ...created, data: {} })), {
    code: 409,
    reason: 'Conflict',
    message:
      'Operation cannot be fulfilled on configmaps "one": the object has been modified; please apply your changes ' +
      'to the latest version and try again',
  });
  const unchanged = await client.update(configMaps, replaced);
  t.equal(
    unchanged.metadata.resourceVersion,
    replaced.metadata.resourceVersion,
    'no change, no new revision',
  );

  t.same((await client.patch(configMaps, at('one'), { data: { c: '3' } }, 'merge')).data, { b: '2', c: '3' });
  const json = [{ op: 'remove', path: '/data/b' }];
  t.same((await client.patch(configMaps, at('one'), json, 'json')).data, { c: '3' });
  const unsettable = { metadata: { creationTimestamp: '2001-01-01T00:00:00Z', generation: 99 } };
  const kept = await client.patch(configMaps, at('one'), unsettable, 'merge');
  t.equal(
    kept.metadata.creationTimestamp,
    created.metadata.creationTimestamp,
    'what the server decides stays',
  );

  t.match(await client.delete(configMaps, at('one')), {
    kind: 'Status',
    status: 'Success',
    details: { name: 'one' },
  });
  t.match(await refusal(t, client.get(configMaps, at('one'))), {
    code: 404,
    reason: 'NotFound',
    message: 'configmaps "one" not found',
  });
});

t.test('generateName makes different names', async (t) => {
  const { client } = await startServer(t);
  const names = new Set<string>();
  for (let i = 0; i < 20; i += 1) {
    const metadata = { name: '', generateName: 'web-', namespace: 'default' };
    names.add((await client.create(configMaps, { metadata })).metadata.name);
  }
  t.equal(names.size, 20);
  t.ok([...names].every((name) => /^web-[bcdfghjklmnpqrstvwxz2456789]{5}$/.test(name)));
});

t.test('lists page through one snapshot and select', async (t) => {
  const { client } = await startServer(t);
  const names = ['a', 'b', 'c', 'd', 'e'];
  for (const name of names) await client.create(configMaps, configMap(name));
  const page = await client.list(configMaps, { namespace: 'default', limit: 2 });
  t.same(
    page.items.map((item) => item.metadata.name),
    ['a', 'b'],
  );
  await client.delete(configMaps, at('c'));
  await client.create(configMaps, configMap('bb'));
  const rest = await client.list(configMaps, {
    namespace: 'default',
    limit: 10,
    continue: page.metadata.continue,
  });
  t.same(
    rest.items.map((item) => item.metadata.name),
    ['c', 'd', 'e'],
    'the rest is of the first page’s time',
  );
  t.equal(rest.metadata.resourceVersion, page.metadata.resourceVersion);
  t.notOk(rest.metadata.continue);

  for (const name of ['x', 'y'])
    await client.create(pods, pod(name, name === 'y' ? { nodeName: 'node1' } : {}));
  const selected = async (options: object) =>
    (await client.list(pods, options)).items.map((item) => item.metadata.name);
  t.same(await selected({ labelSelector: 'app=x' }), ['x']);
  t.same(await selected({ labelSelector: 'app in (x,y),nope!=1' }), ['x', 'y']);
  t.same(await selected({ fieldSelector: 'spec.nodeName=node1' }), ['y']);
  t.same(await selected({ fieldSelector: 'metadata.name!=y', limit: 1 }), ['x']);
  t.match(await refusal(t, client.list(pods, { labelSelector: 'a===b' })), { code: 400 });
  t.match(await refusal(t, client.list(pods, { limit: 1, continue: 'rubbish' })), { code: 400 });
  t.match(await refusal(t, client.list(pods, { resourceVersion: 'abc' })), { code: 400 });
  t.match(await refusal(t, client.list(pods, { resourceVersion: '999999' })), {
    code: 504,
    reason: 'Timeout',
  });
});

t.test('objects with mistakes are refused in Kubernetes’ words', async (t) => {
  const { client } = await startServer(t);
  const post = (body: unknown, query: Record<string, string> = {}) =>
    client.request('POST', '/api/v1/namespaces/default/pods', { body, query });
  const { metadata, spec } = pod('wrong');
  t.match(await refusal(t, post({ metadata, spec: {} })), {
    code: 422,
    reason: 'Invalid',
    message: 'Pod "wrong" is invalid: spec.containers: Required value',
  });
  t.match(await refusal(t, post({ metadata, spec: { ...spec, nope: 1 } }, { fieldValidation: 'Strict' })), {
    code: 400,
    message: /strict decoding error: unknown field "spec.nope"/,
  });
  t.match(
    await post({ metadata, spec: { ...spec, nope: 1 } }),
    { spec: { nope: undefined } },
    'dropped otherwise',
  );
  t.match(await refusal(t, post({ metadata: { ...metadata, namespace: 'other' }, spec })), {
    code: 400,
    message: 'the namespace of the provided object does not match the namespace sent on the request',
  });
  t.match(await refusal(t, client.request('POST', '/api/v1/namespaces/nowhere/pods', { body: { spec } })), {
    code: 404,
    message: 'namespaces "nowhere" not found',
  });
  const path = '/api/v1/namespaces/default/pods';
  const contentType = 'application/cbor';
  t.match(await refusal(t, client.request('POST', path, { body: {}, contentType })), {
    code: 415,
    message: /application\/vnd.kubernetes.protobuf \(got application\/cbor\)/,
  });
  t.match(await refusal(t, client.request('GET', '/api/v1/nonsense')), {
    code: 404,
    message: 'the server could not find the requested resource',
  });
  t.match(await refusal(t, client.request('PUT', path, { body: {} })), { code: 405 });
});

t.test('a dry run checks everything and keeps nothing', async (t) => {
  const { client } = await startServer(t);
  const path = '/api/v1/namespaces/default/services';
  const query = { dryRun: 'All' };
  const body = { metadata: { name: 'dry' }, spec: { ports: [{ port: 80 }], clusterIP: '10.96.0.77' } };
  t.match(await client.request('POST', path, { body, query }), { spec: { clusterIP: '10.96.0.77' } });
  t.match(await refusal(t, client.request('GET', `${path}/dry`)), { code: 404 });
  await client.request('POST', path, { body });
  const change = { body: { ...body, metadata: { name: 'dry', labels: { a: 'b' } } }, query };
  t.match(await client.request('PUT', `${path}/dry`, change), { metadata: { labels: { a: 'b' } } });
  await client.request('DELETE', `${path}/dry`, { query });
  t.match(
    await client.request('GET', `${path}/dry`),
    { metadata: { labels: undefined } },
    'still there, unchanged',
  );
  t.match(await refusal(t, client.request('POST', path, { body, query: { dryRun: 'Some' } })), { code: 400 });
});

t.test('pods end in their own time', async (t) => {
  const { client } = await startServer(t);
  await client.create(pods, pod('loose'));
  t.match(await client.delete(pods, at('loose')), { status: 'Success' }, 'nobody runs it: gone at once');

  await client.create(pods, pod('bound', { nodeName: 'node1', terminationGracePeriodSeconds: 7 }));
  const ending = (await client.delete(pods, at('bound'))) as Pod;
  t.equal(ending.metadata.deletionGracePeriodSeconds, 7);
  t.ok(ending.metadata.deletionTimestamp);
  const again = (await client.delete(pods, at('bound'))) as Pod;
  t.equal(again.metadata.resourceVersion, ending.metadata.resourceVersion, 'asking again changes nothing');
  const shorter = (await client.delete(pods, at('bound'), { gracePeriodSeconds: 2 })) as Pod;
  t.equal(shorter.metadata.deletionGracePeriodSeconds, 2);
  const longer = (await client.delete(pods, at('bound'), { gracePeriodSeconds: 60 })) as Pod;
  t.equal(longer.metadata.deletionGracePeriodSeconds, 2, 'never longer');
  const wrongUid = client.delete(pods, at('bound'), {
    gracePeriodSeconds: 0,
    preconditions: { uid: 'other' },
  });
  t.match(await refusal(t, wrongUid), {
    code: 409,
    message: /Precondition failed: UID in precondition: other/,
  });
  const uid = shorter.metadata.uid ?? '';
  t.match(await client.delete(pods, at('bound'), { gracePeriodSeconds: 0, preconditions: { uid } }), {
    status: 'Success',
  });
  t.match(await refusal(t, client.get(pods, at('bound'))), { code: 404 });
});

t.test('finalizers hold an object, and propagation is told through them', async (t) => {
  const { client } = await startServer(t);
  const held = configMap('held');
  held.metadata.finalizers = ['example.com/hold'];
  await client.create(configMaps, held);
  t.match(await client.delete(configMaps, at('held')), { metadata: { deletionTimestamp: String } });
  const more = { metadata: { finalizers: ['example.com/hold', 'example.com/more'] } };
  t.match(await refusal(t, client.patch(configMaps, at('held'), more, 'merge')), {
    code: 422,
    message: /no new finalizers can be added if the object is being deleted/,
  });
  await client.patch(configMaps, at('held'), { metadata: { finalizers: null } }, 'merge');
  t.match(
    await refusal(t, client.get(configMaps, at('held'))),
    { code: 404 },
    'the last finalizer let it go',
  );

  await client.create(configMaps, configMap('owner'));
  const foreground = await client.delete(configMaps, at('owner'), { propagationPolicy: 'Foreground' });
  t.match(foreground, { metadata: { finalizers: ['foregroundDeletion'], deletionTimestamp: String } });
  const background = await client.delete(configMaps, at('owner'), { propagationPolicy: 'Background' });
  t.match(background, { status: 'Success' });
});

t.test('namespaces end when their finalizer is taken off, and take nothing new meanwhile', async (t) => {
  const { client } = await startServer(t);
  await client.create(namespaces, { metadata: { name: 'team' } });
  const inside = { metadata: { name: 'x', namespace: 'team' } };
  await client.create(configMaps, inside);
  const ending = await client.delete(namespaces, { name: 'team' });
  t.match(ending, { status: { phase: 'Terminating' }, spec: { finalizers: ['kubernetes'] } });
  t.match(await refusal(t, client.create(configMaps, { metadata: { name: 'y', namespace: 'team' } })), {
    code: 403,
    message:
      'configmaps "y" is forbidden: unable to create new content in namespace team because it is being terminated',
  });
  const body = { ...ending, spec: { finalizers: [] } };
  await client.updateSubresource(namespaces, { name: 'team' }, 'finalize', body);
  t.match(await refusal(t, client.get(namespaces, { name: 'team' })), { code: 404 });
  t.match(await refusal(t, client.delete(namespaces, { name: 'kube-system' })), { code: 403 });
});

t.test('status and spec are changed apart; generation follows the spec', async (t) => {
  const { client } = await startServer(t);
  const created = await client.create(replicationControllers, {
    metadata: { name: 'rc', namespace: 'default' },
    spec: { replicas: 2, template: { metadata: { name: '', labels: { app: 'x' } }, spec: pod('x').spec } },
  });
  t.equal(created.metadata.generation, 1);
  const both = { spec: { replicas: 5 }, status: { replicas: 3 } };
  const status = await client.patchStatus(replicationControllers, at('rc'), both, 'merge');
  t.match(status, { spec: { replicas: 2 }, status: { replicas: 3 }, metadata: { generation: 1 } });
  const spec = await client.patch(replicationControllers, at('rc'), both, 'strategic');
  t.match(spec, { spec: { replicas: 5 }, status: { replicas: 3 }, metadata: { generation: 2 } });

  const scalePath = '/api/v1/namespaces/default/replicationcontrollers/rc/scale';
  const scale = await client.request('GET', scalePath);
  t.match(scale, {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    spec: { replicas: 5 },
    status: { replicas: 3, selector: 'app=x' },
  });
  const body = { spec: { replicas: 1 } };
  const contentType = 'application/merge-patch+json';
  t.match(await client.request('PATCH', scalePath, { body, contentType }), { spec: { replicas: 1 } });
  t.match(await client.get(replicationControllers, at('rc')), {
    spec: { replicas: 1 },
    metadata: { generation: 3 },
  });
});

t.test('a pod is bound once', async (t) => {
  const { client } = await startServer(t);
  await client.create(pods, pod('web'));
  const binding = { apiVersion: 'v1', kind: 'Binding', target: { kind: 'Node', name: 'node1' } };
  await client.createSubresource(pods, at('web'), 'binding', binding);
  t.match(await client.get(pods, at('web')), {
    spec: { nodeName: 'node1' },
    status: { conditions: [{ type: 'PodScheduled', status: 'True' }] },
  });
  t.match(await refusal(t, client.createSubresource(pods, at('web'), 'binding', binding)), {
    code: 409,
    message: /pod web is already assigned to node "node1"/,
  });
});

t.test('a collection is deleted as selected', async (t) => {
  const { client } = await startServer(t);
  for (const name of ['a', 'b', 'c']) await client.create(pods, pod(name));
  const query = { labelSelector: 'app in (a,b)' };
  await client.request('DELETE', '/api/v1/namespaces/default/pods', { query });
  t.same(
    (await client.list(pods)).items.map((item) => item.metadata.name),
    ['c'],
  );
});

t.test('there are no custom kinds, and kubectl may ask', async (t) => {
  const { client } = await startServer(t);
  const list = await client.request('GET', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions');
  t.match(list, { kind: 'CustomResourceDefinitionList', items: [] });
});

t.test('what no longer is one of the selected outlives the collection’s deletion', async (t) => {
  const { client } = await startServer(t);
  const names = Array.from({ length: 100 }, (_, i) => `c${String(i).padStart(3, '0')}`);
  const create = async (name: string, labels: Record<string, string>) => {
    const { data } = configMap(name);
    await client.create(configMaps, {
      metadata: { name, namespace: 'default', labels },
      ...(data && { data }),
    });
  };
  for (const name of [...names, 'y', 'z']) await create(name, { go: 'yes' });
  const deletion = client.request('DELETE', '/api/v1/namespaces/default/configmaps', {
    query: { labelSelector: 'go=yes' },
  });
  const isGoing = async () => {
    const [first = ''] = names;
    return client.get(configMaps, { namespace: 'default', name: first }).then(() => false, isNotFound);
  };
  while (!(await isGoing()));
  await client.patch(
    configMaps,
    { namespace: 'default', name: 'y' },
    { metadata: { labels: null } },
    'merge',
  );
  await client.delete(configMaps, { namespace: 'default', name: 'z' });
  await create('z', {});
  await deletion;
  const { items } = await client.list(configMaps, { namespace: 'default' });
  t.same(
    items.map(({ metadata }) => metadata.name).filter((name) => /^[cyz]/.test(name)),
    ['y', 'z'],
  );
});
