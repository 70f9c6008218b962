import type { Container } from '../../api/kinds/container.ts';
import type { ContainerState, ContainerStatus, PodCondition, PodStatus } from '../../api/kinds/pod-status.ts';
import type { Pod } from '../../api/kinds/pod.ts';
import type { ContainerRecord, PodRecord, Termination } from './record.ts';
import { qosClass } from './resources.ts';

/** Why a container does not run (yet), in the kubelet's words. */
export interface Waiting {
  readonly reason: string;
  readonly message?: string;
}

/** What the node knows of one pod at one moment. */
export interface Observation {
  readonly record: PodRecord;
  /** By container name. */
  readonly waiting: ReadonlyMap<string, Waiting>;
  readonly hostIPs: readonly string[];
}

/**
 * The status of a pod by what is observed of it. `now` (RFC 3339) is the transition time of conditions that change.
 * Source: kubernetes pkg/kubelet/kubelet_pods.go generateAPIPodStatus, pkg/kubelet/status/generate.go.
 */
export function podStatus(pod: Pod, observation: Observation, now: string): PodStatus {
  const { record, hostIPs } = observation;
  const initContainers = pod.spec.initContainers ?? [];
  // With init containers, STATUS counts them: `Init:0/1`.
  const creating = initContainers.length > 0 ? 'PodInitializing' : 'ContainerCreating';
  const initContainerStatuses = initContainers.map((container) =>
    containerStatus(container, observation, true, creating),
  );
  const containerStatuses = pod.spec.containers.map((container) =>
    containerStatus(container, observation, false, creating),
  );
  const phase = podPhase(pod, initContainerStatuses, containerStatuses);
  const podIPs = pod.spec.hostNetwork ? hostIPs : record.ips;
  return {
    phase,
    conditions: podConditions(pod, observation, phase, initContainerStatuses, containerStatuses, now),
    ...addresses('hostIP', 'hostIPs', hostIPs),
    ...addresses('podIP', 'podIPs', podIPs),
    startTime: record.startTime,
    ...(initContainers.length > 0 ? { initContainerStatuses } : {}),
    containerStatuses,
    qosClass: pod.status?.qosClass ?? qosClass(pod),
  };
}

function addresses(one: 'hostIP' | 'podIP', all: 'hostIPs' | 'podIPs', ips: readonly string[]): PodStatus {
  const [first] = ips;
  return first === undefined ? {} : { [one]: first, [all]: ips.map((ip) => ({ ip })) };
}

function containerStatus(
  container: Container,
  observation: Observation,
  init: boolean,
  creating: string,
): ContainerStatus {
  const record = observation.record.containers[container.name];
  const waiting = observation.waiting.get(container.name);
  const running = record?.process !== undefined && record.startedAt !== undefined && !record.termination;
  const succeeded = record?.termination?.exitCode === 0;
  const state = containerState(record, waiting, creating);
  const last = state.terminated ? record?.lastTermination : (record?.termination ?? record?.lastTermination);
  return {
    name: container.name,
    state,
    lastState: last ? { terminated: terminatedState(last) } : {},
    ready: init ? succeeded && state.terminated !== undefined : running && record.ready,
    restartCount: record?.attempt ?? 0,
    image: container.image ?? '',
    imageID: record?.imageName ?? '',
    ...(record?.process ? { containerID: `weft://${record.id}` } : {}),
    started: running && record.started,
  };
}

function containerState(
  record: ContainerRecord | undefined,
  waiting: Waiting | undefined,
  creating: string,
): ContainerState {
  if (waiting) {
    return {
      waiting: waiting.reason === 'ContainerCreating' ? { ...waiting, reason: creating } : { ...waiting },
    };
  }
  if (record?.termination) return { terminated: terminatedState(record.termination) };
  if (record?.process && record.startedAt !== undefined)
    return { running: { startedAt: toSeconds(record.startedAt) } };
  return { waiting: { reason: creating } };
}

function terminatedState(end: Termination): NonNullable<ContainerState['terminated']> {
  return {
    exitCode: end.exitCode,
    reason: end.reason,
    ...(end.message === '' ? {} : { message: end.message }),
    startedAt: toSeconds(end.startedAt ?? neverStarted),
    finishedAt: toSeconds(end.finishedAt),
    containerID: `weft://${end.id}`,
  };
}

/** What the kubelet says of a run that did not begin: kubectl describes an absent time as one of the year 1. */
const neverStarted = '1970-01-01T00:00:00Z';

/** The API's times have no fraction. */
function toSeconds(time: string): string {
  return time.replace(/\.\d+Z$/, 'Z');
}

/** Source: kubernetes pkg/kubelet/kubelet_pods.go getPhase. */
function podPhase(pod: Pod, inits: readonly ContainerStatus[], mains: readonly ContainerStatus[]): string {
  const policy = pod.spec.restartPolicy ?? 'Always';
  const exitCodes = mains.map(({ state }) => state?.terminated?.exitCode);
  const failedInit = inits.some(({ state }) => (state?.terminated?.exitCode ?? 0) !== 0);
  if (failedInit && policy === 'Never') return 'Failed';
  if (!inits.every(({ ready }) => ready)) return 'Pending';
  const neverRan = ({ state, lastState }: ContainerStatus): boolean =>
    state?.waiting !== undefined && lastState?.terminated === undefined;
  if (mains.some(neverRan)) return 'Pending';
  if (policy !== 'Always' && exitCodes.every((code) => code !== undefined)) {
    if (exitCodes.every((code) => code === 0)) return 'Succeeded';
    if (policy === 'Never') return 'Failed';
  }
  return 'Running';
}

function podConditions(
  pod: Pod,
  observation: Observation,
  phase: string,
  inits: readonly ContainerStatus[],
  mains: readonly ContainerStatus[],
  now: string,
): PodCondition[] {
  const previous = new Map((pod.status?.conditions ?? []).map((condition) => [condition.type, condition]));
  const network = pod.spec.hostNetwork === true || observation.record.ips.length > 0;
  const done = phase === 'Succeeded' ? { reason: 'PodCompleted', message: '' } : undefined;
  const initialized = unready(inits, 'ContainersNotInitialized', 'containers with incomplete status');
  const ready =
    done ??
    (phase === 'Failed'
      ? { reason: 'PodFailed', message: '' }
      : unready(mains, 'ContainersNotReady', 'containers with unready status'));
  const gates = pod.spec.readinessGates ?? [];
  const gate = gates.find(({ conditionType }) => previous.get(conditionType)?.status !== 'True');
  const gateMessage = `corresponding condition of pod readiness gate "${gate?.conditionType ?? ''}" does not exist`;
  const ours: [string, { reason: string; message: string } | undefined][] = [
    ['PodReadyToStartContainers', network ? undefined : { reason: '', message: '' }],
    ['Initialized', initialized],
    ['Ready', ready ?? (gate ? { reason: 'ReadinessGatesNotReady', message: gateMessage } : undefined)],
    ['ContainersReady', ready],
    ['PodScheduled', undefined],
  ];
  const names = new Set(ours.map(([type]) => type));
  const others = [...previous.values()].filter(({ type }) => !names.has(type));
  return [...ours.map(([type, why]) => condition(type, why, previous.get(type), now)), ...others];
}

function condition(
  type: string,
  why: { reason: string; message: string } | undefined,
  previous: PodCondition | undefined,
  now: string,
): PodCondition {
  const status = why ? 'False' : 'True';
  const unchanged = previous?.status === status ? previous.lastTransitionTime : undefined;
  return {
    type,
    status,
    lastTransitionTime: unchanged ?? now,
    ...(why?.reason ? { reason: why.reason } : {}),
    ...(why?.message ? { message: why.message } : {}),
  };
}

function unready(
  statuses: readonly ContainerStatus[],
  reason: string,
  words: string,
): { reason: string; message: string } | undefined {
  const names = statuses.filter(({ ready }) => !ready).map(({ name }) => name);
  return names.length === 0 ? undefined : { reason, message: `${words}: [${names.join(' ')}]` };
}
