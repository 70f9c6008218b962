import type { Deployment, DeploymentCondition, DeploymentStatus } from '../../kinds/deployment.ts';
import type { ReplicaSet } from '../../kinds/replica-set.ts';
import { sizeOf } from './deployment-rollout.ts';
import { maxUnavailable } from './deployment-scaling.ts';
import { renderTime } from '../event-recorder.ts';

/** What a pass has found, made or failed to make. */
export interface RolloutOutcome {
  readonly deployment: Deployment;
  readonly sets: readonly ReplicaSet[];
  /** The ReplicaSet of the present template. */
  readonly newest: ReplicaSet | undefined;
  /** Whether this pass made it. */
  readonly created: boolean;
  /** Why it could not be made. */
  readonly failure?: string | undefined;
}

const noDeadline = 2 ** 31 - 1;

/** The status of a Deployment after a pass (upstream's syncRolloutStatus). */
export function renderDeploymentStatus(outcome: RolloutOutcome, now: Date): DeploymentStatus {
  const { deployment, sets, newest } = outcome;
  const { metadata, spec, status: before } = deployment;
  const sum = (field: 'replicas' | 'readyReplicas' | 'availableReplicas') =>
    sets.reduce((total, set) => total + (set.status?.[field] ?? 0), 0);
  const counts = {
    replicas: sum('replicas'),
    updatedReplicas: newest?.status?.replicas ?? 0,
    readyReplicas: sum('readyReplicas'),
    availableReplicas: sum('availableReplicas'),
    unavailableReplicas: Math.max(0, sizeOf(sets) - sum('availableReplicas')),
  };
  const conditions = new Conditions(before?.conditions ?? [], renderTime(now));
  const isAvailable = counts.availableReplicas >= (spec.replicas ?? 0) - maxUnavailable(spec);
  conditions.set('Available', isAvailable ? available : unavailable);
  if (hasDeadline(deployment)) judgeProgress(outcome, counts, conditions, now);
  else conditions.remove('Progressing');
  copyReplicaFailure(sets, newest, conditions);
  return {
    ...(metadata.generation !== undefined && { observedGeneration: metadata.generation }),
    ...Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0)),
    ...(before?.collisionCount !== undefined && { collisionCount: before.collisionCount }),
    conditions: conditions.list,
  };
}

interface Verdict {
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

const available: Verdict = {
  status: 'True',
  reason: 'MinimumReplicasAvailable',
  message: 'Deployment has minimum availability.',
};
const unavailable: Verdict = {
  status: 'False',
  reason: 'MinimumReplicasUnavailable',
  message: 'Deployment does not have minimum availability.',
};

interface Counts {
  readonly replicas: number;
  readonly updatedReplicas: number;
  readonly readyReplicas: number;
  readonly availableReplicas: number;
}

function judgeProgress(outcome: RolloutOutcome, counts: Counts, conditions: Conditions, now: Date): void {
  const { deployment, newest, created, failure } = outcome;
  const name = newest?.metadata.name ?? '';
  const what = newest ? `ReplicaSet "${name}"` : `Deployment "${deployment.metadata.name}"`;
  const say = (status: string, reason: string, message: string) =>
    conditions.set('Progressing', { status, reason, message });
  if (failure !== undefined) {
    say('False', 'ReplicaSetCreateError', failure);
    return;
  }
  if (created) say('True', 'NewReplicaSetCreated', `Created new replica set "${name}"`);
  else if (newest && !conditions.get('Progressing')) {
    say('True', 'FoundNewReplicaSet', `Found new replica set "${name}"`);
  }
  const wasPaused = judgePause(deployment, conditions);
  const current = conditions.get('Progressing');
  // What came to its end stays so while only the number of available pods moves.
  if (counts.replicas === counts.updatedReplicas && current?.reason === 'NewReplicaSetAvailable') return;
  if (deployment.spec.paused || wasPaused) return;
  if (isComplete(deployment, counts)) {
    say('True', 'NewReplicaSetAvailable', `${what} has successfully progressed.`);
  } else if (isProgressing(deployment.status ?? {}, counts)) {
    conditions.renew('Progressing', {
      status: 'True',
      reason: 'ReplicaSetUpdated',
      message: `${what} is progressing.`,
    });
  } else if (deadlineMs(deployment, current) <= now.getTime()) {
    say('False', 'ProgressDeadlineExceeded', `${what} has timed out progressing.`);
  }
}

/** Time does not count while a Deployment is paused. Whether its pause began or ended now. */
function judgePause({ spec }: Deployment, conditions: Conditions): boolean {
  const reason = conditions.get('Progressing')?.reason;
  const isMarked = reason === 'DeploymentPaused';
  if (reason === 'ProgressDeadlineExceeded' || (spec.paused === true) === isMarked) return false;
  const [word, told] = spec.paused ? ['Paused', 'paused'] : ['Resumed', 'resumed'];
  conditions.set('Progressing', {
    status: 'Unknown',
    reason: `Deployment${word}`,
    message: `Deployment is ${told}`,
  });
  return true;
}

function isComplete({ spec }: Deployment, counts: Counts): boolean {
  const { replicas = 0 } = spec;
  const { updatedReplicas, replicas: all, availableReplicas } = counts;
  return updatedReplicas === replicas && all === replicas && availableReplicas === replicas;
}

function isProgressing(before: DeploymentStatus, now: Counts): boolean {
  const { replicas = 0, updatedReplicas = 0, readyReplicas = 0, availableReplicas = 0 } = before;
  return (
    now.updatedReplicas > updatedReplicas ||
    now.replicas - now.updatedReplicas < replicas - updatedReplicas ||
    now.readyReplicas > readyReplicas ||
    now.availableReplicas > availableReplicas
  );
}

/** A failure to make pods, the new ReplicaSet's before others'. */
function copyReplicaFailure(
  sets: readonly ReplicaSet[],
  newest: ReplicaSet | undefined,
  conditions: Conditions,
): void {
  const failures = [newest, ...sets].flatMap((set) => {
    return (set?.status?.conditions ?? []).filter(({ type }) => type === 'ReplicaFailure');
  });
  const [failure] = failures;
  if (!failure) {
    conditions.remove('ReplicaFailure');
    return;
  }
  const { status, reason = '', message = '' } = failure;
  conditions.set('ReplicaFailure', { status, reason, message });
}

/** When a rollout that stands still counts as failed, in ms since the epoch; Infinity when that cannot happen. */
export function progressDeadlineMs(deployment: Deployment): number {
  if (!hasDeadline(deployment) || deployment.spec.paused) return Infinity;
  const condition = deployment.status?.conditions?.find(({ type }) => type === 'Progressing');
  return condition?.reason === 'ProgressDeadlineExceeded' ? Infinity : deadlineMs(deployment, condition);
}

function deadlineMs({ spec }: Deployment, condition: DeploymentCondition | undefined): number {
  if (!condition?.lastUpdateTime || condition.reason === 'NewReplicaSetAvailable') return Infinity;
  return Date.parse(condition.lastUpdateTime) + (spec.progressDeadlineSeconds ?? 0) * 1000;
}

function hasDeadline({ spec }: Deployment): boolean {
  return spec.progressDeadlineSeconds !== undefined && spec.progressDeadlineSeconds !== noDeadline;
}

/** A list of conditions, one per type; times move only when something does. */
class Conditions {
  #list: readonly DeploymentCondition[];
  readonly #now: string;

  constructor(list: readonly DeploymentCondition[], now: string) {
    this.#list = list;
    this.#now = now;
  }

  get list(): DeploymentCondition[] {
    return [...this.#list];
  }

  get(type: string): DeploymentCondition | undefined {
    return this.#list.find((each) => each.type === type);
  }

  /** Nothing changes where status and reason stand. */
  set(type: string, verdict: Verdict): void {
    const before = this.get(type);
    if (before?.status !== verdict.status || before.reason !== verdict.reason) this.renew(type, verdict);
  }

  /** Says the same again, now. */
  renew(type: string, verdict: Verdict): void {
    const before = this.get(type);
    const since = before?.status === verdict.status ? before.lastTransitionTime : undefined;
    this.remove(type);
    this.#list = [
      ...this.#list,
      { type, ...verdict, lastUpdateTime: this.#now, lastTransitionTime: since ?? this.#now },
    ];
  }

  remove(type: string): void {
    this.#list = this.#list.filter((each) => each.type !== type);
  }
}
