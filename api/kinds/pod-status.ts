import type { Static } from 'typebox';
import { ResourceRequirements } from './container.ts';
import { boolean, filled, int64, integer, list, map, quantity, string, struct, time } from './schema.ts';

const CORE = 'io.k8s.api.core.v1';

export const ContainerState = struct(
  `${CORE}.ContainerState`,
  {},
  {
    waiting: struct(`${CORE}.ContainerStateWaiting`, {}, { reason: string(), message: string() }),
    running: struct(`${CORE}.ContainerStateRunning`, {}, { startedAt: time() }),
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
    ),
  },
);
export type ContainerState = Static<typeof ContainerState>;

const VolumeMountStatus = struct(
  `${CORE}.VolumeMountStatus`,
  { name: string(), mountPath: string() },
  { readOnly: boolean(), recursiveReadOnly: string() },
);

const ContainerUser = struct(
  `${CORE}.ContainerUser`,
  {},
  {
    linux: struct(
      `${CORE}.LinuxContainerUser`,
      { uid: int64(), gid: int64() },
      { supplementalGroups: list(int64()) },
    ),
  },
);

const ResourceStatus = struct(
  `${CORE}.ResourceStatus`,
  { name: string() },
  {
    resources: list(struct(`${CORE}.ResourceHealth`, { resourceID: string() }, { health: string() })),
  },
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
);
export type PodCondition = Static<typeof PodCondition>;

const PodIP = struct(`${CORE}.PodIP`, { ip: filled(string(), '') }, {});
const HostIP = struct(`${CORE}.HostIP`, { ip: filled(string(), '') }, {});
const PodResourceClaimStatus = struct(
  `${CORE}.PodResourceClaimStatus`,
  { name: string() },
  { resourceClaimName: string() },
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
  { description: 'What was last seen of the pod, as its node reports it.' },
);
export type PodStatus = Static<typeof PodStatus>;
