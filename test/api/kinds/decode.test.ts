import t from 'tap';
import { decodeObject } from '../../../api/kinds/object.ts';
import { configMapKind } from '../../../api/kinds/config-map.ts';
import { leaseKind } from '../../../api/kinds/lease.ts';
import { podKind } from '../../../api/kinds/pod.ts';
import { secretKind } from '../../../api/kinds/secret.ts';
import { serviceKind } from '../../../api/kinds/service.ts';
import { container, pod, service } from './objects.ts';

t.test('fills apiVersion, kind and the zero values, and nothing else', (t) => {
  t.strictSame(decodeObject(podKind, {}).object, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: '' },
    spec: { containers: [] },
  });
  t.end();
});

t.test('nulls count as absent, in maps as zero values', (t) => {
  const value = { metadata: { name: 'x', creationTimestamp: null, labels: null }, data: { a: null, b: 'c' } };
  const { object, unknownFields } = decodeObject(configMapKind, value);
  t.strictSame(object.metadata, { name: 'x' });
  t.strictSame(object.data, { a: '', b: 'c' });
  t.strictSame(unknownFields, []);
  t.end();
});

t.test('unknown fields are dropped and reported by path', (t) => {
  const value = pod({ foo: 1, containers: [container({ bar: { baz: 1 } })] }, { colour: 'red' });
  const { object, unknownFields } = decodeObject(podKind, { ...value, constructor: 1 });
  t.strictSame(unknownFields, [
    'unknown field "metadata.colour"',
    'unknown field "spec.containers[0].bar"',
    'unknown field "spec.foo"',
    'unknown field "constructor"',
  ]);
  t.notOk('foo' in object.spec);
  t.end();
});

t.test('does not change or share what it reads', (t) => {
  const value = pod();
  const before = structuredClone(value);
  const { object } = decodeObject(podKind, value);
  object.spec.containers.push({ name: 'more' });
  object.metadata.name = 'other';
  t.strictSame(value, before);
  t.end();
});

t.test('a map may have any key', (t) => {
  const value: unknown = JSON.parse('{"data":{"__proto__":"x","constructor":"y"}}');
  const { data } = decodeObject(configMapKind, value).object;
  t.strictSame(Object.entries(data ?? {}), [
    ['__proto__', 'x'],
    ['constructor', 'y'],
  ]);
  t.end();
});

t.test('quantities may be numbers, ports names', (t) => {
  const resources = { limits: { cpu: 1, memory: '1Gi' } };
  const decoded = decodeObject(podKind, pod({ containers: [container({ resources })] })).object;
  t.strictSame(decoded.spec.containers[0]?.resources?.limits, { cpu: '1', memory: '1Gi' });
  const ports = [
    { port: 80, targetPort: 'http' },
    { port: 81, targetPort: 8081 },
  ];
  const { spec } = decodeObject(serviceKind, service({ ports })).object;
  t.strictSame(spec.ports, ports);
  t.end();
});

const head = 'Pod in version "v1" cannot be handled as a Pod: ';
const wrong: [unknown, string][] = [
  [[], 'the body must be a JSON or YAML object'],
  ['text', 'the body must be a JSON or YAML object'],
  [{ kind: 'Service' }, 'kind: the object says "Service", the request\'s path "Pod"'],
  [{ apiVersion: 'v2' }, 'apiVersion: the object says "v2", the request\'s path "v1"'],
  [{ metadata: 'x' }, `${head}metadata: expected an object, got string "x"`],
  [pod({ containers: {} }), `${head}spec.containers: expected a list, got an object`],
  [pod({ containers: [null] }), `${head}spec.containers[0]: expected an object, got null`],
  [pod({ hostNetwork: 'yes' }), `${head}spec.hostNetwork: expected true or false, got string "yes"`],
  [pod({ hostname: 1 }), `${head}spec.hostname: expected a string, got number 1`],
  [pod({ priority: '1' }), `${head}spec.priority: expected an integer, got string "1"`],
  [pod({ priority: 1.5 }), `${head}spec.priority: expected an integer, got number 1.5`],
  [pod({ priority: 2 ** 31 }), `${head}spec.priority: expected a 32-bit integer, got number 2147483648`],
  [
    pod({ overhead: { cpu: '1 core' } }),
    `${head}spec.overhead.cpu: expected a quantity such as 500m or 1Gi, got string "1 core"`,
  ],
  [pod({}, { labels: { a: true } }), `${head}metadata.labels.a: expected a string, got boolean true`],
  [
    pod({}, { creationTimestamp: 'now' }),
    `${head}metadata.creationTimestamp: expected an RFC 3339 time, got string "now"`,
  ],
];

for (const [value, message] of wrong) {
  t.test(`says: ${message}`, (t) => {
    t.throws(() => decodeObject(podKind, value), { name: 'DecodeError', code: 'BadRequest', message });
    t.end();
  });
}

t.test('bytes are base64', (t) => {
  t.strictSame(decodeObject(secretKind, { data: { a: 'aGk=', b: '' } }).object.data, { a: 'aGk=', b: '' });
  t.strictSame(decodeObject(secretKind, { data: { a: 'aG\nk=' } }).object.data, { a: 'aG\nk=' });
  for (const text of ['hi!', 'aGk', 'a===']) {
    t.throws(() => decodeObject(secretKind, { data: { a: text } }), /data\.a: expected base64/);
  }
  t.end();
});

t.test('times may have fractions and offsets', (t) => {
  for (const renewTime of ['2026-01-02T03:04:05.123456Z', '2026-01-02T03:04:05+01:00']) {
    t.equal(decodeObject(leaseKind, { spec: { renewTime } }).object.spec?.renewTime, renewTime);
  }
  t.throws(
    () => decodeObject(leaseKind, { spec: { renewTime: '2026-13-02T03:04:05Z' } }),
    /expected an RFC 3339/,
  );
  t.end();
});
