import type { KubeObject } from '../../kinds/meta.ts';
import type { Pod } from '../../kinds/pod.ts';
import type { PodTemplateSpec } from '../../kinds/pod-spec.ts';
import type { ReplicationController } from '../../kinds/replication-controller.ts';
import { decideClaims } from './claims.ts';
import type { Claims, Labels } from './claims.ts';
import { renderTime } from '../event-recorder.ts';
import type { PodFailure } from './pod-control.ts';
import { isPodActive, isPodReady, matchesLabels, podCondition } from '../pod-conditions.ts';

/** What ReplicationControllers and ReplicaSets have in common: all but the form of their selector. */
export interface Replicated extends KubeObject {
  spec: { replicas?: number; minReadySeconds?: number; template?: PodTemplateSpec };
  status?: ReplicaStatus;
}

type ReplicaStatus = NonNullable<ReplicationController['status']>;

/** What to do so that one of them has its pods. */
export interface ReplicaDecision {
  /** Whose the active pods are. */
  readonly claims: Claims<Pod>;
  /** How many pods are missing. */
  readonly create: number;
  /** Surplus pods, the least useful first. */
  readonly remove: readonly Pod[];
}

/** At most so many pods are created or deleted in one pass (upstream's BurstReplicas). */
const burst = 500;

/** Decides for one controller, given all pods that are its own or nobody's. */
export function decideReplicas(
  controller: Replicated,
  selects: (labels: Labels) => boolean,
  candidates: Iterable<Pod>,
): ReplicaDecision {
  const active = Iterator.from(candidates).filter(isPodActive);
  const claims = decideClaims(controller, selects, active);
  // One on its way out makes and deletes nothing: the garbage collector decides about its pods.
  if (controller.metadata.deletionTimestamp !== undefined) return { claims, create: 0, remove: [] };
  const surplus = claims.owned.length - (controller.spec.replicas ?? 1);
  return {
    claims,
    create: Math.min(Math.max(0, -surplus), burst),
    remove: surplus > 0 ? rankForDeletion(claims.owned).slice(0, Math.min(surplus, burst)) : [],
  };
}

/**
 * Pods in the order they should go: unscheduled, not running, not ready, cheap by annotation, crowded on their
 * node, ready for a short time, often restarted, young (upstream's ActivePodsWithRanks).
 */
export function rankForDeletion(pods: readonly Pod[]): Pod[] {
  const perNode = new Map<string, number>();
  for (const pod of pods) {
    const node = pod.spec.nodeName ?? '';
    perNode.set(node, (perNode.get(node) ?? 0) + 1);
  }
  const ranked = pods.map((pod) => ({
    pod,
    rank: deletionRank(pod, perNode.get(pod.spec.nodeName ?? '') ?? 0),
  }));
  ranked.sort((a, b) => {
    const index = a.rank.findIndex((value, i) => value !== b.rank[i]);
    if (index < 0) return a.pod.metadata.name < b.pod.metadata.name ? -1 : 1;
    return (a.rank[index] ?? 0) - (b.rank[index] ?? 0);
  });
  return ranked.map(({ pod }) => pod);
}

const phaseRank: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

/** Lower goes first, compared number by number. */
function deletionRank(pod: Pod, sameNode: number): number[] {
  const ready = isPodReady(pod);
  const cost = Number(pod.metadata.annotations?.['controller.kubernetes.io/pod-deletion-cost'] ?? 0);
  const restarts = Math.max(0, ...(pod.status?.containerStatuses ?? []).map((status) => status.restartCount));
  const readySince = parseTime(podCondition(pod, 'Ready')?.lastTransitionTime);
  return [
    pod.spec.nodeName ? 1 : 0,
    phaseRank[pod.status?.phase ?? 'Pending'] ?? 0,
    ready ? 1 : 0,
    Number.isInteger(cost) ? cost : 0,
    -sameNode,
    ready ? -readySince : 0,
    -restarts,
    -parseTime(pod.metadata.creationTimestamp),
  ];
}

/** The status that says what `pods` are; `failure` is why the last pass could not make or delete pods. */
export function renderReplicaStatus(
  controller: Replicated,
  pods: readonly Pod[],
  now: Date,
  failure: PodFailure | undefined,
): ReplicaStatus {
  const template = controller.spec.template?.metadata?.labels;
  const ready = pods.filter(isPodReady);
  const available = ready.filter((pod) => isPodAvailable(controller, pod, now));
  const labeled = pods.filter((pod) => matchesLabels(template, pod.metadata.labels));
  const conditions = renderConditions(controller, now, failure);
  return {
    replicas: pods.length,
    ...(labeled.length > 0 && { fullyLabeledReplicas: labeled.length }),
    ...(ready.length > 0 && { readyReplicas: ready.length }),
    ...(available.length > 0 && { availableReplicas: available.length }),
    ...(controller.metadata.generation !== undefined && {
      observedGeneration: controller.metadata.generation,
    }),
    ...(conditions.length > 0 && { conditions }),
  };
}

/** What says how long an owner's pods must have been ready to count as available. */
interface PodOwner {
  readonly spec: { readonly minReadySeconds?: number };
}

export function isPodAvailable(owner: PodOwner, pod: Pod, now: Date): boolean {
  return availableAt(owner, pod) <= now.getTime();
}

/** How long until the next of some pods counts as available; undefined where time alone brings none. */
export function nextAvailableMs(owner: PodOwner, pods: readonly Pod[], now: Date): number | undefined {
  const waits = pods.map((pod) => availableAt(owner, pod) - now.getTime());
  const next = Math.min(...waits.filter((ms) => ms > 0));
  return Number.isFinite(next) ? next : undefined;
}

/** When a ready pod counts as available, in ms since the epoch; Infinity while it is not ready. */
function availableAt({ spec: { minReadySeconds = 0 } }: PodOwner, pod: Pod): number {
  const condition = podCondition(pod, 'Ready');
  if (condition?.status !== 'True') return Infinity;
  return minReadySeconds === 0 ? 0 : parseTime(condition.lastTransitionTime) + minReadySeconds * 1000;
}

function renderConditions(
  controller: Replicated,
  now: Date,
  failure: PodFailure | undefined,
): NonNullable<ReplicaStatus['conditions']> {
  const before = controller.status?.conditions ?? [];
  const others = before.filter((condition) => condition.type !== 'ReplicaFailure');
  if (!failure) return others;
  const same = before.find(
    (condition) => condition.type === 'ReplicaFailure' && condition.reason === failure.reason,
  );
  if (same) return before;
  return [
    ...others,
    { type: 'ReplicaFailure', status: 'True', lastTransitionTime: renderTime(now), ...failure },
  ];
}

function parseTime(time: string | undefined): number {
  return time === undefined ? 0 : Date.parse(time);
}
