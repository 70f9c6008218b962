import type { KubeObject, OwnerReference } from '../../kinds/meta.ts';

/** Deletion waits until the dependents are gone. */
export const foregroundFinalizer = 'foregroundDeletion';
/** Deletion waits until the dependents no longer name the owner. */
export const orphanFinalizer = 'orphan';

/** What the owner of some object is to it now. */
export type OwnerState =
  /** It is there and stays. */
  | 'solid'
  /** It is gone, or another object has its name. */
  | 'dangling'
  /** It is being deleted and waits for its dependents to go first. */
  | 'waiting';

export type OwnershipDecision =
  | { readonly action: 'keep' }
  /** Take these references out: other owners keep the object alive. */
  | { readonly action: 'unlink'; readonly uids: readonly string[] }
  | { readonly action: 'delete'; readonly propagationPolicy: 'Background' | 'Foreground' | 'Orphan' };

/** Decides what becomes of an object, as Kubernetes' garbage collector does (attemptToDeleteItem). */
export function decideOwnership(
  object: KubeObject,
  stateOf: (owner: OwnerReference) => OwnerState,
  hasDependents: boolean,
): OwnershipDecision {
  const { ownerReferences = [], deletionTimestamp, finalizers = [] } = object.metadata;
  if (ownerReferences.length === 0 || deletionTimestamp !== undefined) return { action: 'keep' };
  const states = ownerReferences.map((owner) => ({ owner, state: stateOf(owner) }));
  const lost = states.filter(({ state }) => state !== 'solid');
  if (lost.length === 0) return { action: 'keep' };
  if (lost.length < states.length) return { action: 'unlink', uids: lost.map(({ owner }) => owner.uid) };
  const waits = lost.some(({ state }) => state === 'waiting');
  if (waits && hasDependents) return { action: 'delete', propagationPolicy: 'Foreground' };
  return { action: 'delete', propagationPolicy: policyOf(finalizers) };
}

function policyOf(finalizers: readonly string[]): 'Background' | 'Foreground' | 'Orphan' {
  if (finalizers.includes(orphanFinalizer)) return 'Orphan';
  return finalizers.includes(foregroundFinalizer) ? 'Foreground' : 'Background';
}

/** Whether the object is being deleted and stays only for this finalizer's work. */
export function isWaitingFor(object: KubeObject, finalizer: string): boolean {
  const { deletionTimestamp, finalizers = [] } = object.metadata;
  return deletionTimestamp !== undefined && finalizers.includes(finalizer);
}
