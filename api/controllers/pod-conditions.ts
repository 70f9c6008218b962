import type { LabelSelector } from '../kinds/meta.ts';
import type { Pod } from '../kinds/pod.ts';
import { isPodTerminal, type PodCondition } from '../kinds/pod-status.ts';
import { compileLabelSelector, type Selector } from '../kinds/selector.ts';

/** A condition of the pod's status, if it has one of this type. */
export function podCondition(pod: Pod, type: string): PodCondition | undefined {
  return pod.status?.conditions?.find((condition) => condition.type === type);
}

export function isPodReady(pod: Pod): boolean {
  return podCondition(pod, 'Ready')?.status === 'True';
}

/** Neither ended nor being deleted: what counts as a replica. */
export function isPodActive(pod: Pod): boolean {
  return !isPodTerminal(pod) && pod.metadata.deletionTimestamp === undefined;
}

/** Whether every label of a plain selector is there. An empty selector matches nothing here: it selects no pods. */
export function matchesLabels(
  selector: Readonly<Record<string, string>> | undefined,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  const wanted = Object.entries(selector ?? {});
  return wanted.length > 0 && wanted.every(([name, value]) => labels?.[name] === value);
}

/** Selectors of cached objects, which never change, compiled once: a large ReplicaSet asks for each of its pods. */
const compiled = new WeakMap<LabelSelector, Selector>();

/** Whether a selector with expressions matches. An empty one matches nothing here, too. */
export function matchesSelector(
  selector: LabelSelector,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  const ready = compiled.get(selector) ?? compileLabelSelector(selector);
  compiled.set(selector, ready);
  return !ready.empty && ready.matches(labels);
}
