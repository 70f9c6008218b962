import type { Static } from 'typebox';
import { ObjectMeta, typeMeta } from './meta.ts';
import { ObjectReference } from './object-reference.ts';
import { boolean, filled, int64, integer, list, map, quantity, string, struct, time } from './schema.ts';

const CORE = 'io.k8s.api.core.v1';

export const Taint = struct(
  `${CORE}.Taint`,
  { key: string(), effect: string({ enum: ['NoExecute', 'NoSchedule', 'PreferNoSchedule'] }) },
  { value: string(), timeAdded: time() },
);
export type Taint = Static<typeof Taint>;

const ConfigMapNodeConfigSource = struct(
  `${CORE}.ConfigMapNodeConfigSource`,
  { namespace: string(), name: string(), kubeletConfigKey: string() },
  { uid: string(), resourceVersion: string() },
);
const NodeConfigSource = struct(`${CORE}.NodeConfigSource`, {}, { configMap: ConfigMapNodeConfigSource });

export const NodeSpec = struct(
  `${CORE}.NodeSpec`,
  {},
  {
    podCIDR: string(),
    podCIDRs: list(string(), { strategy: 'merge' }),
    providerID: string(),
    unschedulable: boolean(),
    taints: list(Taint),
    configSource: NodeConfigSource,
    externalID: string(),
  },
);
export type NodeSpec = Static<typeof NodeSpec>;

export const NodeAddress = struct(`${CORE}.NodeAddress`, { type: string(), address: string() }, {});
export type NodeAddress = Static<typeof NodeAddress>;

export const NodeCondition = struct(
  `${CORE}.NodeCondition`,
  { type: string(), status: string() },
  { lastHeartbeatTime: time(), lastTransitionTime: time(), reason: string(), message: string() },
);
export type NodeCondition = Static<typeof NodeCondition>;

export const NodeSystemInfo = struct(
  `${CORE}.NodeSystemInfo`,
  {
    machineID: string(),
    systemUUID: string(),
    bootID: string(),
    kernelVersion: string(),
    osImage: string(),
    containerRuntimeVersion: string(),
    kubeletVersion: string(),
    kubeProxyVersion: string(),
    operatingSystem: string(),
    architecture: string(),
  },
  { swap: struct(`${CORE}.NodeSwapStatus`, {}, { capacity: int64() }) },
);
export type NodeSystemInfo = Static<typeof NodeSystemInfo>;

const ContainerImage = struct(`${CORE}.ContainerImage`, {}, { names: list(string()), sizeBytes: int64() });
const AttachedVolume = struct(`${CORE}.AttachedVolume`, { name: string(), devicePath: string() }, {});
const NodeRuntimeHandler = struct(
  `${CORE}.NodeRuntimeHandler`,
  {},
  {
    name: string(),
    features: struct(
      `${CORE}.NodeRuntimeHandlerFeatures`,
      {},
      { recursiveReadOnlyMounts: boolean(), userNamespaces: boolean() },
    ),
  },
);

export const NodeStatus = struct(
  `${CORE}.NodeStatus`,
  {},
  {
    capacity: map(quantity()),
    allocatable: map(quantity()),
    phase: string(),
    conditions: list(NodeCondition, { mergeKey: 'type' }),
    addresses: list(NodeAddress, { mergeKey: 'type' }),
    daemonEndpoints: struct(
      `${CORE}.NodeDaemonEndpoints`,
      {},
      { kubeletEndpoint: struct(`${CORE}.DaemonEndpoint`, { Port: integer() }, {}) },
    ),
    nodeInfo: NodeSystemInfo,
    images: list(ContainerImage),
    volumesInUse: list(string()),
    volumesAttached: list(AttachedVolume),
    config: struct(
      `${CORE}.NodeConfigStatus`,
      {},
      {
        assigned: NodeConfigSource,
        active: NodeConfigSource,
        lastKnownGood: NodeConfigSource,
        error: string(),
      },
    ),
    runtimeHandlers: list(NodeRuntimeHandler),
    features: struct(`${CORE}.NodeFeatures`, {}, { supplementalGroupsPolicy: boolean() }),
    declaredFeatures: list(string()),
  },
);
export type NodeStatus = Static<typeof NodeStatus>;

export const Node = struct(
  `${CORE}.Node`,
  { metadata: filled(ObjectMeta, {}) },
  { ...typeMeta, spec: NodeSpec, status: NodeStatus },
);
export type Node = Static<typeof Node>;

/** Kept here for its only user: a Binding of a pod to a node. */
export const Binding = struct(
  `${CORE}.Binding`,
  { metadata: filled(ObjectMeta, {}), target: ObjectReference },
  { ...typeMeta },
);
export type Binding = Static<typeof Binding>;
