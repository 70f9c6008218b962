import type { Lease } from '../../kinds/lease.ts';
import type { Node, Taint } from '../../kinds/node.ts';
import type { Pod } from '../../kinds/pod.ts';
import { isPodReady } from '../pod-conditions.ts';
import { readyCondition, tolerates, troubleKey } from './taints.ts';

/** How closely leases are watched. */
export interface NodeHealthTiming {
  /** Each node is looked at this often (upstream's node-monitor-period). */
  readonly periodMs: number;
  /** A node whose lease stood still for this long does not answer (upstream's node-monitor-grace-period). */
  readonly graceMs: number;
}

export const nodeHealthTiming: NodeHealthTiming = { periodMs: 5_000, graceMs: 40_000 };

/** How long pods stay bound to such a node (upstream's default toleration). */
const evictionSeconds = 300;

/** When we last saw a node's lease move, by our own clock: the node's clock may be wrong. */
export interface LeaseSighting {
  readonly renewTime: string | undefined;
  readonly seenAtMs: number;
}

export function observeLease(
  before: LeaseSighting | undefined,
  lease: Lease | undefined,
  nowMs: number,
): LeaseSighting {
  const renewTime = lease?.spec?.renewTime;
  return before && before.renewTime === renewTime ? before : { renewTime, seenAtMs: nowMs };
}

/** `Unknown` when the node must be declared silent now; undefined when nothing is to be written. */
export function judgeNode(
  node: Node,
  sighting: LeaseSighting,
  { nowMs, graceMs }: { readonly nowMs: number; readonly graceMs: number },
): 'Unknown' | undefined {
  if (nowMs - sighting.seenAtMs < graceMs) return undefined;
  return readyCondition(node)?.status === 'Unknown' ? undefined : 'Unknown';
}

/** The conditions a node keeps posting: all unknown once it stopped. */
const postedConditions = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'] as const;

/** A strategic merge patch of the node's status that says it stopped posting (kube-controller-manager's words). */
export function renderSilentNode(node: Node, time: string): object {
  const known = new Set(node.status?.conditions?.map((condition) => condition.type));
  const conditions = postedConditions
    .filter((type) => type === 'Ready' || known.has(type))
    .map((type) => ({
      type,
      status: 'Unknown',
      reason: 'NodeStatusUnknown',
      message: 'Kubelet stopped posting node status.',
      lastTransitionTime: time,
    }));
  return { status: { conditions } };
}

/** A silent node's pods that still count as ready. */
export function podsToMarkNotReady(node: Node, pods: Iterable<Pod>): Pod[] {
  if (readyCondition(node)?.status !== 'Unknown') return [];
  return [...pods].filter(isPodReady);
}

/** Which pods must leave a node that is not ready. */
export function podsToEvict(node: Node, pods: Iterable<Pod>, nowMs: number): Pod[] {
  const ready = readyCondition(node);
  if (!ready?.lastTransitionTime || ready.status === 'True') return [];
  const sinceMs = nowMs - Date.parse(ready.lastTransitionTime);
  const key = troubleKey(ready.status);
  return [...pods].filter((pod) => {
    if (pod.metadata.deletionTimestamp !== undefined) return false;
    return sinceMs >= staysSeconds(pod, { key, effect: 'NoExecute' }) * 1000;
  });
}

/** How long a pod stays on a node with this taint: as its toleration says, five minutes without one. */
function staysSeconds(pod: Pod, taint: Taint): number {
  const toleration = (pod.spec.tolerations ?? []).find((one) => tolerates(one, taint));
  if (!toleration) return evictionSeconds;
  return toleration.tolerationSeconds ?? Infinity;
}
