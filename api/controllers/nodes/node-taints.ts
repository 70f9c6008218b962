import type { Node, Taint } from '../../kinds/node.ts';

const prefix = 'node.kubernetes.io/';

/** The taints that follow from a condition of a node, by the condition's type and status. */
const byCondition: readonly (readonly [type: string, status: string, name: string])[] = [
  ['Ready', 'False', 'not-ready'],
  ['Ready', 'Unknown', 'unreachable'],
  ['MemoryPressure', 'True', 'memory-pressure'],
  ['DiskPressure', 'True', 'disk-pressure'],
  ['PIDPressure', 'True', 'pid-pressure'],
  ['NetworkUnavailable', 'True', 'network-unavailable'],
];

const unschedulable = 'unschedulable';

/** Those that also make pods leave. */
const evicting: readonly string[] = ['not-ready', 'unreachable'];

const ours = new Set([...byCondition.map(([, , name]) => prefix + name), prefix + unschedulable]);

/**
 * The taints a node should have: those that follow from what it reports and from `kubectl cordon`, beside those that
 * people gave it; undefined where it has just these.
 * Source: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-nodes-by-condition.
 */
export function taintsOf(node: Node, time: string): Taint[] | undefined {
  const present = node.spec?.taints ?? [];
  const wanted = wantedTaints(node);
  const kept = present.filter((taint) => !ours.has(taint.key) || wanted.some((each) => isSame(each, taint)));
  const added = wanted.filter((taint) => !present.some((each) => isSame(each, taint)));
  if (added.length === 0 && kept.length === present.length) return undefined;
  return [...kept, ...added.map((taint) => ({ ...taint, timeAdded: time }))];
}

function wantedTaints({ spec, status }: Node): Taint[] {
  const names = byCondition
    .filter(([type, value]) =>
      status?.conditions?.some((each) => each.type === type && each.status === value),
    )
    .map(([, , name]) => name);
  if (spec?.unschedulable) names.push(unschedulable);
  return names.flatMap((name) => {
    const key = prefix + name;
    const taint = { key, effect: 'NoSchedule' };
    return evicting.includes(name) ? [taint, { key, effect: 'NoExecute' }] : [taint];
  });
}

function isSame(a: Taint, b: Taint): boolean {
  return a.key === b.key && a.effect === b.effect;
}
