import t from 'tap';
import { ask, json } from '../ask.ts';
import { startServer, type Fixture } from '../fixture.ts';
import { envelope, type Field } from './wire.ts';

/** What programs built on Kubernetes' Go client send when they are set to protobuf, as kube-proxy and CoreDNS are. */
const headers = {
  'content-type': 'application/vnd.kubernetes.protobuf',
  accept: 'application/vnd.kubernetes.protobuf, */*',
};

type Json = { metadata: { name: string; resourceVersion: string } } & Record<string, unknown>;

async function send(fixture: Fixture, method: string, path: string, body: Buffer): Promise<[number, Json]> {
  const answer = await ask(fixture, path, { method, headers, body });
  return [answer.code ?? 0, json(answer) as Json];
}

const meta = (...fields: readonly Field[]): Field => [1, fields];

t.test('a leader is elected by a Lease', async (t) => {
  const fixture = await startServer(t);
  const path = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases';
  const second = (at: number): Field[] => [
    [1, 1_700_000_000 + at],
    [2, 5_000],
  ];
  const lease = (holder: string, at: number, ...more: readonly Field[]) =>
    envelope('coordination.k8s.io/v1', 'Lease', meta([1, 'leader'], [3, 'kube-system'], ...more), [
      2,
      [
        [1, holder],
        [2, 15],
        [3, second(0)],
        [4, second(at)],
        [5, 0],
      ],
    ]);
  const [made, first] = await send(fixture, 'POST', path, lease('a', 0));
  t.equal(made, 201);
  t.match(first, {
    kind: 'Lease',
    spec: { holderIdentity: 'a', renewTime: '2023-11-14T22:13:20.000005Z', leaseTransitions: 0 },
  });
  const version: Field = [6, first.metadata.resourceVersion];
  const [renewed, next] = await send(fixture, 'PUT', `${path}/leader`, lease('a', 5, version));
  t.equal(renewed, 200);
  t.match(next, { spec: { renewTime: '2023-11-14T22:13:25.000005Z' } });
  t.match(await send(fixture, 'PUT', `${path}/leader`, lease('b', 6, version)), [
    409,
    { reason: 'Conflict' },
  ]);
  t.match(await send(fixture, 'POST', path, lease('b', 6)), [409, { reason: 'AlreadyExists' }]);
  const [, read] = await send(fixture, 'GET', `${path}/leader`, Buffer.alloc(0));
  t.match(read, { spec: { holderIdentity: 'a' } }, 'who came late changed nothing');
});

t.test('Events of both groups', async (t) => {
  const fixture = await startServer(t);
  const node: Field[] = [
    [1, 'Node'],
    [3, 'n1'],
    [4, 'n1'],
  ];
  const at: Field[] = [
    [1, 1_700_000_000],
    [2, 0],
  ];
  const old = envelope(
    'v1',
    'Event',
    meta([1, 'n1.1'], [3, 'default']),
    [2, node],
    [3, 'Starting'],
    [4, 'some text: \u00e4'],
    [
      5,
      [
        [1, 'kube-proxy'],
        [2, 'n1'],
      ],
    ],
    [6, at],
    [7, at],
    [8, 1],
    [9, 'Normal'],
    [10, []],
    [12, ''],
    [14, ''],
    [15, ''],
  );
  const [made, event] = await send(fixture, 'POST', '/api/v1/namespaces/default/events', old);
  t.equal(made, 201);
  t.match(event, {
    involvedObject: { kind: 'Node', name: 'n1' },
    message: 'some text: \u00e4',
    firstTimestamp: '2023-11-14T22:13:20Z',
    count: 1,
  });
  t.equal(event['eventTime'] ?? null, null);
  const recent = envelope(
    'events.k8s.io/v1',
    'Event',
    meta([1, 'n1.2'], [3, 'default']),
    [2, at],
    [4, 'kube-proxy'],
    [5, 'kube-proxy-n1'],
    [6, 'StartKubeProxy'],
    [7, 'Starting'],
    [8, node],
    [10, 'a note'],
    [11, 'Normal'],
  );
  const [also, newer] = await send(
    fixture,
    'POST',
    '/apis/events.k8s.io/v1/namespaces/default/events',
    recent,
  );
  t.equal(also, 201, JSON.stringify(newer));
  t.match(newer, {
    apiVersion: 'events.k8s.io/v1',
    eventTime: '2023-11-14T22:13:20.000000Z',
    regarding: { name: 'n1' },
    note: 'a note',
  });
});

t.test('a pod is bound, a node reports, objects are deleted with options', async (t) => {
  const fixture = await startServer(t);
  const { client } = fixture;
  const pods = '/api/v1/namespaces/default/pods';
  await client.request('POST', '/api/v1/nodes', { body: { metadata: { name: 'n1' } } });
  const spec = { containers: [{ name: 'c', image: 'i' }] };
  const pod = (await client.request('POST', pods, { body: { metadata: { name: 'web' }, spec } })) as Json;
  const binding = envelope('v1', 'Binding', meta([1, 'web']), [
    2,
    [
      [1, 'Node'],
      [3, 'n1'],
    ],
  ]);
  t.match(await send(fixture, 'POST', `${pods}/web/binding`, binding), [201, { status: 'Success' }]);
  t.match(await client.request('GET', `${pods}/web`), { spec: { nodeName: 'n1' } });

  const capacity: Field = [
    1,
    [
      [1, 'cpu'],
      [2, [[1, '2']]],
    ],
  ];
  const ready: Field = [
    4,
    [
      [1, 'Ready'],
      [2, 'True'],
      [3, []],
      [4, []],
      [5, 'KubeletReady'],
      [6, ''],
    ],
  ];
  const node = envelope('v1', 'Node', meta([1, 'n1']), [
    3,
    [
      capacity,
      ready,
      [
        5,
        [
          [1, 'InternalIP'],
          [2, '192.0.2.1'],
        ],
      ],
    ],
  ]);
  t.match(await send(fixture, 'PUT', '/api/v1/nodes/n1/status', node), [
    200,
    { status: { capacity: { cpu: '2' }, conditions: [{ type: 'Ready', status: 'True' }] } },
  ]);

  const options = (uid: string) => envelope('v1', 'DeleteOptions', [1, 0], [2, [[1, uid]]]);
  t.match(await send(fixture, 'DELETE', `${pods}/web`, options('another')), [409, { reason: 'Conflict' }]);
  const { uid } = pod.metadata as unknown as { uid: string };
  t.match(await send(fixture, 'DELETE', `${pods}/web`, options(uid)), [200, {}]);
  t.match(await send(fixture, 'GET', `${pods}/web`, Buffer.alloc(0)), [404, { kind: 'Status' }]);
});

t.test('an object of another kind, bytes that are none, and what the kind refuses', async (t) => {
  const fixture = await startServer(t);
  const path = '/api/v1/namespaces/default/configmaps';
  t.match(await send(fixture, 'POST', path, envelope('v1', 'Pod', meta([1, 'a']))), [
    400,
    { message: /kind: the object says "Pod"/ },
  ]);
  t.match(await send(fixture, 'POST', path, Buffer.from('{}')), [
    400,
    { message: /not Kubernetes protobuf/ },
  ]);
  t.match(await send(fixture, 'POST', path, envelope('v1', 'ConfigMap', [1, 5])), [
    400,
    { message: 'ConfigMap in version "v1": metadata: the protobuf field is not text or a message' },
  ]);
  t.match(await send(fixture, 'POST', path, envelope('v1', 'ConfigMap', meta([1, 'A B']))), [
    422,
    { details: { causes: [{ field: 'metadata.name' }] } },
  ]);
  const patch = { ...headers };
  const refused = await ask(fixture, `${path}/a`, {
    method: 'PATCH',
    headers: patch,
    body: envelope('v1', 'ConfigMap'),
  });
  t.equal(refused.code, 415, 'there are no patches in protobuf');
});

t.test('an informer for protobuf takes JSON: its list and its watch with bookmarks', async (t) => {
  const fixture = await startServer(t);
  const path = '/apis/discovery.k8s.io/v1/endpointslices?labelSelector=!service.kubernetes.io/headless';
  const list = await ask(fixture, `${path}&limit=500&resourceVersion=0`, { headers });
  t.match(list.headers['content-type'], /^application\/json/);
  const { metadata } = json(list) as Json;
  const query = `watch=true&allowWatchBookmarks=true&timeoutSeconds=1&resourceVersion=${metadata.resourceVersion}`;
  const watch = await ask(fixture, `${path}&${query}`, { headers });
  t.match(watch.headers['content-type'], /^application\/json/);
  const events = watch.body
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string });
  t.equal(events.at(-1)?.type, 'BOOKMARK', 'the last word before the end is where to go on');
});
