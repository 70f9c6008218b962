import type { Node, Taint } from '../../kinds/node.ts';
import { notReady, unreachable, unschedulable } from './taints.ts';

/** The taints that follow from a condition of a node, by the condition's type and status. */
const byCondition: readonly (readonly [type: string, status: string, key: string])[] = [
  ['Ready', 'False', notReady],
  ['Ready', 'Unknown', unreachable],
  ['MemoryPressure', 'True', 'node.kubernetes.io/memory-pressure'],
  ['DiskPressure', 'True', 'node.kubernetes.io/disk-pressure'],
  ['PIDPressure', 'True', 'node.kubernetes.io/pid-pressure'],
  ['NetworkUnavailable', 'True', 'node.kubernetes.io/network-unavailable'],
];

/** Those that also make pods leave. */
const evicting: readonly string[] = [notReady, unreachable];

const ours = new Set([...byCondition.map(([, , key]) => key), unschedulable.key]);

/**
 * The taints a node should have: those that follow from what it reports and from `kubectl cordon`, beside those that
 * people gave it; undefined where it has just these.
 * Source: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-nodes-by-condition.
 */
export function renderTaints(node: Node, time: string): Taint[] | undefined {
  const present = node.spec?.taints ?? [];
  const wanted = wantedTaints(node);
  const kept = present.filter((taint) => !ours.has(taint.key) || wanted.some((each) => isSame(each, taint)));
  const added = wanted.filter((taint) => !present.some((each) => isSame(each, taint)));
  if (added.length === 0 && kept.length === present.length) return undefined;
  return [...kept, ...added.map((taint) => ({ ...taint, timeAdded: time }))];
}

function wantedTaints({ spec, status }: Node): Taint[] {
  const keys = byCondition
    .filter(([type, value]) =>
      status?.conditions?.some((each) => each.type === type && each.status === value),
    )
    .map(([, , key]) => key);
  if (spec?.unschedulable) keys.push(unschedulable.key);
  return keys.flatMap((key) => {
    const taint = { key, effect: 'NoSchedule' };
    return evicting.includes(key) ? [taint, { key, effect: 'NoExecute' }] : [taint];
  });
}

function isSame(a: Taint, b: Taint): boolean {
  return a.key === b.key && a.effect === b.effect;
}
