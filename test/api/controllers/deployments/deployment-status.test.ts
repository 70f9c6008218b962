import t from 'tap';
import {
  progressDeadlineMs,
  renderDeploymentStatus,
} from '../../../../api/controllers/deployments/deployment-status.ts';
import type { RolloutOutcome } from '../../../../api/controllers/deployments/deployment-status.ts';
import type { Deployment, DeploymentStatus } from '../../../../api/kinds/deployment.ts';
import type { ReplicaSet } from '../../../../api/kinds/replica-set.ts';
import { renderReplicaSet } from '../../../../api/controllers/deployments/deployment-sets.ts';
import { deployment } from '../objects.ts';

const start = new Date('2026-01-01T00:00:00Z');
const later = new Date('2026-01-01T00:05:00Z');

type Counts = NonNullable<ReplicaSet['status']>;

function replicaSet(owner: Deployment, status: Counts): ReplicaSet {
  return { ...renderReplicaSet(owner, 1, owner.spec.replicas ?? 0), status };
}

/** The status after one pass, given the status before and what the newest ReplicaSet says. */
function judge(
  before: DeploymentStatus | undefined,
  newest: Counts | undefined,
  more: {
    spec?: Partial<Deployment['spec']>;
    old?: Counts;
    now?: Date;
    outcome?: Partial<RolloutOutcome>;
  } = {},
): DeploymentStatus {
  const wanted = { ...deployment(more.spec), ...(before && { status: before }) };
  const set = newest && replicaSet(wanted, newest);
  const old = more.old && replicaSet(deployment({ ...more.spec, replicas: 0 }), more.old);
  const sets = [set, old].filter((each) => each !== undefined);
  return renderDeploymentStatus(
    { deployment: wanted, sets, newest: set, created: false, ...more.outcome },
    more.now ?? start,
  );
}

function condition(status: DeploymentStatus, type: string) {
  return status.conditions?.find((each) => each.type === type);
}

const none: Counts = { replicas: 0 };
const all: Counts = { replicas: 2, readyReplicas: 2, availableReplicas: 2 };
const half: Counts = { replicas: 2, readyReplicas: 1, availableReplicas: 1 };

t.test('the way of a first rollout', (t) => {
  const made = judge(undefined, none, { outcome: { created: true } });
  t.match(condition(made, 'Progressing'), { status: 'True', reason: 'NewReplicaSetCreated' });
  t.match(condition(made, 'Available'), {
    status: 'False',
    reason: 'MinimumReplicasUnavailable',
    message: 'Deployment does not have minimum availability.',
  });
  t.match(made, { observedGeneration: 1, unavailableReplicas: 2 });
  t.notOk('replicas' in made, 'zeros are absent');
  const going = judge(made, half, { now: later });
  t.match(going, {
    replicas: 2,
    updatedReplicas: 2,
    readyReplicas: 1,
    availableReplicas: 1,
    unavailableReplicas: 1,
  });
  t.match(condition(going, 'Progressing'), {
    status: 'True',
    reason: 'ReplicaSetUpdated',
    lastTransitionTime: '2026-01-01T00:00:00Z',
    lastUpdateTime: '2026-01-01T00:05:00Z',
  });
  t.same(judge(going, half, { now: new Date('2026-01-01T00:06:00Z') }), going, 'nothing new, nothing said');
  const done = judge(going, all, { now: later });
  t.match(condition(done, 'Progressing'), {
    reason: 'NewReplicaSetAvailable',
    message: /has successfully progressed\.$/,
  });
  t.match(condition(done, 'Available'), { status: 'True', reason: 'MinimumReplicasAvailable' });
  t.notOk('unavailableReplicas' in done);
  t.match(condition(judge(done, half), 'Progressing'), { reason: 'NewReplicaSetAvailable' }, 'done is done');
  t.match(
    condition(judge(done, none, { old: all }), 'Progressing'),
    { reason: 'NewReplicaSetAvailable' },
    'another template, before its first pod',
  );
  t.end();
});

t.test('one that stands still has failed after its deadline, and may still come through', (t) => {
  const going = judge(judge(undefined, none, { outcome: { created: true } }), half);
  const at = (now: Date) => judge(going, half, { now, spec: { progressDeadlineSeconds: 60 } });
  t.match(condition(at(new Date('2026-01-01T00:00:59Z')), 'Progressing'), { reason: 'ReplicaSetUpdated' });
  const failed = at(new Date('2026-01-01T00:01:00Z'));
  t.match(condition(failed, 'Progressing'), {
    status: 'False',
    reason: 'ProgressDeadlineExceeded',
    message: /^ReplicaSet "web-\w+" has timed out progressing\.$/,
  });
  const withStatus = (status: DeploymentStatus, spec: Partial<Deployment['spec']> = {}) => ({
    ...deployment({ progressDeadlineSeconds: 60, ...spec }),
    status,
  });
  t.equal(progressDeadlineMs(withStatus(going)), Date.parse('2026-01-01T00:01:00Z'));
  t.equal(progressDeadlineMs(withStatus(failed)), Infinity);
  t.equal(progressDeadlineMs(withStatus(going, { paused: true })), Infinity, 'no time passes in a pause');
  t.match(condition(judge(failed, all), 'Progressing'), { status: 'True', reason: 'NewReplicaSetAvailable' });
  const endless = judge(going, half, { spec: { progressDeadlineSeconds: 2 ** 31 - 1 }, now: later });
  t.equal(condition(endless, 'Progressing'), undefined);
  t.end();
});

t.test('a pause is said when it begins and when it ends', (t) => {
  const done = judge(judge(undefined, none, { outcome: { created: true } }), all);
  const paused = judge(done, all, { spec: { paused: true } });
  t.match(condition(paused, 'Progressing'), {
    status: 'Unknown',
    reason: 'DeploymentPaused',
    message: 'Deployment is paused',
  });
  t.same(judge(paused, half, { spec: { paused: true } }).conditions?.length, 2);
  const resumed = judge(paused, all);
  t.match(condition(resumed, 'Progressing'), { status: 'Unknown', reason: 'DeploymentResumed' });
  t.match(condition(judge(resumed, all), 'Progressing'), { reason: 'NewReplicaSetAvailable' });
  t.end();
});

t.test('failures', (t) => {
  const failure = 'Failed to create new replica set "web-x": quota';
  const refused = judge(undefined, undefined, { outcome: { failure } });
  t.match(condition(refused, 'Progressing'), {
    status: 'False',
    reason: 'ReplicaSetCreateError',
    message: failure,
  });
  const cannot = { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'no' };
  const stuck = judge(undefined, { replicas: 0, conditions: [cannot] });
  t.match(condition(stuck, 'ReplicaFailure'), { status: 'True', reason: 'FailedCreate', message: 'no' });
  t.equal(condition(judge(stuck, all), 'ReplicaFailure'), undefined, 'gone when it is over');
  t.end();
});
