import t from 'tap';
import { compareElements, parseElement, renderPath } from '../../../../api/server/fields/element.ts';
import { difference, intersection, pathsOf, sorted, union } from '../../../../api/server/fields/field-set.ts';
import type { FieldSet } from '../../../../api/server/fields/field-set.ts';

const labels: FieldSet = { 'f:labels': { '.': {}, 'f:a': {}, 'f:b': {} } };

t.test('sets are put together and taken apart', (t) => {
  const set: FieldSet = { 'f:labels': { 'f:b': {}, 'f:c': {} }, 'f:x': {} };
  t.strictSame(union(labels, set), {
    'f:labels': { '.': {}, 'f:a': {}, 'f:b': {}, 'f:c': {} },
    'f:x': {},
  });
  t.strictSame(difference(labels, set), { 'f:labels': { '.': {}, 'f:a': {} } });
  t.strictSame(intersection(labels, set), { 'f:labels': { 'f:b': {} } });
  t.strictSame(difference(labels, { 'f:labels': {} }), { 'f:labels': { 'f:a': {}, 'f:b': {} } });
  t.strictSame(union({ 'f:labels': {} }, { 'f:labels': { 'f:a': {} } }), {
    'f:labels': { '.': {}, 'f:a': {} },
  });
  t.equal(difference(labels, labels), undefined, 'nothing is left');
  t.equal(intersection(labels, { 'f:x': {} }), undefined);
  t.equal(union(undefined, labels), labels);
  t.equal(union(labels, undefined), labels);
  t.equal(difference(labels, undefined), labels);
  t.equal(difference(undefined, labels), undefined);
  t.end();
});

t.test('paths come level by level, in the words of messages', (t) => {
  const set: FieldSet = {
    'f:spec': {
      'f:ports': { 'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:targetPort': {} } },
      'f:replicas': {},
    },
    'f:metadata': { 'f:finalizers': { 'v:"a/b"': {} }, 'f:old': { 'i:3': {} } },
  };
  t.strictSame([...pathsOf(set)].map(renderPath), [
    '.spec.replicas',
    '.spec.ports[port=80,protocol="TCP"]',
    '.spec.ports[port=80,protocol="TCP"].targetPort',
    '.metadata.finalizers[="a/b"]',
    '.metadata.old[3]',
  ]);
  t.end();
});

t.test('elements are ordered as other servers write them', (t) => {
  const set: FieldSet = {
    'v:"b"': {},
    'f:b': {},
    'k:{"port":443,"protocol":"TCP"}': { 'f:z': {}, 'f:a': {}, '.': {} },
    'k:{"port":80,"protocol":"UDP"}': {},
    'k:{"port":80,"protocol":"TCP"}': {},
    'f:a': {},
  };
  const result = sorted(set, compareElements);
  t.strictSame(Object.keys(result), [
    'f:a',
    'f:b',
    'k:{"port":80,"protocol":"TCP"}',
    'k:{"port":80,"protocol":"UDP"}',
    'k:{"port":443,"protocol":"TCP"}',
    'v:"b"',
  ]);
  t.strictSame(Object.keys(result['k:{"port":443,"protocol":"TCP"}'] ?? {}), ['.', 'f:a', 'f:z']);
  t.end();
});

t.test('what clients write is put into our own words', (t) => {
  for (const [text, element] of [
    ['f:name', 'f:name'],
    ['f:__proto__', 'f:__proto__'],
    ['k:{ "protocol": "TCP", "port": 80 }', 'k:{"port":80,"protocol":"TCP"}'],
    ['v:"a<b"', 'v:"a\\u003cb"'],
    ['i:3', 'i:3'],
    ['x:later', undefined],
    ['k:80', null],
    ['k:{', null],
    ['v:', null],
    ['i:x', null],
    ['name', null],
  ] as const) {
    t.equal(parseElement(text), element, text);
  }
  t.end();
});
