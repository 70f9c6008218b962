import type { Toleration } from '../../kinds/affinity.ts';
import type { DaemonSet, DaemonSetStatus } from '../../kinds/daemon-set.ts';
import type { Node } from '../../kinds/node.ts';
import type { Pod } from '../../kinds/pod.ts';
import type { PodSpec } from '../../kinds/pod-spec.ts';
import { affinityTo, matchesNode, targetNode } from '../scheduling/node-affinity.ts';
import { isPodTerminal } from '../../kinds/pod-status.ts';
import { isPodReady } from '../pod-conditions.ts';
import { isPodAvailable } from '../workloads/replication.ts';
import { isUntolerated, taintsOf } from '../nodes/taints.ts';

/** The label that says of which revision's template a pod is. */
export const revisionLabel = 'controller-revision-hash';

/** One DaemonSet's pods, node by node. */
export interface DaemonView {
  readonly daemonSet: DaemonSet;
  readonly nodes: readonly NodeView[];
  /** The present template's revision. */
  readonly hash: string;
  readonly now: Date;
}

export interface NodeView {
  readonly name: string;
  readonly fit: Fit;
  /** The oldest first. Those that end are among them. */
  readonly pods: readonly Pod[];
}

/** Whether a pod should run on a node, may stay where it runs, or must leave. */
type Fit = 'run' | 'stay' | 'leave';

/** Pods for which a node is no longer healthy or open stay all the same. */
const tolerations: readonly Toleration[] = [
  ...['not-ready', 'unreachable'].map((key) => toleration(key, 'NoExecute')),
  ...['disk-pressure', 'memory-pressure', 'pid-pressure', 'unschedulable'].map((key) =>
    toleration(key, 'NoSchedule'),
  ),
];

function toleration(key: string, effect: string): Toleration {
  return { key: `node.kubernetes.io/${key}`, operator: 'Exists', effect };
}

/** The spec of a DaemonSet's pods, before they are sent to their nodes. */
export function daemonSpec({ spec }: DaemonSet): PodSpec {
  const pod = spec.template.spec;
  const more = pod.hostNetwork === true ? [toleration('network-unavailable', 'NoSchedule')] : [];
  return { ...pod, tolerations: [...(pod.tolerations ?? []), ...tolerations, ...more] };
}

/** The same for one node. */
export function specFor(nodeName: string, spec: PodSpec): PodSpec {
  return { ...spec, affinity: affinityTo(nodeName, spec.affinity) };
}

export function fitOf(spec: PodSpec, node: Node): Fit {
  if (spec.nodeName && spec.nodeName !== node.metadata.name) return 'leave';
  if (!matchesNode(spec, node)) return 'leave';
  const untolerated = taintsOf(node).filter((taint) => isUntolerated(taint, spec.tolerations));
  if (untolerated.length === 0) return 'run';
  return untolerated.some(({ effect }) => effect === 'NoExecute') ? 'leave' : 'stay';
}

/** Sorts pods by the node they run on or were made for. A node that is gone has its pods' name still. */
export function viewNodes(spec: PodSpec, nodes: Iterable<Node>, pods: readonly Pod[]): NodeView[] {
  const byNode = Map.groupBy([...pods].sort(byAge), (pod) => targetNode(pod.spec) ?? '');
  const views = [...nodes].map((node): NodeView => {
    const { name } = node.metadata;
    return { name, fit: fitOf(spec, node), pods: byNode.get(name) ?? [] };
  });
  const known = new Set(views.map(({ name }) => name));
  // Those bound to a node that is gone are the node controller's to remove; nobody else would end the others.
  const lost = [...byNode].filter(([name]) => !known.has(name));
  return [
    ...views,
    ...lost.map(([name, left]): NodeView => {
      return { name, fit: 'leave', pods: left.filter(({ spec }) => !spec.nodeName) };
    }),
  ];
}

function byAge(a: Pod, b: Pod): number {
  const [x, y] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? ''];
  if (x !== y) return x < y ? -1 : 1;
  return a.metadata.name < b.metadata.name ? -1 : 1;
}

export function isLeaving(pod: Pod): boolean {
  return pod.metadata.deletionTimestamp !== undefined;
}

export function isCurrent(pod: Pod, hash: string): boolean {
  return pod.metadata.labels?.[revisionLabel] === hash;
}

export function isAvailable(pod: Pod, { daemonSet, now }: Pick<DaemonView, 'daemonSet' | 'now'>): boolean {
  return isPodAvailable(daemonSet, pod, now);
}

/** The status that says what runs where. */
export function renderDaemonStatus(view: DaemonView): DaemonSetStatus {
  const { daemonSet, nodes, hash } = view;
  const wanted = nodes.filter(({ fit }) => fit === 'run');
  const first = wanted.flatMap(({ pods }) => pods.slice(0, 1));
  const available = first.filter((pod) => isAvailable(pod, view)).length;
  const updated = first.filter((pod) => isCurrent(pod, hash)).length;
  const unavailable = wanted.length - available;
  const { generation } = daemonSet.metadata;
  const { collisionCount, conditions } = daemonSet.status ?? {};
  return {
    currentNumberScheduled: first.length,
    numberMisscheduled: nodes.filter(({ fit, pods }) => fit !== 'run' && pods.length > 0).length,
    desiredNumberScheduled: wanted.length,
    numberReady: first.filter(isPodReady).length,
    ...(generation !== undefined && { observedGeneration: generation }),
    ...(updated > 0 && { updatedNumberScheduled: updated }),
    ...(available > 0 && { numberAvailable: available }),
    ...(unavailable > 0 && { numberUnavailable: unavailable }),
    ...(collisionCount !== undefined && { collisionCount }),
    ...(conditions && { conditions }),
  };
}

/** Pods that have ended although they should run for ever. */
export function endedPods({ nodes }: Pick<DaemonView, 'nodes'>): Pod[] {
  return nodes
    .filter(({ fit }) => fit !== 'leave')
    .flatMap(({ pods }) => pods.filter((pod) => isPodTerminal(pod) && !isLeaving(pod)));
}
