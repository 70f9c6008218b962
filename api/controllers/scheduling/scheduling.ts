import type { Node } from '../../kinds/node.ts';
import type { Pod } from '../../kinds/pod.ts';
import type { Service } from '../../kinds/service.ts';
import { clash, hostPortsOf } from '../../kinds/host-ports.ts';
import type { PortClaim } from '../../kinds/host-ports.ts';
import { matchesNode } from './node-affinity.ts';
import { isPodTerminal } from '../../kinds/pod-status.ts';
import { matchesLabels } from '../pod-conditions.ts';
import { isUntolerated, readinessTaint, unschedulable } from '../nodes/taints.ts';
import { controllerOf } from '../workloads/claims.ts';
import { lackOf, podRequests } from './resource-fit.ts';
import type { Amounts } from './resource-fit.ts';

/** A node with what runs there. */
export interface NodeLoad {
  readonly node: Node;
  /** Pods of any kind. */
  readonly pods: number;
  /** Pods of the same controller or Service as the pod in question. */
  readonly alike: number;
  /** What its pods are promised together. */
  readonly promised: Amounts;
  /** Ports of the node that its pods have. */
  readonly hostPorts: readonly PortClaim[];
}

export type Placement =
  | { readonly nodeName: string }
  /** Why no node will do, in kube-scheduler's words. */
  | { readonly message: string };

const portsTaken = "node(s) didn't have free ports for the requested pod ports";

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
  const wanted = podRequests(pod);
  const ports = hostPortsOf(pod.spec);
  let best: NodeLoad | undefined;
  for (const load of loads) {
    const refusal =
      refusalOf(pod, load.node) ??
      lackOf(load.node, wanted, load.promised) ??
      (ports.some((port) => load.hostPorts.some((taken) => clash(port, taken))) ? portsTaken : undefined);
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
  const { tolerations } = pod.spec;
  const readiness = readinessTaint(node);
  if (node.metadata.deletionTimestamp !== undefined) return 'node(s) were being deleted';
  if (readiness && isUntolerated(readiness, tolerations)) return 'node(s) were not ready';
  if (node.spec?.unschedulable === true && isUntolerated(unschedulable, tolerations)) {
    return 'node(s) were unschedulable';
  }
  if (!matchesNode(pod.spec, node)) return "node(s) didn't match Pod's node affinity/selector";
  const taint = (node.spec?.taints ?? []).find((one) => isUntolerated(one, tolerations));
  return taint && `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`;
}

/** Those of some pods that should be spread together with `pod`: of its controller, or else of its Services. */
export function alikePods(pod: Pod, pods: Iterable<Pod>, namespaceServices: Iterable<Service>): Pod[] {
  const present = [...pods].filter((other) => {
    return !isPodTerminal(other) && other.metadata.deletionTimestamp === undefined;
  });
  const owner = controllerOf(pod.metadata)?.uid;
  if (owner !== undefined) return present.filter((other) => controllerOf(other.metadata)?.uid === owner);
  const selectors = [...namespaceServices]
    .map((service) => service.spec.selector)
    .filter((selector) => matchesLabels(selector, pod.metadata.labels));
  return present.filter((other) => {
    return selectors.some((selector) => matchesLabels(selector, other.metadata.labels));
  });
}
