import type { PodSpec } from '../../kinds/pod-spec.ts';

/** How long pods without a word of their own stay on a node that does not answer (upstream's default). */
const staySeconds = 300;

const nodeTroubles = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'] as const;

/** The priorities every cluster has. https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/ */
const priorities: Readonly<Record<string, number>> = {
  '': 0,
  'system-cluster-critical': 2_000_000_000,
  'system-node-critical': 2_000_001_000,
};

/**
 * What Kubernetes' admission gives every pod, in place: a priority, and tolerations that keep it for five minutes on a
 * node in trouble. `old` is there on update: a pod that is replaced by its own manifest keeps what it was given.
 */
export function admitPodSpec(spec: PodSpec, old?: PodSpec): void {
  const priority = old ? old.priority : priorities[spec.priorityClassName ?? ''];
  if (spec.priority === undefined && priority !== undefined) spec.priority = priority;
  const preemption = old ? old.preemptionPolicy : 'PreemptLowerPriority';
  if (spec.preemptionPolicy === undefined && preemption !== undefined) spec.preemptionPolicy = preemption;
  const missing = nodeTroubles.filter((key) => !toleratesTrouble(spec, key));
  if (missing.length === 0) return;
  const added = missing.map((key) => ({
    key,
    operator: 'Exists',
    effect: 'NoExecute',
    tolerationSeconds: staySeconds,
  }));
  spec.tolerations = [...(spec.tolerations ?? []), ...added];
}

function toleratesTrouble({ tolerations = [] }: PodSpec, key: string): boolean {
  return tolerations.some((each) => {
    const { key: tolerated = '', effect = '' } = each;
    return (tolerated === key || tolerated === '') && (effect === 'NoExecute' || effect === '');
  });
}
