import { isDeepStrictEqual } from 'node:util';
import type { Deployment } from '../../kinds/deployment.ts';
import type { ReplicaSet } from '../../kinds/replica-set.ts';
import { maxSurge, maxUnavailable, newSetSize, scaleInProportion } from './deployment-scaling.ts';
import {
  byAge,
  desiredReplicas,
  findNewReplicaSet,
  maxReplicas,
  newSetAnnotations,
  revisionOf,
  sizeAnnotations,
} from './deployment-sets.ts';

/** What is there of one Deployment. */
export interface RolloutView {
  readonly deployment: Deployment;
  /** Its own ReplicaSets. */
  readonly sets: readonly ReplicaSet[];
  /** Whether pods of a ReplicaSet are still there, ending ones too. */
  readonly hasPods: (set: ReplicaSet) => boolean;
}

/** How one ReplicaSet must be. */
export interface SetChange {
  readonly set: ReplicaSet;
  readonly replicas: number;
  readonly annotations: Readonly<Record<string, string>>;
}

/** The next step of a rollout; the changes it makes lead to the one after. */
export interface RolloutStep {
  /** A ReplicaSet for the present template. */
  readonly create?: { readonly replicas: number; readonly revision: number };
  readonly change: readonly SetChange[];
  /** ReplicaSets beyond the history limit. */
  readonly remove: readonly ReplicaSet[];
}

const nothing: RolloutStep = { change: [], remove: [] };

/** Decides as upstream's syncDeployment. */
export function planRollout(view: RolloutView): RolloutStep {
  const { deployment, sets } = view;
  const { spec, metadata } = deployment;
  if (metadata.deletionTimestamp !== undefined) return nothing;
  const newest = findNewReplicaSet(deployment, sets);
  const old = sets.filter((set) => set !== newest);
  const revision = Math.max(0, ...old.map(revisionOf)) + 1;
  const state: RolloutState = { ...view, newest, old, revision };
  const sizes = spec.paused || wasScaled(deployment, sets) ? planScaling(state) : planReplacement(state);
  if (sizes === 'create') {
    const total = sizeOf(sets);
    return { ...nothing, create: { replicas: newSetSize(spec, 0, total), revision } };
  }
  const change = sets.flatMap((set) => changeOf(state, set, sizes.get(set)));
  const isTidying = spec.paused === true || (change.length === 0 && isComplete(state));
  return { change, remove: isTidying ? beyondHistory(spec.revisionHistoryLimit, old) : [] };
}

interface RolloutState extends RolloutView {
  readonly newest: ReplicaSet | undefined;
  readonly old: readonly ReplicaSet[];
  readonly revision: number;
}

/** New sizes, for sets whose size was decided. */
type Sizes = ReadonlyMap<ReplicaSet, number>;

function changeOf(state: RolloutState, set: ReplicaSet, size: number | undefined): SetChange[] {
  const { deployment, newest, revision } = state;
  const before = set.metadata.annotations ?? {};
  const annotations = {
    ...(set === newest ? newSetAnnotations(deployment, set, revision) : before),
    ...(size !== undefined && sizeAnnotations(deployment)),
  };
  const replicas = size ?? replicasOf(set);
  const readiness = set === newest && set.spec.minReadySeconds !== deployment.spec.minReadySeconds;
  const isSame = replicas === replicasOf(set) && isDeepStrictEqual(annotations, before) && !readiness;
  return isSame ? [] : [{ set, replicas, annotations }];
}

/** Whether the Deployment got another size since its ReplicaSets got theirs. */
function wasScaled({ spec }: Deployment, sets: readonly ReplicaSet[]): boolean {
  return sets.filter(isActive).some((set) => {
    const desired = set.metadata.annotations?.[desiredReplicas];
    return desired !== undefined && Number(desired) !== spec.replicas;
  });
}

/** Gives a new size to what there is, and replaces nothing. */
function planScaling({ deployment, newest, old, sets }: RolloutState): Sizes {
  const { replicas = 0, strategy } = deployment.spec;
  const active = sets.filter(isActive);
  const only = active.length > 1 ? undefined : (active[0] ?? newest ?? [...old].sort(byAge).at(-1));
  if (only) return new Map([[only, replicas]]);
  if (newest && isSaturated(newest, replicas)) {
    return new Map(old.filter(isActive).map((set) => [set, 0]));
  }
  if (strategy.type !== 'RollingUpdate') return new Map();
  const grows = replicas + maxSurge(deployment.spec) > sizeOf(active);
  const preferred = [...active].sort((a, b) => {
    return replicasOf(b) - replicasOf(a) || (grows ? byAge(b, a) : byAge(a, b));
  });
  const sizes = scaleInProportion(
    deployment.spec,
    preferred.map((set) => ({
      replicas: replicasOf(set),
      maxReplicas:
        Number(set.metadata.annotations?.[maxReplicas]) ||
        (deployment.status?.replicas ?? 0) ||
        sizeOf(active),
    })),
  );
  return new Map(preferred.map((set, index) => [set, sizes[index] ?? 0]));
}

function isSaturated(set: ReplicaSet, replicas: number): boolean {
  return (
    replicasOf(set) === replicas &&
    Number(set.metadata.annotations?.[desiredReplicas]) === replicas &&
    availableOf(set) === replicas
  );
}

function planReplacement(state: RolloutState): Sizes | 'create' {
  return state.deployment.spec.strategy.type === 'Recreate' ? planRecreation(state) : planRolling(state);
}

/** All old pods go, and only then the new ones come. */
function planRecreation({ deployment, newest, old, hasPods }: RolloutState): Sizes | 'create' {
  const active = old.filter(isActive);
  if (active.length > 0) return new Map(active.map((set) => [set, 0]));
  if (old.some(hasPods)) return new Map();
  return newest ? new Map([[newest, deployment.spec.replicas ?? 0]]) : 'create';
}

/** The new ReplicaSet grows as far as the surge allows; then old ones shrink as far as availability allows. */
function planRolling({ deployment, newest, old, sets }: RolloutState): Sizes | 'create' {
  if (!newest) return 'create';
  const size = newSetSize(deployment.spec, replicasOf(newest), sizeOf(sets));
  if (size !== replicasOf(newest)) return new Map([[newest, size]]);
  return shrinkOld(deployment, newest, old.filter(isActive).sort(byAge));
}

function shrinkOld({ spec }: Deployment, newest: ReplicaSet, old: readonly ReplicaSet[]): Sizes {
  const minAvailable = (spec.replicas ?? 0) - maxUnavailable(spec);
  const newUnavailable = replicasOf(newest) - availableOf(newest);
  const removable = sizeOf(old) + replicasOf(newest) - minAvailable - newUnavailable;
  const sizes = new Map(old.map((set) => [set, replicasOf(set)]));
  if (removable <= 0) return new Map();
  // Pods that serve nobody go first: they may be what the new template is to mend.
  shrink(sizes, removable, (set, size) => size - Math.min(size, availableOf(set)));
  const available = [newest, ...old].reduce((sum, set) => sum + availableOf(set), 0);
  shrink(sizes, available - minAvailable, (_set, size) => size);
  return new Map([...sizes].filter(([set, size]) => size !== replicasOf(set)));
}

/** Takes up to `most` from the sets in order, from each what `spare` allows. */
function shrink(
  sizes: Map<ReplicaSet, number>,
  most: number,
  spare: (set: ReplicaSet, size: number) => number,
): void {
  let left = most;
  for (const [set, size] of sizes) {
    const taken = Math.max(0, Math.min(left, spare(set, size)));
    sizes.set(set, size - taken);
    left -= taken;
  }
}

function isComplete({ deployment, newest, old }: RolloutState): boolean {
  const { replicas = 0 } = deployment.spec;
  return (
    newest !== undefined &&
    replicasOf(newest) === replicas &&
    availableOf(newest) === replicas &&
    old.every((set) => !isActive(set) && (set.status?.replicas ?? 0) === 0)
  );
}

const unlimited = 2 ** 31 - 1;

/** Old ReplicaSets without pods beyond the limit, the oldest revisions. */
function beyondHistory(limit = unlimited, old: readonly ReplicaSet[]): ReplicaSet[] {
  const staying = old.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  return staying
    .sort((a, b) => revisionOf(a) - revisionOf(b) || byAge(a, b))
    .slice(0, Math.max(0, staying.length - limit))
    .filter(isEmpty);
}

/** Whether it has no pods, and its status says so of its present size. */
function isEmpty({ metadata, spec, status }: ReplicaSet): boolean {
  const isSeen = (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0);
  return isSeen && !spec.replicas && (status?.replicas ?? 0) === 0;
}

export function sizeOf(sets: readonly ReplicaSet[]): number {
  return sets.reduce((sum, set) => sum + replicasOf(set), 0);
}

export function replicasOf({ spec }: ReplicaSet): number {
  return spec.replicas ?? 0;
}

function availableOf({ status }: ReplicaSet): number {
  return status?.availableReplicas ?? 0;
}

function isActive(set: ReplicaSet): boolean {
  return replicasOf(set) > 0;
}
