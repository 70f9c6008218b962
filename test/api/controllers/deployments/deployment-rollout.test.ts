import t from 'tap';
import { planRollout } from '../../../../api/controllers/deployments/deployment-rollout.ts';
import type { RolloutStep } from '../../../../api/controllers/deployments/deployment-rollout.ts';
import { scaleInProportion } from '../../../../api/controllers/deployments/deployment-scaling.ts';
import {
  findNewReplicaSet,
  newSetAnnotations,
  renderReplicaSet,
  revisionOf,
} from '../../../../api/controllers/deployments/deployment-sets.ts';
import { templateHash } from '../../../../api/controllers/workloads/template-hash.ts';
import type { Deployment } from '../../../../api/kinds/deployment.ts';
import type { ReplicaSet } from '../../../../api/kinds/replica-set.ts';
import { deployment } from '../objects.ts';

const image = (name: string): Partial<Deployment['spec']> => ({
  template: {
    metadata: { labels: { app: 'web' } },
    spec: { containers: [{ name: 'main', image: name }] },
  },
});

/** A ReplicaSet of `owner`'s template, with its size and how many of its pods serve. */
function replicaSet(owner: Deployment, replicas: number, available = replicas, revision = 1): ReplicaSet {
  const set = renderReplicaSet(owner, revision, replicas);
  set.metadata.uid = `uid-${set.metadata.name}`;
  set.metadata.generation = 1;
  set.metadata.creationTimestamp = `2026-01-01T00:00:0${revision}Z`;
  set.status = { replicas, readyReplicas: available, availableReplicas: available, observedGeneration: 1 };
  return set;
}

function plan(wanted: Deployment, sets: readonly ReplicaSet[], hasPods = false): RolloutStep {
  return planRollout({ deployment: wanted, sets, hasPods: () => hasPods });
}

/** The sizes a step gives, in the order of `sets`. */
function sizes(step: RolloutStep, sets: readonly ReplicaSet[]): number[] {
  return sets.map((set) => {
    const change = step.change.find((each) => each.set === set);
    return change?.replicas ?? set.spec.replicas ?? 0;
  });
}

t.test('the first ReplicaSet comes at once, in full', (t) => {
  t.same(plan(deployment({ replicas: 3 }), []), {
    create: { replicas: 3, revision: 1 },
    change: [],
    remove: [],
  });
  t.same(plan(deployment({ replicas: 3, paused: true }), []).create, undefined, 'but not while paused');
  t.end();
});

t.test('one step of a rolling update', (t) => {
  const limits = (maxSurge: number | string, maxUnavailable: number | string) => ({
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } },
  });
  type Size = readonly [replicas: number, available: number];
  const cases: {
    why: string;
    replicas: number;
    limits: ReturnType<typeof limits>;
    old: Size;
    fresh: Size;
    expected: [number, number];
  }[] = [
    {
      why: 'the new one grows by the surge',
      replicas: 4,
      limits: limits(1, 0),
      old: [4, 4],
      fresh: [0, 0],
      expected: [4, 1],
    },
    {
      why: 'nothing goes before the new one serves',
      replicas: 4,
      limits: limits(1, 0),
      old: [4, 4],
      fresh: [1, 0],
      expected: [4, 1],
    },
    {
      why: 'one goes for each that serves',
      replicas: 4,
      limits: limits(1, 0),
      old: [4, 4],
      fresh: [1, 1],
      expected: [3, 1],
    },
    {
      why: 'without surge old ones go first',
      replicas: 4,
      limits: limits(0, 2),
      old: [4, 4],
      fresh: [0, 0],
      expected: [2, 0],
    },
    {
      why: 'and new ones follow',
      replicas: 4,
      limits: limits(0, 2),
      old: [2, 2],
      fresh: [0, 0],
      expected: [2, 2],
    },
    {
      why: 'pods that do not serve go first',
      replicas: 4,
      limits: limits(1, 1),
      old: [4, 2],
      fresh: [1, 0],
      expected: [3, 1],
    },
    {
      why: 'a share is rounded up for the surge',
      replicas: 10,
      limits: limits('25%', '25%'),
      old: [10, 10],
      fresh: [0, 0],
      expected: [10, 3],
    },
    {
      why: 'and down for what may be missing',
      replicas: 10,
      limits: limits('25%', '25%'),
      old: [10, 10],
      fresh: [3, 0],
      expected: [8, 3],
    },
    {
      why: 'shares of few pods still replace one',
      replicas: 1,
      limits: limits('0%', '10%'),
      old: [1, 1],
      fresh: [0, 0],
      expected: [0, 0],
    },
    { why: 'the end', replicas: 4, limits: limits(1, 0), old: [0, 0], fresh: [4, 4], expected: [0, 4] },
  ];
  for (const { why, replicas, limits, old, fresh, expected } of cases) {
    const before = deployment({ replicas, ...limits, ...image('web:1') });
    const after = deployment({ replicas, ...limits, ...image('web:2') });
    const sets = [replicaSet(before, ...old, 1), replicaSet(after, ...fresh, 2)];
    t.same(sizes(plan(after, sets), sets), expected, why);
  }
  t.end();
});

t.test('a rollout keeps its limits on the way and comes to an end', (t) => {
  for (const [replicas, maxSurge, maxUnavailable] of [
    [5, 1, 0],
    [5, 0, 1],
    [10, '25%', '25%'],
    [7, '100%', '0%'],
    [1, '25%', '25%'],
  ] as const) {
    const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } };
    const after = deployment({ replicas, strategy, ...image('web:2') });
    let sets = [replicaSet(deployment({ replicas, strategy, ...image('web:1') }), replicas)];
    const seen: number[][] = [];
    for (let step = plan(after, sets); ; step = plan(after, sets)) {
      if (!step.create && step.change.length === 0) break;
      // As the ReplicaSets' controller would: pods beyond the size go at once, all others serve.
      const next = sizes(step, sets).map((size, index) => {
        const owner = index === 0 ? deployment({ replicas, strategy, ...image('web:1') }) : after;
        return replicaSet(owner, size, size, index + 1);
      });
      sets = step.create ? [...next, replicaSet(after, step.create.replicas, undefined, 2)] : next;
      seen.push(sets.map((set) => set.spec.replicas ?? 0));
      if (seen.length > 50) break;
    }
    t.same(seen.at(-1), [0, replicas], `${replicas} ${maxSurge} ${maxUnavailable}: ${JSON.stringify(seen)}`);
    const surge = typeof maxSurge === 'number' ? maxSurge : Math.ceil((parseInt(maxSurge) * replicas) / 100);
    const totals = seen.map(([old = 0, fresh = 0]) => old + fresh);
    t.ok(Math.max(...totals) <= replicas + surge, 'never more than the surge');
  }
  t.end();
});

t.test('Recreate waits until the last old pod is gone', (t) => {
  const strategy = { type: 'Recreate' };
  const before = deployment({ replicas: 2, strategy, ...image('web:1') });
  const after = deployment({ replicas: 2, strategy, ...image('web:2') });
  const running = [replicaSet(before, 2)];
  t.same(sizes(plan(after, running, true), running), [0]);
  t.equal(plan(after, running, true).create, undefined);
  const ending = [replicaSet(before, 0)];
  t.match(plan(after, ending, true), { change: [], remove: [] }, 'pods on their way out still run');
  t.same(plan(after, ending).create, { replicas: 2, revision: 2 });
  t.end();
});

t.test('scaling in the middle of a rollout keeps the proportions', (t) => {
  const spec = (replicas: number) => ({
    replicas,
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } },
  });
  const before = deployment({ ...spec(10), ...image('web:1') });
  const during = deployment({ ...spec(10), ...image('web:2') });
  const sets = [replicaSet(before, 8), replicaSet(during, 5, 0, 2)];
  t.same(sizes(plan(deployment({ ...spec(15), ...image('web:2') }), sets), sets), [11, 7]);
  t.same(sizes(plan(deployment({ ...spec(0), ...image('web:2') }), sets), sets), [0, 0]);
  const one = [replicaSet(before, 10)];
  t.same(sizes(plan(deployment({ ...spec(4), ...image('web:1') }), one), one), [4]);
  const done = [replicaSet(before, 1, 1), replicaSet(during, 10, 10, 2)];
  const paused = deployment({ ...spec(10), ...image('web:2'), paused: true });
  t.same(sizes(plan(paused, done), done), [0, 10], 'what the new one has replaced goes, even while paused');
  t.end();
});

t.test('what rounding leaves over goes to the first', (t) => {
  const { spec } = deployment({
    replicas: 20,
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
  });
  const set = (replicas: number) => ({ replicas, maxReplicas: 10 });
  t.same(scaleInProportion(spec, [set(5), set(3), set(2)]), [10, 6, 4]);
  t.same(scaleInProportion({ ...spec, replicas: 11 }, [set(5), set(3), set(2)]), [6, 3, 2]);
  t.same(scaleInProportion({ ...spec, replicas: 5 }, [set(5), set(3), set(2)]), [2, 2, 1]);
  t.same(scaleInProportion({ ...spec, replicas: 0 }, [set(5), set(3)]), [0, 0]);
  t.end();
});

t.test('old ReplicaSets beyond the limit go when the rollout is over', (t) => {
  const at = (revision: number) => deployment({ revisionHistoryLimit: 1, ...image(`web:${revision}`) });
  const old = [1, 2, 3].map((revision) => replicaSet(at(revision), 0, 0, revision));
  const now = at(4);
  const step = plan(now, [...old, replicaSet(now, 2, 2, 4)]);
  t.same(step.remove.map(revisionOf), [1, 2]);
  t.same(plan(now, [...old, replicaSet(now, 2, 1, 4)]).remove, [], 'not before');
  t.end();
});

t.test('going back to an old template gives its ReplicaSet the newest revision', (t) => {
  const first = deployment(image('web:1'));
  const sets = [replicaSet(first, 0, 0, 1), replicaSet(deployment(image('web:2')), 2, 2, 2)];
  t.equal(findNewReplicaSet(first, sets), sets[0]);
  const [change] = plan(first, sets).change;
  t.match(change?.annotations, {
    'deployment.kubernetes.io/revision': '3',
    'deployment.kubernetes.io/revision-history': '1',
  });
  t.end();
});

t.test('a ReplicaSet is the template with its hash, and the annotations of the Deployment', (t) => {
  const wanted = deployment({ replicas: 3 });
  wanted.metadata.annotations = {
    'kubernetes.io/change-cause': 'why',
    'kubectl.kubernetes.io/last-applied-configuration': '{}',
  };
  const hash = templateHash(wanted.spec.template);
  const set = renderReplicaSet(wanted, 7, 2);
  t.match(hash, /^[bcdfghjklmnpqrstvwxz2456789]{5,10}$/);
  t.match(set, {
    metadata: {
      name: `web-${hash}`,
      labels: { app: 'web', 'pod-template-hash': hash },
      ownerReferences: [{ kind: 'Deployment', name: 'web', controller: true }],
    },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: 'web', 'pod-template-hash': hash } },
      template: { metadata: { labels: { app: 'web', 'pod-template-hash': hash } } },
    },
  });
  t.same(set.metadata.annotations, {
    'kubernetes.io/change-cause': 'why',
    'deployment.kubernetes.io/revision': '7',
    'deployment.kubernetes.io/desired-replicas': '3',
    'deployment.kubernetes.io/max-replicas': '4',
  });
  t.equal(newSetAnnotations(wanted, set, 7)['kubernetes.io/change-cause'], 'why');
  t.notSame(templateHash(wanted.spec.template, 1), hash, 'a collision gives another name');
  t.equal(
    templateHash({ spec: { containers: [{ image: 'a', name: 'b' }] } }),
    templateHash({ spec: { containers: [{ name: 'b', image: 'a' }] } }),
    'the order of fields says nothing',
  );
  t.end();
});
