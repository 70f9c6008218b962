import type { Toleration } from '../../kinds/affinity.ts';
import type { Node, NodeCondition, Taint } from '../../kinds/node.ts';

export const unschedulable: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

/** Keys of the taints of a node that says it is not ready, and of one that says nothing any more. */
export const notReady = 'node.kubernetes.io/not-ready';
export const unreachable = 'node.kubernetes.io/unreachable';

export function readyCondition({ status }: Node): NodeCondition | undefined {
  return status?.conditions?.find((condition) => condition.type === 'Ready');
}

/** The key of a node's taints while the status of its Ready condition is not True. */
export function troubleKey(ready: string | undefined): string {
  return ready === 'Unknown' ? unreachable : notReady;
}

/** The taint that a node's state amounts to while it is not ready, whether or not anybody wrote it down. */
export function readinessTaint(node: Node): Taint | undefined {
  const ready = readyCondition(node)?.status;
  return ready === 'True' ? undefined : { key: troubleKey(ready), effect: 'NoSchedule' };
}

/** What keeps pods off a node: its taints, and those that its state amounts to. */
export function taintsOf(node: Node): Taint[] {
  const readiness = readinessTaint(node);
  return [
    ...(node.spec?.taints ?? []),
    ...(node.spec?.unschedulable === true ? [unschedulable] : []),
    ...(readiness ? [readiness] : []),
  ];
}

/** Whether a taint keeps pods with these tolerations away. */
export function isUntolerated(taint: Taint, tolerations: readonly Toleration[] = []): boolean {
  if (taint.effect === 'PreferNoSchedule') return false;
  return !tolerations.some((toleration) => tolerates(toleration, taint));
}

/** Whether a toleration covers a taint (core/v1 Toleration: empty key, effect and operator are wildcards). */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  if (toleration.operator === 'Exists') return true;
  return Boolean(toleration.key) && (toleration.value ?? '') === (taint.value ?? '');
}
