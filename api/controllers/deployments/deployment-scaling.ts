import type { DeploymentSpec } from '../../kinds/deployment.ts';
import { resolveIntOrPercent } from '../../kinds/int-or-percent.ts';

/** The arithmetic of a rollout, as upstream's deployment util. */

/** One ReplicaSet's size as the arithmetic sees it. */
export interface SetSize {
  readonly replicas: number;
  /** What the Deployment and its surge came to when the set last got a size. */
  readonly maxReplicas: number;
}

/** How many pods too many there may be: none but in a rolling update. */
export function maxSurge(spec: DeploymentSpec): number {
  return limitsOf(spec).surge;
}

/** How many pods may be missing: none but in a rolling update. */
export function maxUnavailable(spec: DeploymentSpec): number {
  return Math.min(limitsOf(spec).unavailable, spec.replicas ?? 0);
}

function limitsOf({ replicas = 0, strategy }: DeploymentSpec): { surge: number; unavailable: number } {
  if (strategy.type !== 'RollingUpdate') return { surge: 0, unavailable: 0 };
  const { maxSurge = 0, maxUnavailable = 0 } = strategy.rollingUpdate ?? {};
  const surge = resolveIntOrPercent(maxSurge, replicas, 'up');
  const unavailable = resolveIntOrPercent(maxUnavailable, replicas, 'down');
  // Shares of few pods may both come to nothing; then nothing could ever be replaced.
  return surge === 0 && unavailable === 0 ? { surge, unavailable: 1 } : { surge, unavailable };
}

/** How large the new ReplicaSet may be now, while the pods of all together are `total`. */
export function newSetSize(spec: DeploymentSpec, current: number, total: number): number {
  const { replicas = 0, strategy } = spec;
  if (strategy.type !== 'RollingUpdate' || current > replicas) return replicas;
  const room = replicas + maxSurge(spec) - total;
  return current + Math.max(0, Math.min(room, replicas - current));
}

/**
 * The sizes of several ReplicaSets after the Deployment was scaled in the middle of a rollout: each changes in
 * proportion to what it is, and what rounding leaves over goes to the first. `sets` come in the order of preference.
 */
export function scaleInProportion(spec: DeploymentSpec, sets: readonly SetSize[]): number[] {
  const { replicas = 0 } = spec;
  const allowed = replicas > 0 ? replicas + maxSurge(spec) : 0;
  const toAdd = allowed - sets.reduce((sum, set) => sum + set.replicas, 0);
  let added = 0;
  const sizes = sets.map((set) => {
    const change = proportionOf(set, { allowed, toAdd, added });
    added += change;
    return set.replicas + change;
  });
  const [first = 0, ...rest] = sizes;
  return sizes.length === 0 ? [] : [Math.max(0, first + toAdd - added), ...rest];
}

function proportionOf(
  set: SetSize,
  { allowed, toAdd, added }: { readonly allowed: number; readonly toAdd: number; readonly added: number },
): number {
  if (set.replicas === 0 || toAdd === added) return 0;
  const wanted =
    allowed === 0 ? -set.replicas : Math.round((set.replicas * allowed) / set.maxReplicas) - set.replicas;
  const left = toAdd - added;
  return toAdd > 0 ? Math.min(wanted, left) : Math.max(wanted, left);
}
