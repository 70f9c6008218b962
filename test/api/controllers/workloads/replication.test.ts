import t from 'tap';
import { matchesLabels } from '../../../../api/controllers/pod-conditions.ts';
import { renderPod } from '../../../../api/controllers/workloads/pod-control.ts';
import {
  decideReplicas,
  rankForDeletion,
  renderReplicaStatus,
} from '../../../../api/controllers/workloads/replication.ts';
import type { Pod } from '../../../../api/kinds/pod.ts';
import type { ReplicationController } from '../../../../api/kinds/replication-controller.ts';
import { names, pod, replicationController, replicationControllerKind } from '../objects.ts';

const mine = 'uid-rc';

function decide(controller: ReplicationController, pods: readonly Pod[]) {
  return decideReplicas(controller, (labels) => matchesLabels(controller.spec.selector, labels), pods);
}

t.test('missing pods are created, surplus ones deleted', (t) => {
  const cases = [
    { has: 0, wants: 2, create: 2, remove: 0 },
    { has: 2, wants: 2, create: 0, remove: 0 },
    { has: 3, wants: 1, create: 0, remove: 2 },
    { has: 1, wants: 0, create: 0, remove: 1 },
    { has: 0, wants: 2000, create: 500, remove: 0 },
  ];
  for (const { has, wants, create, remove } of cases) {
    const pods = Array.from({ length: has }, (_, index) => pod(`p${index}`, { owner: mine }));
    const decision = decide(replicationController({ replicas: wants }), pods);
    t.equal(decision.create, create, `${has} of ${wants}`);
    t.equal(decision.remove.length, remove, `${has} of ${wants}`);
  }
  t.end();
});

t.test('only active pods of its own count', (t) => {
  const decision = decide(replicationController({ replicas: 1 }), [
    pod('ended', { owner: mine, phase: 'Succeeded' }),
    pod('failed', { owner: mine, phase: 'Failed' }),
    pod('leaving', { owner: mine, deleting: true }),
    pod('other', { owner: 'uid-other' }),
    pod('stranger', { labels: { app: 'db' } }),
  ]);
  t.match(decision, {
    create: 1,
    claims: { adopt: [], release: [], owned: [] },
    remove: [],
  });
  t.end();
});

t.test('matching orphans are adopted and count, pods that stopped matching are let go', (t) => {
  const decision = decide(replicationController(), [
    pod('orphan'),
    pod('relabelled', { owner: mine, labels: { app: 'debug' } }),
    pod('own', { owner: mine }),
  ]);
  t.same(names(decision.claims.adopt), ['orphan']);
  t.same(names(decision.claims.release), ['relabelled']);
  t.same(names(decision.claims.owned), ['orphan', 'own']);
  t.equal(decision.create, 0);
  t.end();
});

t.test('one that is being deleted does nothing more', (t) => {
  const controller = replicationController();
  controller.metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
  const decision = decide(controller, [pod('own', { owner: mine }), pod('orphan')]);
  t.match(decision, { create: 0, claims: { adopt: [] }, remove: [] });
  t.same(names(decision.claims.owned), ['own']);
  t.end();
});

t.test('an empty selector takes no pods', (t) => {
  t.same(decide(replicationController({ selector: {} }), [pod('p')]).claims.adopt, []);
  t.end();
});

t.test('the least useful pod goes first', (t) => {
  const table: [string, ReturnType<typeof pod>, ReturnType<typeof pod>][] = [
    ['unscheduled', pod('a', {}), pod('b', { node: 'n1', ready: true })],
    ['pending', pod('a', { node: 'n1', phase: 'Pending' }), pod('b', { node: 'n2' })],
    ['not ready', pod('a', { node: 'n1' }), pod('b', { node: 'n2', ready: true })],
    [
      'cheap',
      pod('z', {
        node: 'n1',
        ready: true,
        annotations: { 'controller.kubernetes.io/pod-deletion-cost': '-1' },
      }),
      pod('b', { node: 'n2', ready: true }),
    ],
    [
      'ready for a shorter time',
      pod('z', { node: 'n1', ready: true, readySince: '2026-01-02T00:00:00Z' }),
      pod('b', { node: 'n2', ready: true }),
    ],
    ['restarted', pod('z', { node: 'n1', ready: true, restarts: 3 }), pod('b', { node: 'n2', ready: true })],
    [
      'younger',
      pod('z', { node: 'n1', ready: true, created: '2026-01-02T00:00:00Z' }),
      pod('b', { node: 'n2', ready: true }),
    ],
  ];
  for (const [why, first, second] of table) {
    t.same(names(rankForDeletion([second, first])), names([first, second]), why);
  }
  const crowded = [
    pod('a', { node: 'n1', ready: true }),
    pod('b', { node: 'n2', ready: true }),
    pod('c', { node: 'n2', ready: true }),
  ];
  t.equal(rankForDeletion(crowded)[0]?.spec.nodeName, 'n2', 'of the node with more of them');
  t.end();
});

t.test('a new pod is the template, owned', (t) => {
  const controller = replicationController({
    template: {
      metadata: { name: 'ignored', labels: { app: 'web' }, annotations: { a: 'b' } },
      spec: { containers: [{ name: 'main', image: 'web' }] },
    },
  });
  t.same(renderPod(replicationControllerKind, controller, controller.spec.template), {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: '',
      generateName: 'rc-',
      namespace: 'default',
      labels: { app: 'web' },
      annotations: { a: 'b' },
      ownerReferences: [
        {
          apiVersion: 'v1',
          kind: 'ReplicationController',
          name: 'rc',
          uid: mine,
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec: { containers: [{ name: 'main', image: 'web' }] },
  });
  t.end();
});

t.test('status counts what pods are', (t) => {
  const controller = replicationController({
    minReadySeconds: 60,
    template: { metadata: { name: '', labels: { app: 'web', v: '2' } }, spec: { containers: [] } },
  });
  const now = new Date('2026-01-01T00:01:30Z');
  const pods = [
    pod('ready', { ready: true, labels: { app: 'web', v: '2' } }),
    pod('fresh', { ready: true, readySince: '2026-01-01T00:01:00Z' }),
    pod('not', {}),
  ];
  t.same(renderReplicaStatus(controller, pods, now, undefined), {
    replicas: 3,
    fullyLabeledReplicas: 1,
    readyReplicas: 2,
    availableReplicas: 1,
    observedGeneration: 3,
  });
  const failed = renderReplicaStatus(controller, [], now, { reason: 'FailedCreate', message: 'no' });
  t.match(failed, {
    replicas: 0,
    conditions: [{ type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'no' }],
  });
  t.equal(failed.readyReplicas, undefined);
  const healed = renderReplicaStatus({ ...controller, status: failed }, [], now, undefined);
  t.equal(healed.conditions, undefined, 'the failure goes when it is over');
  t.end();
});
