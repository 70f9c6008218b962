import t from 'tap';
import { applyPatch } from '../../../../api/server/patch/patch.ts';
import { Node } from '../../../../api/kinds/node.ts';
import { Pod } from '../../../../api/kinds/pod.ts';
import { Service } from '../../../../api/kinds/service.ts';

const pod = {
  metadata: { name: 'web', labels: { app: 'web', tier: 'front' }, finalizers: ['a', 'b'] },
  spec: {
    containers: [
      { name: 'one', image: 'one:1', ports: [{ containerPort: 80 }] },
      { name: 'two', image: 'two:1' },
    ],
    volumes: [{ name: 'data', emptyDir: {} }],
    tolerations: [{ key: 'x' }],
  },
};

function patchPod(patch: unknown): unknown {
  return applyPatch('application/strategic-merge-patch+json', Pod, pod, patch);
}

interface Case {
  readonly what: string;
  readonly patch: unknown;
  /** The patched pod's changed part, by dotted path. */
  readonly at: string;
  readonly expected: unknown;
}

const [one, two] = pod.spec.containers;
const cases: Case[] = [
  {
    what: 'merges an element by its key',
    patch: { spec: { containers: [{ name: 'two', image: 'two:2' }] } },
    at: 'spec.containers',
    expected: [one, { name: 'two', image: 'two:2' }],
  },
  {
    what: 'puts a new element first where no order is given',
    patch: { spec: { containers: [{ name: 'three', image: 'three:1', command: null }] } },
    at: 'spec.containers',
    expected: [{ name: 'three', image: 'three:1' }, one, two],
  },
  {
    what: '$setElementOrder orders merged and new elements',
    patch: {
      spec: {
        '$setElementOrder/containers': [{ name: 'two' }, { name: 'three' }, { name: 'one' }],
        containers: [{ name: 'three', image: 'three:1' }],
      },
    },
    at: 'spec.containers',
    expected: [two, { name: 'three', image: 'three:1' }, one],
  },
  {
    what: '$setElementOrder alone reorders; what it does not name keeps its place',
    patch: { spec: { '$setElementOrder/containers': [{ name: 'two' }] } },
    at: 'spec.containers',
    expected: [one, two],
  },
  {
    what: '$patch: delete removes an element',
    patch: { spec: { containers: [{ $patch: 'delete', name: 'one' }] } },
    at: 'spec.containers',
    expected: [two],
  },
  {
    what: '$patch: replace replaces a list',
    patch: { spec: { containers: [{ $patch: 'replace' }, { name: 'new', image: 'new' }] } },
    at: 'spec.containers',
    expected: [{ name: 'new', image: 'new' }],
  },
  {
    what: '$patch: replace replaces an object',
    patch: { metadata: { labels: { $patch: 'replace', only: 'this' } } },
    at: 'metadata.labels',
    expected: { only: 'this' },
  },
  {
    what: '$patch: delete empties an object',
    patch: { metadata: { labels: { $patch: 'delete' } } },
    at: 'metadata.labels',
    expected: {},
  },
  {
    what: 'null deletes a field',
    patch: { metadata: { labels: { tier: null } } },
    at: 'metadata.labels',
    expected: { app: 'web' },
  },
  {
    what: '$retainKeys changes a volume of one type into another',
    patch: {
      spec: { volumes: [{ name: 'data', $retainKeys: ['name', 'hostPath'], hostPath: { path: '/x' } }] },
    },
    at: 'spec.volumes',
    expected: [{ name: 'data', hostPath: { path: '/x' } }],
  },
  {
    what: 'a list of plain values is a set',
    patch: { metadata: { finalizers: ['b', 'c'] } },
    at: 'metadata.finalizers',
    expected: ['a', 'b', 'c'],
  },
  {
    what: '$deleteFromPrimitiveList takes values out',
    patch: { metadata: { '$deleteFromPrimitiveList/finalizers': ['a'] } },
    at: 'metadata.finalizers',
    expected: ['b'],
  },
  {
    what: 'a list without a merge strategy is replaced',
    patch: { spec: { tolerations: [{ key: 'y' }] } },
    at: 'spec.tolerations',
    expected: [{ key: 'y' }],
  },
  {
    what: 'directives do not survive where there was nothing',
    patch: {
      spec: {
        hostAliases: [
          { ip: '10.0.0.1', hostnames: ['a'] },
          { ip: '10.0.0.2', $patch: 'delete' },
        ],
      },
    },
    at: 'spec.hostAliases',
    expected: [{ ip: '10.0.0.1', hostnames: ['a'] }],
  },
  {
    what: 'a nested list is merged by its own key',
    patch: {
      spec: {
        containers: [{ name: 'one', ports: [{ containerPort: 80, name: 'http' }, { containerPort: 443 }] }],
      },
    },
    at: 'spec.containers',
    expected: [
      { name: 'one', image: 'one:1', ports: [{ containerPort: 80, name: 'http' }, { containerPort: 443 }] },
      two,
    ],
  },
];

function valueAt(object: unknown, path: string): unknown {
  return path.split('.').reduce((value, name) => (value as Record<string, unknown>)[name], object);
}

for (const { what, patch, at, expected } of cases) {
  t.test(what, (t) => {
    const before = structuredClone(pod);
    t.strictSame(valueAt(patchPod(patch), at), expected);
    t.strictSame(pod, before, 'the current object is untouched');
    t.end();
  });
}

const mistakes: [string, unknown, RegExp][] = [
  ['not an object', [1], /is an object/],
  ['no merge key', { spec: { containers: [{ image: 'x' }] } }, /lacks its merge key "name"/],
  ['a merge key that is no plain value', { spec: { containers: [{ name: {} }] } }, /must be a plain value/],
  ['a plain element in a list of objects', { spec: { containers: ['x'] } }, /not an object/],
  ['an object in a list of plain values', { metadata: { finalizers: [{}] } }, /plain values/],
  ['an unknown directive', { spec: { $patch: 'merge' } }, /unknown \$patch directive "merge"/],
  ['an order that is no list', { spec: { '$setElementOrder/containers': 'x' } }, /must be a list/],
  [
    'retained keys that lack a set one',
    { spec: { $retainKeys: [], nodeName: 'x' } },
    /does not list "nodeName"/,
  ],
  ['too deep', JSON.parse(`${'{"a":'.repeat(300)}1${'}'.repeat(300)}`), /nested deeper/],
];

for (const [what, patch, message] of mistakes) {
  t.test(`rejects ${what}`, (t) => {
    t.throws(() => patchPod(patch), { name: 'PatchError', code: 400, message });
    t.end();
  });
}

t.test('what kubectl apply sends for a changed Service port', (t) => {
  const service = { spec: { ports: [{ port: 80, protocol: 'TCP', nodePort: 30000 }], type: 'NodePort' } };
  const patch = {
    spec: {
      '$setElementOrder/ports': [{ port: 443 }],
      ports: [{ port: 443 }, { $patch: 'delete', port: 80 }],
    },
  };
  const patched = applyPatch('application/strategic-merge-patch+json', Service, service, patch);
  t.strictSame(patched, { spec: { ports: [{ port: 443 }], type: 'NodePort' } });
  t.end();
});

t.test('conditions of a node merge by type', (t) => {
  const node = {
    status: {
      conditions: [
        { type: 'Ready', status: 'True' },
        { type: 'DiskPressure', status: 'False' },
      ],
    },
  };
  const patch = { status: { conditions: [{ type: 'Ready', status: 'False' }] } };
  const patched = applyPatch('application/strategic-merge-patch+json', Node, node, patch) as typeof node;
  t.strictSame(patched.status.conditions, [
    { type: 'Ready', status: 'False' },
    { type: 'DiskPressure', status: 'False' },
  ]);
  t.end();
});

t.test('a field named __proto__ stays a field', (t) => {
  const patch: unknown = JSON.parse('{"metadata":{"labels":{"__proto__":"x"}}}');
  const { metadata } = patchPod(patch) as typeof pod;
  t.ok(Object.hasOwn(metadata.labels, '__proto__'));
  t.equal(metadata.labels.app, 'web');
  t.end();
});

t.test('a long list takes no quadratic time', (t) => {
  const length = 20_000;
  const list = Array.from({ length }, (_, i) => ({ name: `c${i}`, image: 'x' }));
  const patched = applyPatch(
    'application/strategic-merge-patch+json',
    Pod,
    { spec: { containers: list } },
    {
      spec: { containers: list.map(({ name }) => ({ name, image: 'y' })) },
    },
  ) as { spec: { containers: { image: string }[] } };
  t.equal(patched.spec.containers.length, length);
  t.ok(patched.spec.containers.every((each) => each.image === 'y'));
  t.end();
});
