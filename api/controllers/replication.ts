import type { ObjectMeta, OwnerReference } from '../kinds/meta.ts';
import type { Pod } from '../kinds/pod.ts';
import type { ReplicationController } from '../kinds/replication-controller.ts';
import { isPodActive, isPodReady, matchesLabels, podCondition } from './pod-conditions.ts';

/** What to do so that a ReplicationController has its pods. */
export interface ReplicaDecision {
  /** Pods without a controller that match the selector: take them over. */
  readonly adopt: readonly Pod[];
  /** Our pods that do not match any more: let them go. */
  readonly release: readonly Pod[];
  /** How many pods are missing. */
  readonly create: number;
  /** Surplus pods, the least useful first. */
  readonly remove: readonly Pod[];
  /** Our active pods, including adopted ones. */
  readonly pods: readonly Pod[];
}

/** At most so many pods are created or deleted in one pass (upstream's BurstReplicas). */
const burst = 500;

/** Decides for one ReplicationController, given all pods of its namespace. */
export function decideReplicas(
  controller: ReplicationController,
  namespacePods: Iterable<Pod>,
): ReplicaDecision {
  const { uid, deletionTimestamp } = controller.metadata;
  const selector = controller.spec.selector;
  const adopt: Pod[] = [];
  const release: Pod[] = [];
  const pods: Pod[] = [];
  for (const pod of namespacePods) {
    if (!isPodActive(pod)) continue;
    const owner = controllerOf(pod.metadata);
    const matches = matchesLabels(selector, pod.metadata.labels);
    if (owner && owner.uid !== uid) continue;
    if (matches) pods.push(pod);
    if (deletionTimestamp !== undefined) continue;
    if (owner && !matches) release.push(pod);
    if (!owner && matches) adopt.push(pod);
  }
  // One on its way out makes and deletes nothing: the garbage collector decides about its pods.
  if (deletionTimestamp !== undefined) {
    const owned = pods.filter((pod) => controllerOf(pod.metadata)?.uid === uid);
    return { adopt: [], release: [], create: 0, remove: [], pods: owned };
  }
  const surplus = pods.length - (controller.spec.replicas ?? 1);
  return {
    adopt,
    release,
    create: Math.min(Math.max(0, -surplus), burst),
    remove: surplus > 0 ? rankForDeletion(pods).slice(0, Math.min(surplus, burst)) : [],
    pods,
  };
}

/** The reference to the controller that manages an object, if one does. */
export function controllerOf(metadata: ObjectMeta): OwnerReference | undefined {
  return metadata.ownerReferences?.find((owner) => owner.controller === true);
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

/** A new pod of this controller; the server completes its name. */
export function renderReplica(controller: ReplicationController): Pod {
  const template = controller.spec.template;
  const { name, namespace, uid = '' } = controller.metadata;
  const { labels, annotations, finalizers } = template?.metadata ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: '',
      generateName: `${name}-`,
      ...(namespace !== undefined && { namespace }),
      ...(labels && { labels }),
      ...(annotations && { annotations }),
      ...(finalizers && { finalizers }),
      ownerReferences: [replicaOwner(name, uid)],
    },
    spec: structuredClone(template?.spec ?? { containers: [] }),
  };
}

export function replicaOwner(name: string, uid: string): OwnerReference {
  return {
    apiVersion: 'v1',
    kind: 'ReplicationController',
    name,
    uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

type ReplicaStatus = NonNullable<ReplicationController['status']>;

/** The status that says what `pods` are; `failure` is why the last pass could not make or delete pods. */
export function renderReplicaStatus(
  controller: ReplicationController,
  pods: readonly Pod[],
  now: Date,
  failure: { readonly reason: string; readonly message: string } | undefined,
): ReplicaStatus {
  const template = controller.spec.template?.metadata?.labels;
  const ready = pods.filter(isPodReady);
  const minReadyMs = (controller.spec.minReadySeconds ?? 0) * 1000;
  const available = ready.filter((pod) => availableAt(pod, minReadyMs) <= now.getTime());
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

/** When a ready pod counts as available, in ms since the epoch; Infinity while it is not ready. */
export function availableAt(pod: Pod, minReadyMs: number): number {
  const condition = podCondition(pod, 'Ready');
  if (condition?.status !== 'True') return Infinity;
  return minReadyMs === 0 ? 0 : parseTime(condition.lastTransitionTime) + minReadyMs;
}

function renderConditions(
  controller: ReplicationController,
  now: Date,
  failure: { readonly reason: string; readonly message: string } | undefined,
): NonNullable<ReplicaStatus['conditions']> {
  const before = controller.status?.conditions ?? [];
  const others = before.filter((condition) => condition.type !== 'ReplicaFailure');
  if (!failure) return others;
  const same = before.find(
    (condition) => condition.type === 'ReplicaFailure' && condition.reason === failure.reason,
  );
  if (same) return before;
  const lastTransitionTime = now.toISOString().replace(/\.\d+Z$/, 'Z');
  return [...others, { type: 'ReplicaFailure', status: 'True', lastTransitionTime, ...failure }];
}

function parseTime(time: string | undefined): number {
  return time === undefined ? 0 : Date.parse(time);
}
