import t from 'tap';
import { compare } from '../../../../api/server/fields/compare.ts';
import { managedSchema } from '../../../../api/server/fields/object-fields.ts';
import { serviceKind } from '../../../../api/kinds/service.ts';
import { podKind } from '../../../../api/kinds/pod.ts';

const service = managedSchema(serviceKind, '');
const pod = managedSchema(podKind, '');

t.test('what differs between two states', (t) => {
  for (const [name, before, after, comparison] of [
    ['nothing', { spec: { type: 'A' } }, { spec: { type: 'A' } }, undefined],
    [
      'a value',
      { spec: { type: 'A' } },
      { spec: { type: 'B' } },
      { modified: { 'f:spec': { 'f:type': {} } } },
    ],
    ['a new value', { spec: {} }, { spec: { type: 'B' } }, { added: { 'f:spec': { 'f:type': {} } } }],
    ['a lost value', { spec: { type: 'A' } }, { spec: {} }, { removed: { 'f:spec': { 'f:type': {} } } }],
    [
      'a map that was not there is new itself',
      { metadata: {} },
      { metadata: { labels: { a: '1' } } },
      { added: { 'f:metadata': { 'f:labels': { '.': {}, 'f:a': {} } } } },
    ],
    [
      'a map that was empty is not',
      { metadata: { labels: {} } },
      { metadata: { labels: { a: '1' } } },
      { added: { 'f:metadata': { 'f:labels': { 'f:a': {} } } } },
    ],
    [
      'nothing and an empty map differ',
      { metadata: {} },
      { metadata: { labels: {} } },
      { added: { 'f:metadata': { 'f:labels': {} } } },
    ],
    [
      'an atomic map is one value',
      { spec: { selector: { a: '1' } } },
      { spec: { selector: { a: '1', b: '2' } } },
      { modified: { 'f:spec': { 'f:selector': {} } } },
    ],
    [
      'an atomic list is one value',
      { spec: { externalIPs: ['192.0.2.1'] } },
      { spec: { externalIPs: ['192.0.2.1', '192.0.2.2'] } },
      { modified: { 'f:spec': { 'f:externalIPs': {} } } },
    ],
    [
      'elements are found by their keys, whatever their order; an absent key counts with its default',
      { spec: { ports: [{ port: 80 }, { port: 53, protocol: 'UDP' }] } },
      {
        spec: {
          ports: [
            { port: 53, protocol: 'UDP', name: 'dns' },
            { port: 80, protocol: 'TCP' },
          ],
        },
      },
      {
        added: {
          'f:spec': {
            'f:ports': {
              'k:{"port":53,"protocol":"UDP"}': { 'f:name': {} },
              'k:{"port":80,"protocol":"TCP"}': { 'f:protocol': {} },
            },
          },
        },
      },
    ],
    [
      'a set holds values',
      { metadata: { finalizers: ['a/1', 'a/2'] } },
      { metadata: { finalizers: ['a/3', 'a/2'] } },
      {
        removed: { 'f:metadata': { 'f:finalizers': { 'v:"a/1"': {} } } },
        added: { 'f:metadata': { 'f:finalizers': { 'v:"a/3"': {} } } },
      },
    ],
    [
      'what names the object or is the server’s is nobody’s',
      { metadata: { name: 'a', uid: '1', resourceVersion: '1', generation: 1 }, status: {} },
      {
        metadata: { name: 'b', namespace: 'x', uid: '2', resourceVersion: '2', creationTimestamp: 'x' },
        status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } },
      },
      undefined,
    ],
  ] as const) {
    t.strictSame(compare(service, before, after), comparison, name);
  }
  t.end();
});

t.test('elements that are there twice are one value together', (t) => {
  const ports = (...hostPorts: number[]) => ({
    spec: {
      containers: [{ name: 'a', ports: hostPorts.map((hostPort) => ({ containerPort: 80, hostPort })) }],
    },
  });
  const at = (node: object) => ({
    'f:spec': {
      'f:containers': {
        'k:{"name":"a"}': { 'f:ports': { 'k:{"containerPort":80,"protocol":"TCP"}': node } },
      },
    },
  });
  const fields = { '.': {}, 'f:containerPort': {}, 'f:hostPort': {} };
  t.equal(compare(pod, ports(1, 2), ports(1, 2)), undefined);
  t.strictSame(compare(pod, ports(1, 2), ports(1, 3)), { modified: at({}) });
  t.strictSame(compare(pod, ports(1, 2), ports(1)), { removed: at({}), added: at(fields) });
  t.strictSame(compare(pod, ports(1), ports(1, 2)), { added: at({}), removed: at(fields) });
  t.end();
});

t.test('a status is compared through its subresource alone', (t) => {
  const before = { metadata: { labels: { a: '1' } }, spec: { type: 'A' }, status: {} };
  const after = { metadata: {}, spec: {}, status: { loadBalancer: {} } };
  t.strictSame(compare(managedSchema(serviceKind, 'status'), before, after), {
    added: { 'f:status': { 'f:loadBalancer': {} } },
  });
  t.end();
});
