import t from 'tap';
import { configMapKind } from '../../../../api/kinds/config-map.ts';
import type { KubeObject, ManagedFieldsEntry } from '../../../../api/kinds/meta.ts';
import { applyDefaults, decodeObject } from '../../../../api/kinds/object.ts';
import { serviceKind } from '../../../../api/kinds/service.ts';
import type { Service } from '../../../../api/kinds/service.ts';
import { isSameRecord, trackUpdate } from '../../../../api/server/fields/track.ts';
import { configMap, service } from '../objects.ts';

const early = '2026-01-01T00:00:00Z';
const late = '2026-01-02T00:00:00Z';

function decoded(value: Service): Service {
  const { object } = decodeObject(serviceKind, value);
  applyDefaults(serviceKind, object);
  return object;
}

const by = (manager: string, subresource = '') => ({ manager, subresource });

/** The record after a chain of writes to one ConfigMap, each by its own manager at its own second. */
function record(...writes: readonly (readonly [manager: string, data: Record<string, string>])[]) {
  let current: KubeObject | undefined;
  for (const [index, [manager, data]] of writes.entries()) {
    const next: KubeObject = decodeObject(configMapKind, configMap('a', data)).object;
    const time = `2026-01-01T00:00:${String(index).padStart(2, '0')}Z`;
    const managedFields = trackUpdate(configMapKind, by(manager), next, current, time);
    current = { ...next, metadata: { ...next.metadata, ...(managedFields ? { managedFields } : {}) } };
  }
  return current?.metadata.managedFields ?? [];
}

const summary = (entries: readonly ManagedFieldsEntry[]) =>
  entries.map(({ manager, fieldsV1, time }) => [manager, fieldsV1, time?.slice(17, 19)]);

t.test('who creates an object owns what it says, defaults and all', (t) => {
  const entries = trackUpdate(serviceKind, by('kubectl-create'), decoded(service('web')), undefined, early);
  t.strictSame(entries, [
    {
      manager: 'kubectl-create',
      operation: 'Update',
      apiVersion: 'v1',
      time: early,
      fieldsType: 'FieldsV1',
      fieldsV1: {
        'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
        'f:spec': {
          'f:internalTrafficPolicy': {},
          'f:ports': {
            '.': {},
            'k:{"port":80,"protocol":"TCP"}': {
              '.': {},
              'f:port': {},
              'f:protocol': {},
              'f:targetPort': {},
            },
          },
          'f:selector': {},
          'f:sessionAffinity': {},
          'f:type': {},
        },
      },
    },
  ]);
  t.end();
});

t.test('who changes a field takes it; who deletes one takes it from everybody', (t) => {
  const [own, all] = [{ 'f:data': { 'f:a': {} } }, { 'f:data': { '.': {}, 'f:a': {}, 'f:b': {} } }];
  t.strictSame(summary(record(['x', { a: '1', b: '1' }])), [['x', all, '00']]);
  t.strictSame(summary(record(['x', { a: '1', b: '1' }], ['y', { a: '2', b: '1' }])), [
    ['x', { 'f:data': { '.': {}, 'f:b': {} } }, '00'],
    ['y', own, '01'],
  ]);
  t.strictSame(
    summary(record(['x', { a: '1', b: '1' }], ['y', { a: '2', b: '1' }], ['x', { a: '3', b: '1' }])),
    [['x', all, '02']],
    'a manager that has nothing left is gone',
  );
  t.strictSame(summary(record(['x', { a: '1', b: '1' }], ['y', { b: '1' }])), [
    ['x', { 'f:data': { '.': {}, 'f:b': {} } }, '00'],
  ]);
  t.strictSame(summary(record(['x', { a: '1', b: '1' }], ['y', { a: '1', b: '1' }])), [['x', all, '00']]);
  t.end();
});

t.test('a status is recorded apart from the object', (t) => {
  const current = decoded(service('web'));
  const managedFields = trackUpdate(serviceKind, by('cloud'), current, undefined, early) ?? [];
  current.metadata.managedFields = managedFields;
  const status = { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } };
  const next = { ...current, metadata: { ...current.metadata, labels: {} }, status };
  const entries = trackUpdate(serviceKind, by('cloud', 'status'), next, current, late) ?? [];
  t.equal(entries.length, 2);
  t.equal(entries[0], managedFields[0], 'the other entry is as it was');
  t.match(entries[1], {
    manager: 'cloud',
    subresource: 'status',
    time: late,
    fieldsV1: { 'f:status': { '.': {}, 'f:loadBalancer': { '.': {}, 'f:ingress': {} } } },
  });
  t.end();
});

t.test('clients may write the record themselves', (t) => {
  const current = decoded(service('web'));
  current.metadata.managedFields = trackUpdate(serviceKind, by('x'), current, undefined, early) ?? [];
  const next = (managedFields: ManagedFieldsEntry[] | undefined): KubeObject => {
    const { managedFields: _, ...metadata } = current.metadata;
    return { ...current, metadata: managedFields ? { ...metadata, managedFields } : metadata };
  };
  const write = (entries: ManagedFieldsEntry[] | undefined, subresource = '') =>
    trackUpdate(serviceKind, by('y', subresource), next(entries), current, late);
  const good = { manager: 'z', operation: 'Apply', apiVersion: 'v1', fieldsType: 'FieldsV1' };
  const fieldsV1 = { 'f:spec': { 'k:{ "port": 80 }': {}, 'f:type': {} } };
  t.same(write(undefined), current.metadata.managedFields, 'who knows nothing of it changes nothing');
  t.equal(write([]), undefined, 'an empty list throws it away');
  t.equal(write([{}]), undefined, 'so does one empty entry');
  t.strictSame(write([{ ...good, fieldsV1 }]), [{ ...good, fieldsV1 }], 'good entries are taken');
  t.same(
    write([{ ...good, fieldsV1 }], 'status'),
    current.metadata.managedFields,
    'but not through a status',
  );
  for (const wrong of [
    { ...good, operation: 'Steal' },
    { ...good, fieldsType: 'FieldsV2' },
    { ...good, apiVersion: '' },
    { ...good, fieldsV1: { 'f:spec': [] } },
    { ...good, fieldsV1: { spec: {} } },
    { ...good, fieldsV1: {} },
  ]) {
    t.same(write([wrong]), current.metadata.managedFields, `not ${JSON.stringify(wrong)}`);
  }
  t.end();
});

t.test('an object without a record gets none by being written on', (t) => {
  const current = decoded(service('web'));
  const next = { ...current, spec: { ...current.spec, type: 'NodePort' } };
  t.equal(trackUpdate(serviceKind, by('x'), next, current, late), undefined);
  t.end();
});

t.test('fields of a version that is not served are nobody’s', (t) => {
  const old = { manager: 'x', operation: 'Update', apiVersion: 'v1beta1', fieldsType: 'FieldsV1' };
  const current = decodeObject(configMapKind, configMap('a', { a: '1' })).object;
  current.metadata.managedFields = [{ ...old, fieldsV1: { 'f:data': { 'f:a': {} } } }];
  const next = decodeObject(configMapKind, configMap('a', { a: '2' })).object;
  const entries = trackUpdate(configMapKind, by('y'), next, current, late) ?? [];
  t.same(summary(entries), [['y', { 'f:data': { 'f:a': {} } }, '00']]);
  t.end();
});

t.test('the oldest of many updaters become one', (t) => {
  const names = Array.from({ length: 13 }, (_, index) => `m${String(index).padStart(2, '0')}`);
  const data = (count: number) => Object.fromEntries(names.slice(0, count).map((name) => [name, '']));
  const entries = record(...names.map((name, index) => [name, data(index + 1)] as const));
  t.equal(entries.length, 10);
  t.strictSame(
    entries.map(({ manager }) => manager),
    ['ancient-changes', ...names.slice(4)],
  );
  const fields = { 'f:data': { '.': {}, 'f:m00': {}, 'f:m01': {}, 'f:m02': {}, 'f:m03': {} } };
  t.strictSame(summary(entries)[0], ['ancient-changes', fields, '03']);
  t.end();
});

t.test('two records are the same whenever they were written', (t) => {
  const entry = { manager: 'x', operation: 'Update', time: early, fieldsV1: { 'f:data': {} } };
  t.ok(isSameRecord([entry], [{ ...entry, time: late }]));
  t.ok(isSameRecord(undefined, undefined));
  t.notOk(isSameRecord([entry], undefined));
  t.notOk(isSameRecord([entry], [{ ...entry, fieldsV1: { 'f:spec': {} } }]));
  t.end();
});
