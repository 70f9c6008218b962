import t from 'tap';
import { resolveIntOrPercent } from '../../../api/kinds/int-or-percent.ts';
import { controllerRevisionKind } from '../../../api/kinds/controller-revision.ts';
import { daemonSetKind } from '../../../api/kinds/daemon-set.ts';
import { deploymentKind } from '../../../api/kinds/deployment.ts';
import type { Kind } from '../../../api/kinds/kind.ts';
import type { KubeObject } from '../../../api/kinds/meta.ts';
import { replicaSetKind } from '../../../api/kinds/replica-set.ts';
import { container, create, mistakes } from './objects.ts';
import { validateObject } from '../../../api/kinds/object.ts';
import { renderFieldError } from '../../../api/kinds/field-error.ts';

type Part = Record<string, unknown>;

const metadata = { name: 'web', namespace: 'default', creationTimestamp: '2026-01-01T00:55:00Z' };
const now = Date.parse('2026-01-01T01:00:00Z');
const labels = { app: 'web' };
const template = { metadata: { labels }, spec: { containers: [container()] } };
const plain = { selector: { matchLabels: labels }, template };

function workload(spec: Part = {}): Part {
  return { metadata, spec: { ...plain, ...spec } };
}

function withPod(spec: Part): Part {
  return { template: { metadata: { labels }, spec: { ...template.spec, ...spec } } };
}

t.test('defaults', (t) => {
  t.match(create(deploymentKind, { ...workload(), status: { replicas: 3 } }), {
    spec: {
      replicas: 1,
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' } },
      template: {
        spec: {
          restartPolicy: 'Always',
          dnsPolicy: 'ClusterFirst',
          securityContext: {},
          containers: [{ imagePullPolicy: 'Always', resources: {} }],
        },
      },
    },
    status: {},
  });
  const partly = { strategy: { rollingUpdate: { maxSurge: 0 } } };
  t.strictSame(create(deploymentKind, workload(partly)).spec.strategy, {
    type: 'RollingUpdate',
    rollingUpdate: { maxUnavailable: '25%', maxSurge: 0 },
  });
  const recreate = create(deploymentKind, workload({ strategy: { type: 'Recreate' } }));
  t.strictSame(recreate.spec.strategy, { type: 'Recreate' });
  t.equal(create(replicaSetKind, workload()).spec.replicas, 1);
  const daemons = create(daemonSetKind, workload());
  t.equal(daemons.spec.revisionHistoryLimit, 10);
  t.strictSame(daemons.spec.updateStrategy, {
    type: 'RollingUpdate',
    rollingUpdate: { maxUnavailable: 1, maxSurge: 0 },
  });
  t.equal(daemons.status?.numberReady, 0);
  t.end();
});

/** What a new object with each spec is told. */
function table<T extends KubeObject>(kind: Kind<T>, cases: readonly [Part, readonly string[]][]): void {
  t.test(`mistakes in a ${kind.kind}`, (t) => {
    for (const [spec, expected] of cases) t.strictSame(mistakes(kind, workload(spec)), expected);
    t.end();
  });
}

const expressions = (...matchExpressions: Part[]) => ({ selector: { matchExpressions } });
const surge = (maxSurge: unknown, maxUnavailable: unknown) => ({
  strategy: { rollingUpdate: { maxSurge, maxUnavailable } },
});
const negative = 'must be greater than or equal to 0';

table(deploymentKind, [
  [{}, []],
  [{ selector: null }, ['spec.selector: Required value']],
  [{ selector: {} }, ['spec.selector: Invalid value: {}: empty selector is invalid for deployment']],
  [
    { selector: { matchLabels: { app: 'db' } } },
    [
      'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
    ],
  ],
  [expressions({ key: 'app', operator: 'In', values: ['web', 'db'] }), []],
  [expressions({ key: 'app', operator: 'Exists' }, { key: 'x', operator: 'DoesNotExist' }), []],
  [
    expressions({ key: 'app', operator: 'In' }),
    [
      "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
    ],
  ],
  [
    expressions({ key: 'app', operator: 'Exists', values: ['a'] }),
    [
      "spec.selector.matchExpressions[0].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
    ],
  ],
  [
    expressions({ key: 'app', operator: 'Gt', values: ['1'] }),
    ['spec.selector.matchExpressions[0].operator: Invalid value: "Gt": not a valid selector operator'],
  ],
  [{ replicas: -1 }, [`spec.replicas: Invalid value: -1: ${negative}`]],
  [
    { minReadySeconds: 600 },
    ['spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds'],
  ],
  [{ revisionHistoryLimit: -1 }, [`spec.revisionHistoryLimit: Invalid value: -1: ${negative}`]],
  [
    withPod({ restartPolicy: 'Never' }),
    ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
  ],
  [
    withPod({ activeDeadlineSeconds: 5 }),
    [
      'spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported',
    ],
  ],
  [withPod({ containers: [] }), ['spec.template.spec.containers: Required value']],
  [surge(1, 0), []],
  [surge('0%', '100%'), []],
  [
    surge(0, 0),
    ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0'],
  ],
  [
    surge('0%', '0%'),
    ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0'],
  ],
  [
    surge('a', '110%'),
    [
      `spec.strategy.rollingUpdate.maxSurge: Invalid value: "a": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%' or '93%')`,
      'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "110%": must not be greater than 100%',
    ],
  ],
  [surge(-1, 1), [`spec.strategy.rollingUpdate.maxSurge: Invalid value: -1: ${negative}`]],
  [
    { strategy: { type: 'Recreate', rollingUpdate: {} } },
    ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
  ],
  [
    { strategy: { type: 'Slow' } },
    ['spec.strategy.type: Unsupported value: "Slow": supported values: "Recreate", "RollingUpdate"'],
  ],
]);

table(replicaSetKind, [
  [{}, []],
  [{ selector: {} }, ['spec.selector: Invalid value: {}: empty selector is invalid for deployment']],
  [{ minReadySeconds: -1 }, [`spec.minReadySeconds: Invalid value: -1: ${negative}`]],
]);

const roll = (rollingUpdate: Part) => ({ updateStrategy: { rollingUpdate } });
const rollingUpdate = 'spec.updateStrategy.rollingUpdate';
table(daemonSetKind, [
  [{}, []],
  [{ selector: {} }, ['spec.selector: Invalid value: {}: empty selector is invalid for daemonset']],
  [
    withPod({ activeDeadlineSeconds: 5 }),
    [
      'spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in DaemonSet is not Supported',
    ],
  ],
  [roll({ maxUnavailable: 0, maxSurge: '10%' }), []],
  [
    roll({ maxUnavailable: 0 }),
    [`${rollingUpdate}.maxUnavailable: Required value: cannot be 0 when maxSurge is 0`],
  ],
  [
    roll({ maxSurge: 1 }),
    [`${rollingUpdate}.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero`],
  ],
  [
    { updateStrategy: { type: 'Never' } },
    ['spec.updateStrategy.type: Unsupported value: "Never": supported values: "OnDelete", "RollingUpdate"'],
  ],
]);

t.test('a selector stays', (t) => {
  const other = {
    selector: { matchLabels: { app: 'db' } },
    template: { ...template, metadata: { labels: { app: 'db' } } },
  };
  const told = 'spec.selector: Invalid value: {"matchLabels":{"app":"db"}}: field is immutable';
  t.strictSame(mistakes(deploymentKind, workload(other), create(deploymentKind, workload())), [told]);
  t.strictSame(mistakes(replicaSetKind, workload(other), create(replicaSetKind, workload())), [told]);
  t.strictSame(mistakes(daemonSetKind, workload(other), create(daemonSetKind, workload())), [told]);
  t.end();
});

t.test('a status adds up', (t) => {
  const old = create(deploymentKind, workload());
  const told = (status: Part) =>
    validateObject(deploymentKind, { ...old, status }, { ...old, status: { collisionCount: 2 } }).map(
      renderFieldError,
    );
  t.strictSame(told({ replicas: 2, readyReplicas: 1, availableReplicas: 1, collisionCount: 2 }), []);
  t.strictSame(told({ replicas: 1, readyReplicas: 2, availableReplicas: 3, collisionCount: 1 }), [
    'status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas',
    'status.availableReplicas: Invalid value: 3: cannot be greater than status.replicas',
    'status.availableReplicas: Invalid value: 3: cannot be greater than readyReplicas',
    'status.collisionCount: Invalid value: 1: cannot be decremented',
  ]);
  t.end();
});

t.test('a ControllerRevision keeps its data', (t) => {
  const revision = (data: Part | null) => ({ metadata, data, revision: 1 });
  t.strictSame(mistakes(controllerRevisionKind, revision(null)), ['data: Required value: data is mandatory']);
  const old = create(controllerRevisionKind, revision({ spec: { $patch: 'replace' } }));
  t.strictSame(old.data, { spec: { $patch: 'replace' } }, 'data is not ours to read');
  t.strictSame(mistakes(controllerRevisionKind, revision({ spec: {} }), old), [
    'data: Invalid value: {"spec":{}}: field is immutable',
  ]);
  t.end();
});

t.test('columns', (t) => {
  const selector = {
    matchLabels: { tier: 'front' },
    matchExpressions: [{ key: 'app', operator: 'In', values: ['web', 'db'] }],
  };
  const spec = { replicas: 3, selector, template };
  const wide = ['main', 'nginx', 'app in (db,web),tier=front'];
  t.strictSame(
    deploymentKind.cells(
      {
        ...create(deploymentKind, { metadata, spec }),
        status: { readyReplicas: 2, updatedReplicas: 1, availableReplicas: 2 },
      },
      now,
    ),
    ['web', '2/3', 1, 2, '5m', ...wide],
  );
  t.strictSame(
    replicaSetKind.cells(
      { ...create(replicaSetKind, { metadata, spec }), status: { replicas: 3, readyReplicas: 2 } },
      now,
    ),
    ['web', 3, 3, 2, '5m', ...wide],
  );
  const daemons = create(daemonSetKind, {
    metadata,
    spec: { selector, template: { ...template, spec: { ...template.spec, nodeSelector: { disk: 'ssd' } } } },
  });
  const status = {
    desiredNumberScheduled: 5,
    currentNumberScheduled: 4,
    numberReady: 3,
    updatedNumberScheduled: 2,
    numberAvailable: 1,
    numberMisscheduled: 0,
  };
  t.strictSame(daemonSetKind.cells({ ...daemons, status }, now), [
    'web',
    5,
    4,
    3,
    2,
    1,
    'disk=ssd',
    '5m',
    ...wide,
  ]);
  const owner = { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'web', uid: 'u', controller: true };
  t.strictSame(
    controllerRevisionKind.cells({ metadata: { ...metadata, ownerReferences: [owner] }, revision: 7 }, now),
    ['web', 'daemonset.apps/web', 7, '5m'],
  );
  t.end();
});

t.test('shares of pods', (t) => {
  t.equal(resolveIntOrPercent(3, 10, 'up'), 3);
  t.equal(resolveIntOrPercent('25%', 10, 'up'), 3);
  t.equal(resolveIntOrPercent('25%', 10, 'down'), 2);
  t.equal(resolveIntOrPercent('100%', 7, 'down'), 7);
  t.end();
});
