import type { Static } from 'typebox';
import { ResourceRequirements } from './container.ts';
import { boolean, filled, int64, integer, list, map, quantity, string, struct, time } from './schema.ts';

const CORE = 'io.k8s.api.core.v1';

export const ContainerState = struct(
  `${CORE}.ContainerState`,
  {},
  {
    waiting: struct(
      `${CORE}.ContainerStateWaiting`,
      {},
      { reason: string(), message: string() },
      'reason 1, message 2',
    ),
    running: struct(`${CORE}.ContainerStateRunning`, {}, { startedAt: time() }, 'startedAt 1'),
    terminated: struct(
      `${CORE}.ContainerStateTerminated`,
      { exitCode: integer() },
      {
        signal: integer(),
        reason: string(),
        message: string(),
        startedAt: time(),
        finishedAt: time(),
        containerID: string(),
      },
      'exitCode 1, signal 2, reason 3, message 4, startedAt 5, finishedAt 6, containerID 7',
    ),
  },
  'waiting 1, running 2, terminated 3',
);
export type ContainerState = Static<typeof ContainerState>;

const VolumeMountStatus = struct(
  `${CORE}.VolumeMountStatus`,
  { name: string(), mountPath: string() },
  { readOnly: boolean(), recursiveReadOnly: string() },
  'name 1, mountPath 2, readOnly 3, *recursiveReadOnly 4',
);

const ContainerUser = struct(
  `${CORE}.ContainerUser`,
  {},
  {
    linux: struct(
      `${CORE}.LinuxContainerUser`,
      { uid: int64(), gid: int64() },
      { supplementalGroups: list(int64()) },
      'uid 1, gid 2, supplementalGroups 3',
    ),
  },
  'linux 1',
);

const ResourceStatus = struct(
  `${CORE}.ResourceStatus`,
  { name: string() },
  {
    resources: list(
      struct(
        `${CORE}.ResourceHealth`,
        { resourceID: string() },
        { health: string() },
        'resourceID 1, health 2',
      ),
    ),
  },
  'name 1, resources 2',
);

export const ContainerStatus = struct(
  `${CORE}.ContainerStatus`,
  { name: string(), ready: boolean(), restartCount: integer(), image: string(), imageID: string() },
  {
    state: ContainerState,
    lastState: ContainerState,
    containerID: string(),
    started: boolean(),
    allocatedResources: map(quantity()),
    resources: ResourceRequirements,
    volumeMounts: list(VolumeMountStatus, { mergeKey: 'mountPath' }),
    user: ContainerUser,
    allocatedResourcesStatus: list(ResourceStatus, { mergeKey: 'name' }),
    stopSignal: string(),
  },
  `
    name 1, state 2, lastState 3, ready 4, restartCount 5, image 6, imageID 7, containerID 8,
    *started 9, allocatedResources 10, resources 11, volumeMounts 12, user 13,
    allocatedResourcesStatus 14, *stopSignal 15`,
);
export type ContainerStatus = Static<typeof ContainerStatus>;

export const PodCondition = struct(
  `${CORE}.PodCondition`,
  { type: string(), status: string() },
  {
    observedGeneration: int64(),
    lastProbeTime: time(),
    lastTransitionTime: time(),
    reason: string(),
    message: string(),
  },
  `
    type 1, status 2, lastProbeTime 3, lastTransitionTime 4, reason 5, message 6,
    observedGeneration 7`,
);
export type PodCondition = Static<typeof PodCondition>;

const PodIP = struct(`${CORE}.PodIP`, { ip: filled(string(), '') }, {}, 'ip 1');
const HostIP = struct(`${CORE}.HostIP`, { ip: filled(string(), '') }, {}, 'ip 1');
const PodResourceClaimStatus = struct(
  `${CORE}.PodResourceClaimStatus`,
  { name: string() },
  { resourceClaimName: string() },
  'name 1, *resourceClaimName 2',
);

export const PodStatus = struct(
  `${CORE}.PodStatus`,
  {},
  {
    observedGeneration: int64(),
    phase: string({ enum: ['Failed', 'Pending', 'Running', 'Succeeded', 'Unknown'] }),
    conditions: list(PodCondition, { mergeKey: 'type' }),
    message: string(),
    reason: string(),
    nominatedNodeName: string(),
    hostIP: string(),
    hostIPs: list(HostIP, { mergeKey: 'ip', listType: 'atomic' }),
    podIP: string(),
    podIPs: list(PodIP, { mergeKey: 'ip' }),
    startTime: time(),
    initContainerStatuses: list(ContainerStatus),
    containerStatuses: list(ContainerStatus),
    ephemeralContainerStatuses: list(ContainerStatus),
    qosClass: string(),
    resize: string(),
    resourceClaimStatuses: list(PodResourceClaimStatus, { mergeKey: 'name', strategy: 'merge,retainKeys' }),
  },
  `
    phase 1, conditions 2, message 3, reason 4, hostIP 5, podIP 6, startTime 7,
    containerStatuses 8, qosClass 9, initContainerStatuses 10, nominatedNodeName 11, podIPs 12,
    ephemeralContainerStatuses 13, resize 14, resourceClaimStatuses 15, hostIPs 16,
    observedGeneration 17`,
  { description: 'What was last seen of the pod, as its node reports it.' },
);
export type PodStatus = Static<typeof PodStatus>;

/** Whether all of a pod's containers have ended for good; its address may be another's then. */
export function isPodTerminal({ status }: { readonly status?: PodStatus | undefined }): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}
