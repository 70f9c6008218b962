import type { Toleration } from '../kinds/affinity.ts';
import type { Node, Taint } from '../kinds/node.ts';
import type { Pod } from '../kinds/pod.ts';
import type { Service } from '../kinds/service.ts';
import { isPodTerminal, matchesLabels } from './pod-conditions.ts';
import { controllerOf } from './claims.ts';

/** A node with what runs there. */
export interface NodeLoad {
  readonly node: Node;
  /** Pods of any kind. */
  readonly pods: number;
  /** Pods of the same controller or Service as the pod in question. */
  readonly alike: number;
}

export type Placement =
  | { readonly nodeName: string }
  /** Why no node will do, in kube-scheduler's words. */
  | { readonly message: string };

/** Whether a pod waits for this scheduler. */
export function awaitsScheduling(pod: Pod): boolean {
  const { nodeName, schedulerName = 'default-scheduler', schedulingGates = [] } = pod.spec;
  return (
    !nodeName &&
    schedulerName === 'default-scheduler' &&
    schedulingGates.length === 0 &&
    pod.metadata.deletionTimestamp === undefined &&
    !isPodTerminal(pod)
  );
}

/** Chooses the node with the fewest pods of the same owner, then the fewest pods, then the first by name. */
export function placePod(pod: Pod, loads: readonly NodeLoad[]): Placement {
  const refusals = new Map<string, number>();
  let best: NodeLoad | undefined;
  for (const load of loads) {
    const refusal = refusalOf(pod, load.node);
    if (refusal !== undefined) refusals.set(refusal, (refusals.get(refusal) ?? 0) + 1);
    else if (!best || isLighter(load, best)) best = load;
  }
  if (best) return { nodeName: best.node.metadata.name };
  if (loads.length === 0) return { message: 'no nodes available to schedule pods' };
  const reasons = [...refusals].map(([reason, count]) => `${count} ${reason}`).sort();
  return { message: `0/${loads.length} nodes are available: ${reasons.join(', ')}.` };
}

function isLighter(a: NodeLoad, b: NodeLoad): boolean {
  if (a.alike !== b.alike) return a.alike < b.alike;
  if (a.pods !== b.pods) return a.pods < b.pods;
  return a.node.metadata.name < b.node.metadata.name;
}

/** Why this node does not take the pod; undefined when it does. */
function refusalOf(pod: Pod, node: Node): string | undefined {
  const ready = node.status?.conditions?.find((condition) => condition.type === 'Ready');
  if (node.metadata.deletionTimestamp !== undefined) return 'node(s) were being deleted';
  if (ready?.status !== 'True') return 'node(s) were not ready';
  if (node.spec?.unschedulable === true) return 'node(s) were unschedulable';
  const selector = pod.spec.nodeSelector ?? {};
  if (Object.keys(selector).length > 0 && !matchesLabels(selector, node.metadata.labels)) {
    return "node(s) didn't match Pod's node affinity/selector";
  }
  const taint = (node.spec?.taints ?? []).find((one) => isUntolerated(one, pod.spec.tolerations ?? []));
  return taint && `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`;
}

function isUntolerated(taint: Taint, tolerations: readonly Toleration[]): boolean {
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

/** Those of some pods that should be spread together with `pod`: of its controller, or else of its Services. */
export function alikePods(pod: Pod, pods: Iterable<Pod>, namespaceServices: Iterable<Service>): Pod[] {
  const owner = controllerOf(pod.metadata)?.uid;
  const selectors = [...namespaceServices]
    .map((service) => service.spec.selector)
    .filter((selector) => matchesLabels(selector, pod.metadata.labels));
  return [...pods].filter((other) => {
    if (isPodTerminal(other) || other.metadata.deletionTimestamp !== undefined) return false;
    if (owner !== undefined) return controllerOf(other.metadata)?.uid === owner;
    return selectors.some((selector) => matchesLabels(selector, other.metadata.labels));
  });
}
