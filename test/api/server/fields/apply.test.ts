import t from 'tap';
import { podKind } from '../../../../api/kinds/pod.ts';
import type { Pod } from '../../../../api/kinds/pod.ts';
import type { KubeObject, ManagedFieldsEntry } from '../../../../api/kinds/meta.ts';
import { applyDefaults, decodeConfiguration, decodeObject } from '../../../../api/kinds/object.ts';
import { serviceKind } from '../../../../api/kinds/service.ts';
import { applyConfiguration } from '../../../../api/server/fields/apply.ts';
import { trackUpdate } from '../../../../api/server/fields/track.ts';

type Spec = Record<string, unknown>;
type Metadata = Record<string, unknown>;

const now = '2026-01-01T00:00:00Z';

/** A Service under the hands of several managers. */
class Scene {
  object: KubeObject | undefined;

  apply(manager: string, spec: Spec, { force = false, metadata = {}, time = now } = {}): this {
    const value = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web', namespace: 'default', ...metadata },
      spec,
    };
    const configuration = decodeConfiguration(serviceKind, value).object;
    const request = { kind: serviceKind, configuration, manager, subresource: '', force, now: time };
    const applied = applyConfiguration(request, this.object);
    this.#store(decodeObject(serviceKind, applied.object).object, applied.managedFields);
    return this;
  }

  update(
    manager: string,
    change: (object: Spec, metadata: Metadata) => void,
    options: { record?: false } = {},
  ) {
    const next = structuredClone(
      this.object ?? decodeObject(serviceKind, { metadata: { name: 'web' } }).object,
    );
    change((next as unknown as { spec: Spec }).spec, next.metadata);
    const record = options.record ?? true;
    const author = { manager, subresource: '' };
    this.#store(next, record ? trackUpdate(serviceKind, author, next, this.object, now) : undefined);
    return this;
  }

  #store(object: KubeObject, managedFields: ManagedFieldsEntry[] | undefined): void {
    applyDefaults(serviceKind, object as never);
    const { managedFields: _, ...metadata } = object.metadata;
    this.object = { ...object, metadata: managedFields ? { ...metadata, managedFields } : metadata };
  }

  get spec(): Spec {
    return (this.object as unknown as { spec: Spec }).spec;
  }

  /** Each manager's fields. */
  get record(): Record<string, unknown> {
    const entries = this.object?.metadata.managedFields ?? [];
    return Object.fromEntries(
      entries.map((each) => [`${each.manager ?? ''} ${each.operation ?? ''}`, each.fieldsV1]),
    );
  }
}

const http = { port: 80, name: 'http' };
const https = { port: 443, name: 'https' };
const element = (port: number) => `k:{"port":${port},"protocol":"TCP"}`;

t.test('a new object is owned as far as the configuration goes', (t) => {
  const scene = new Scene().apply('kubectl', { ports: [http], selector: { app: 'web' } });
  t.match(scene.spec, { ports: [{ ...http, protocol: 'TCP', targetPort: 80 }], type: 'ClusterIP' });
  t.strictSame(scene.record, {
    'kubectl Apply': {
      'f:spec': {
        'f:ports': { [element(80)]: { '.': {}, 'f:name': {}, 'f:port': {} } },
        'f:selector': {},
      },
    },
  });
  t.end();
});

t.test('what is applied no more goes, what others manage or nobody applied stays', (t) => {
  const scene = new Scene()
    .apply(
      'kubectl',
      { ports: [http, https], sessionAffinity: 'None' },
      { metadata: { labels: { a: '1', b: '1' } } },
    )
    .update('cloud', (spec) => (spec['loadBalancerIP'] = '192.0.2.1'))
    .apply('kubectl', { ports: [https] }, { metadata: { labels: { b: '1' } } });
  t.match(scene.spec, { loadBalancerIP: '192.0.2.1', ports: [https] });
  t.equal((scene.spec['ports'] as unknown[]).length, 1);
  t.strictSame(scene.object?.metadata.labels, { b: '1' });
  scene.apply('kubectl', { ports: [https] });
  t.equal(scene.object?.metadata.labels, undefined, 'a map goes with its last key');
  t.end();
});

t.test('a field that another applies too stays when one drops it', (t) => {
  const scene = new Scene()
    .apply('one', { type: 'NodePort', externalName: 'a' })
    .apply('two', { type: 'NodePort' })
    .apply('one', { externalName: 'a' });
  t.equal(scene.spec['type'], 'NodePort');
  t.strictSame(scene.record, {
    'one Apply': { 'f:spec': { 'f:externalName': {} } },
    'two Apply': { 'f:spec': { 'f:type': {} } },
  });
  scene.apply('two', { ports: [http] });
  t.equal(scene.spec['type'], 'ClusterIP', 'and is defaulted again when both have');
  t.end();
});

t.test('an element stays as long as another has it, less the fields that go', (t) => {
  const scene = new Scene()
    .apply('one', { ports: [{ ...http, appProtocol: 'x' }] })
    .apply('two', { ports: [{ port: 80 }] })
    .apply('one', { type: 'ClusterIP' });
  t.match(scene.spec['ports'], [{ port: 80 }]);
  t.notMatch(scene.spec['ports'], [{ appProtocol: 'x' }]);
  t.end();
});

t.test('fields with other values are conflicts, and are taken by force', (t) => {
  const scene = new Scene()
    .update('kubectl-create', (spec) => (spec['type'] = 'NodePort'))
    .apply('one', { ports: [{ ...http, targetPort: 8080 }] });
  const refused = (spec: Spec) => {
    try {
      scene.apply('two', spec);
      return undefined;
    } catch (error) {
      return (error as { toStatus(): unknown }).toStatus();
    }
  };
  t.match(refused({ type: 'ClusterIP' }), {
    code: 409,
    reason: 'Conflict',
    message: 'Apply failed with 1 conflict: conflict with "kubectl-create" using v1: .spec.type',
    details: {
      causes: [
        {
          reason: 'FieldManagerConflict',
          message: 'conflict with "kubectl-create" using v1',
          field: '.spec.type',
        },
      ],
    },
  });
  t.match(refused({ type: 'ClusterIP', ports: [{ port: 80, name: 'web', targetPort: 81 }] }), {
    message: [
      'Apply failed with 3 conflicts: conflicts with "kubectl-create" using v1:',
      '- .spec.type',
      'conflicts with "one":',
      '- .spec.ports[port=80,protocol="TCP"].name',
      '- .spec.ports[port=80,protocol="TCP"].targetPort',
    ].join('\n'),
  });
  t.equal(refused({ type: 'NodePort' }), undefined, 'the same value is none: both own it');
  scene.apply('two', { type: 'ClusterIP', ports: [{ port: 80, targetPort: 81 }] }, { force: true });
  t.strictSame(scene.record, {
    'one Apply': { 'f:spec': { 'f:ports': { [element(80)]: { '.': {}, 'f:name': {}, 'f:port': {} } } } },
    'two Apply': {
      'f:spec': {
        'f:ports': { [element(80)]: { '.': {}, 'f:port': {}, 'f:targetPort': {} } },
        'f:type': {},
      },
    },
  });
  t.end();
});

t.test('lists keep the order that the configuration gives and the place of what others added', (t) => {
  const order = (live: readonly number[], configuration: readonly number[]) => {
    const ports = (numbers: readonly number[]) => numbers.map((port) => ({ port, name: `p${port}` }));
    const scene = new Scene().update('x', (spec) => (spec['ports'] = ports(live)));
    scene.apply('y', { ports: ports(configuration) });
    return (scene.spec['ports'] as { port: number }[]).map(({ port }) => port);
  };
  for (const [live, configuration, merged] of [
    [[1, 2], [3], [1, 2, 3]],
    [
      [1, 9, 2],
      [2, 1],
      [9, 2, 1],
    ],
    [
      [1, 9, 2],
      [3, 1, 2],
      [3, 1, 9, 2],
    ],
    [
      [9, 1],
      [3, 1],
      [9, 3, 1],
    ],
    [
      [1, 9],
      [1, 3],
      [1, 9, 3],
    ],
    [
      [1, 2, 9],
      [2, 1],
      [2, 9, 1],
    ],
  ] as const) {
    t.strictSame(order(live, configuration), merged, `${live.join()} and ${configuration.join()}`);
  }
  t.end();
});

t.test('an apply that changes nothing says so', (t) => {
  const scene = new Scene().apply('x', { ports: [http] });
  const before = scene.object;
  scene.apply('x', { ports: [http] }, { time: '2027-01-01T00:00:00Z' });
  t.strictSame(scene.object, before, 'not even a time changes');
  scene.apply('y', { ports: [http] }, { time: '2027-01-01T00:00:00Z' });
  t.match(scene.object?.metadata.managedFields, [
    { manager: 'x' },
    { manager: 'y', time: '2027-01-01T00:00:00Z' },
  ]);
  t.end();
});

t.test('the first apply to an object without a record begins one', (t) => {
  const scene = new Scene().update('x', (spec) => (spec['type'] = 'NodePort'), { record: false });
  t.throws(() => scene.apply('one', { type: 'ClusterIP' }), {
    message: 'Apply failed with 1 conflict: conflict with "before-first-apply" using v1: .spec.type',
  });
  scene.apply('one', { type: 'NodePort' });
  t.match(scene.record, {
    'one Apply': { 'f:spec': { 'f:type': {} } },
    'before-first-apply Update': { 'f:spec': { 'f:type': {} } },
  });
  t.end();
});

t.test('who applied from the client applies from the server without a conflict', (t) => {
  const annotation = 'kubectl.kubernetes.io/last-applied-configuration';
  const lastApplied = JSON.stringify({ apiVersion: 'v1', kind: 'Service', spec: { type: 'NodePort' } });
  const scene = () =>
    new Scene().update('kubectl-client-side-apply', (spec, metadata) => {
      spec['type'] = 'NodePort';
      spec['externalName'] = 'a';
      metadata['annotations'] = { [annotation]: lastApplied };
    });
  t.throws(() => scene().apply('other', { type: 'ClusterIP' }), /1 conflict/);
  t.throws(() => scene().apply('kubectl', { type: 'ClusterIP', externalName: 'b' }), {
    message:
      'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using v1: .spec.externalName',
  });
  const own = scene().apply('kubectl', { type: 'ClusterIP' });
  t.equal(own.spec['type'], 'ClusterIP');
  const kept = own.object?.metadata.annotations?.[annotation] ?? '{}';
  t.match(JSON.parse(kept), { spec: { type: 'ClusterIP' } }, 'the annotation follows');
  const edited = scene().update('edit', (spec) => (spec['type'] = 'LoadBalancer'));
  t.throws(() => edited.apply('kubectl', { type: 'ClusterIP' }), /conflict with "edit" using v1: .spec.type/);
  t.end();
});

t.test('an element has to be told from the others', (t) => {
  t.throws(() => new Scene().apply('x', { ports: [http, { port: 80, targetPort: 1 }] }), {
    name: 'ConfigurationError',
    message: '.spec.ports: duplicate entries for key [port=80,protocol="TCP"]',
  });
  const value = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'a' },
    spec: { containers: [{ image: 'b' }] },
  };
  const configuration = decodeConfiguration<Pod>(podKind, value).object;
  const request = { kind: podKind, configuration, manager: 'x', subresource: '', force: false, now };
  t.throws(() => applyConfiguration(request, undefined), {
    message: '.spec.containers: element 0 omits all key fields [name]',
  });
  t.end();
});

t.test('names and preconditions of a configuration reach the object', (t) => {
  const scene = new Scene().apply('x', {}, { metadata: { uid: 'u', resourceVersion: '7' } });
  t.match(scene.object?.metadata, { name: 'web', namespace: 'default', uid: 'u', resourceVersion: '7' });
  t.strictSame(scene.record, { 'x Apply': { 'f:spec': {} } });
  t.end();
});
