import { renderAge } from './age.ts';
import { orNone } from './cells.ts';
import type { Pod } from './pod.ts';
import { isPodTerminal, type ContainerStatus } from './pod-status.ts';
import { column } from './table.ts';

export const podColumns = [
  column('Name'),
  column('Ready'),
  column('Status'),
  column('Restarts'),
  column('Age'),
  column('IP', 'string', 'wide'),
  column('Node', 'string', 'wide'),
  column('Nominated Node', 'string', 'wide'),
  column('Readiness Gates', 'string', 'wide'),
];

export function podCells(pod: Pod, nowMs: number): string[] {
  const summary = summarizePod(pod);
  const { restarts, lastRestart } = summary;
  const ago = restarts > 0 && lastRestart !== undefined ? ` (${renderAge(lastRestart, nowMs)} ago)` : '';
  return [
    pod.metadata.name,
    `${summary.ready}/${summary.total}`,
    summary.reason,
    `${restarts}${ago}`,
    renderAge(pod.metadata.creationTimestamp, nowMs),
    orNone(pod.status?.podIPs?.[0]?.ip ?? pod.status?.podIP),
    orNone(pod.spec.nodeName),
    orNone(pod.status?.nominatedNodeName),
    readinessGates(pod),
  ];
}

interface Summary {
  reason: string;
  ready: number;
  total: number;
  restarts: number;
  lastRestart: string | undefined;
}

/**
 * READY, STATUS and RESTARTS by the rules of kube-apiserver's printPod: init containers first, then containers
 * from the last to the first, then deletion.
 */
function summarizePod(pod: Pod): Summary {
  const sidecars = sidecarNames(pod);
  const summary: Summary = {
    reason: podReason(pod),
    ready: 0,
    total: pod.spec.containers.length + sidecars.size,
    restarts: 0,
    lastRestart: undefined,
  };
  const initializing = addInitContainers(summary, pod, sidecars);
  if (!initializing || hasCondition(pod, 'Initialized')) {
    const statuses = pod.status?.initContainerStatuses ?? [];
    summary.restarts = 0;
    summary.lastRestart = undefined;
    for (const status of statuses) if (sidecars.has(status.name)) addRestarts(summary, status);
    addContainers(summary, pod);
  }
  if (pod.metadata.deletionTimestamp !== undefined) {
    if (pod.status?.reason === 'NodeLost') summary.reason = 'Unknown';
    else if (!isPodTerminal(pod)) summary.reason = 'Terminating';
  }
  return summary;
}

/** Init containers that keep running beside the others. */
function sidecarNames(pod: Pod): Set<string> {
  const sidecars = (pod.spec.initContainers ?? []).filter((each) => each.restartPolicy === 'Always');
  return new Set(sidecars.map((each) => each.name));
}

function podReason(pod: Pod): string {
  const gated = pod.status?.conditions?.some(
    (each) => each.type === 'PodScheduled' && each.reason === 'SchedulingGated',
  );
  if (gated) return 'SchedulingGated';
  return pod.status?.reason || (pod.status?.phase ?? 'Pending');
}

/** Counts init containers up to the first that is not through; true while that one keeps the pod initializing. */
function addInitContainers(summary: Summary, pod: Pod, sidecars: ReadonlySet<string>): boolean {
  for (const [index, status] of (pod.status?.initContainerStatuses ?? []).entries()) {
    addRestarts(summary, status);
    if (status.state?.terminated?.exitCode === 0) continue;
    if (sidecars.has(status.name) && status.started) {
      if (status.ready) summary.ready += 1;
      continue;
    }
    const waiting = status.state?.waiting?.reason;
    if (status.state?.terminated) summary.reason = `Init:${terminationReason(status)}`;
    else if (waiting && waiting !== 'PodInitializing') summary.reason = `Init:${waiting}`;
    else summary.reason = `Init:${index}/${pod.spec.initContainers?.length ?? 0}`;
    return true;
  }
  return false;
}

function addContainers(summary: Summary, pod: Pod): void {
  let running = false;
  for (const status of (pod.status?.containerStatuses ?? []).toReversed()) {
    addRestarts(summary, status);
    const waiting = status.state?.waiting?.reason;
    if (waiting) summary.reason = waiting;
    else if (status.state?.terminated) summary.reason = terminationReason(status);
    else if (status.ready && status.state?.running) {
      running = true;
      summary.ready += 1;
    }
  }
  // One container is done, another still runs: the pod is not completed.
  if (summary.reason === 'Completed' && running) {
    summary.reason = hasCondition(pod, 'Ready') ? 'Running' : 'NotReady';
  }
}

function addRestarts(summary: Summary, status: ContainerStatus): void {
  summary.restarts += status.restartCount;
  const finished = status.lastState?.terminated?.finishedAt;
  if (finished === undefined) return;
  const newer = summary.lastRestart === undefined || Date.parse(finished) > Date.parse(summary.lastRestart);
  if (newer) summary.lastRestart = finished;
}

function terminationReason(status: ContainerStatus): string {
  const terminated = status.state?.terminated;
  if (terminated?.reason) return terminated.reason;
  return terminated?.signal ? `Signal:${terminated.signal}` : `ExitCode:${terminated?.exitCode ?? 0}`;
}

function hasCondition(pod: Pod, type: string): boolean {
  return pod.status?.conditions?.some((each) => each.type === type && each.status === 'True') ?? false;
}

function readinessGates(pod: Pod): string {
  const gates = pod.spec.readinessGates ?? [];
  if (gates.length === 0) return '<none>';
  return `${gates.filter((each) => hasCondition(pod, each.conditionType)).length}/${gates.length}`;
}
