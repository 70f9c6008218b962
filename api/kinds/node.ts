import { isDeepStrictEqual } from 'node:util';
import type { Static } from 'typebox';
import { renderAge } from './age.ts';
import { orNone } from './cells.ts';
import { duplicate, forbidden, invalid, type FieldError } from './field-error.ts';
import { familyOf, isCIDR } from './ip.ts';
import type { Kind } from './kind.ts';
import { checkQualifiedName } from './names.ts';
import { ObjectMeta, typeMeta } from './meta.ts';
import { boolean, filled, int64, integer, list, map, quantity, string, struct, time } from './schema.ts';
import { column } from './table.ts';

const CORE = 'io.k8s.api.core.v1';

export const Taint = struct(
  `${CORE}.Taint`,
  { key: string(), effect: string({ enum: ['NoExecute', 'NoSchedule', 'PreferNoSchedule'] }) },
  { value: string(), timeAdded: time() },
  'key 1, value 2, effect 3, timeAdded 4',
);
export type Taint = Static<typeof Taint>;

const ConfigMapNodeConfigSource = struct(
  `${CORE}.ConfigMapNodeConfigSource`,
  { namespace: string(), name: string(), kubeletConfigKey: string() },
  { uid: string(), resourceVersion: string() },
  'namespace 1, name 2, uid 3, resourceVersion 4, kubeletConfigKey 5',
);
const NodeConfigSource = struct(
  `${CORE}.NodeConfigSource`,
  {},
  { configMap: ConfigMapNodeConfigSource },
  'configMap 2',
);

const NodeSpec = struct(
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
  'podCIDR 1, externalID 2, providerID 3, unschedulable 4, taints 5, configSource 6, podCIDRs 7',
  { description: 'What is decided about a node: its share of the pod addresses, its taints.' },
);

export const NodeAddress = struct(
  `${CORE}.NodeAddress`,
  { type: string(), address: string() },
  {},
  'type 1, address 2',
);
export type NodeAddress = Static<typeof NodeAddress>;

export const NodeCondition = struct(
  `${CORE}.NodeCondition`,
  { type: string(), status: string() },
  { lastHeartbeatTime: time(), lastTransitionTime: time(), reason: string(), message: string() },
  'type 1, status 2, lastHeartbeatTime 3, lastTransitionTime 4, reason 5, message 6',
);
export type NodeCondition = Static<typeof NodeCondition>;

const NodeSystemInfo = struct(
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
  { swap: struct(`${CORE}.NodeSwapStatus`, {}, { capacity: int64() }, '*capacity 1') },
  `
    machineID 1, systemUUID 2, bootID 3, kernelVersion 4, osImage 5, containerRuntimeVersion 6,
    kubeletVersion 7, kubeProxyVersion 8, operatingSystem 9, architecture 10, swap 11`,
);

const ContainerImage = struct(
  `${CORE}.ContainerImage`,
  {},
  { names: list(string()), sizeBytes: int64() },
  'names 1, sizeBytes 2',
);
const AttachedVolume = struct(
  `${CORE}.AttachedVolume`,
  { name: string(), devicePath: string() },
  {},
  'name 1, devicePath 2',
);
const NodeRuntimeHandler = struct(
  `${CORE}.NodeRuntimeHandler`,
  {},
  {
    name: string(),
    features: struct(
      `${CORE}.NodeRuntimeHandlerFeatures`,
      {},
      { recursiveReadOnlyMounts: boolean(), userNamespaces: boolean() },
      '*recursiveReadOnlyMounts 1, *userNamespaces 2',
    ),
  },
  'name 1, features 2',
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
      { kubeletEndpoint: struct(`${CORE}.DaemonEndpoint`, { Port: integer() }, {}, 'Port 1') },
      'kubeletEndpoint 1',
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
      'assigned 1, active 2, lastKnownGood 3, error 4',
    ),
    runtimeHandlers: list(NodeRuntimeHandler),
    features: struct(
      `${CORE}.NodeFeatures`,
      {},
      { supplementalGroupsPolicy: boolean() },
      '*supplementalGroupsPolicy 1',
    ),
    declaredFeatures: list(string()),
  },
  `
    capacity 1, allocatable 2, phase 3, conditions 4, addresses 5, daemonEndpoints 6, nodeInfo 7,
    images 8, volumesInUse 9, volumesAttached 10, config 11, runtimeHandlers 12, features 13,
    declaredFeatures 14`,
  { description: 'What the node reports of itself: addresses, conditions, capacity.' },
);
export type NodeStatus = Static<typeof NodeStatus>;

export const Node = struct(
  `${CORE}.Node`,
  { metadata: filled(ObjectMeta, {}) },
  { ...typeMeta, spec: NodeSpec, status: NodeStatus },
  'metadata 1, spec 2, status 3',
  { description: 'A host that runs pods.' },
);
export type Node = Static<typeof Node>;

export const nodeKind: Kind<Node> = {
  group: '',
  version: 'v1',
  kind: 'Node',
  plural: 'nodes',
  singular: 'node',
  shortNames: ['no'],
  categories: [],
  namespaced: false,
  nameFormat: 'subdomain',
  schema: Node,
  subresources: ['status'],
  generation: false,
  defaultPropagation: 'Background',
  columns: [
    column('Name'),
    column('Status'),
    column('Roles'),
    column('Age'),
    column('Version'),
    column('Internal-IP', 'string', 'wide'),
    column('External-IP', 'string', 'wide'),
    column('OS-Image', 'string', 'wide'),
    column('Kernel-Version', 'string', 'wide'),
    column('Container-Runtime', 'string', 'wide'),
  ],
  cells: nodeCells,
  selectable: ['spec.unschedulable'],
  selectableFields: ({ spec }) => ({ 'spec.unschedulable': String(spec?.unschedulable ?? false) }),
  applyDefaults(node) {
    node.spec ??= {};
    const { spec } = node;
    // The singular field is the first of the plural one, whichever was given.
    if (spec.podCIDR && !spec.podCIDRs?.length) spec.podCIDRs = [spec.podCIDR];
    if (!spec.podCIDR && spec.podCIDRs?.[0]) spec.podCIDR = spec.podCIDRs[0];
    if (node.status?.capacity && !node.status.allocatable)
      node.status.allocatable = { ...node.status.capacity };
  },
  prepareForUpdate(node, old) {
    if (old.status) node.status = old.status;
  },
  prepareForStatusUpdate(node, old) {
    if (old.spec) node.spec = old.spec;
  },
  validate: validateNode,
};

function nodeCells({ metadata, spec, status }: Node, nowMs: number): string[] {
  const ready = status?.conditions?.find((each) => each.type === 'Ready');
  const state = ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown';
  const address = (type: string) => orNone(status?.addresses?.find((each) => each.type === type)?.address);
  return [
    metadata.name,
    spec?.unschedulable ? `${state},SchedulingDisabled` : state,
    orNone(rolesOf(metadata.labels).join(',')),
    renderAge(metadata.creationTimestamp, nowMs),
    status?.nodeInfo?.kubeletVersion ?? '',
    address('InternalIP'),
    address('ExternalIP'),
    status?.nodeInfo?.osImage || '<unknown>',
    status?.nodeInfo?.kernelVersion || '<unknown>',
    status?.nodeInfo?.containerRuntimeVersion || '<unknown>',
  ];
}

const ROLE_PREFIX = 'node-role.kubernetes.io/';

function rolesOf(labels: Readonly<Record<string, string>> = {}): string[] {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(labels)) {
    if (key.startsWith(ROLE_PREFIX) && key.length > ROLE_PREFIX.length)
      roles.add(key.slice(ROLE_PREFIX.length));
    else if (key === 'kubernetes.io/role' && value !== '') roles.add(value);
  }
  return [...roles].sort();
}

/** The words of k8s.io/apimachinery/pkg/util/validation's IsValidCIDR. */
const notCIDR = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';

function validateNode(node: Node, old?: Node): FieldError[] {
  const errors: FieldError[] = [];
  const cidrs = node.spec?.podCIDRs ?? [];
  for (const [index, cidr] of cidrs.entries()) {
    if (!isCIDR(cidr)) errors.push(invalid(`spec.podCIDRs[${index}]`, cidr, notCIDR));
  }
  if (cidrs[0] !== undefined && node.spec?.podCIDR !== cidrs[0]) {
    errors.push(invalid('spec.podCIDRs[0]', cidrs[0], 'must be the same as spec.podCIDR'));
  }
  if (cidrs.length > 2 || new Set(cidrs.map(familyOf)).size !== cidrs.length) {
    errors.push(invalid('spec.podCIDRs', cidrs, 'may specify no more than one CIDR for each IP family'));
  }
  const taints = new Set<string>();
  for (const [index, taint] of (node.spec?.taints ?? []).entries()) {
    const wrong = checkQualifiedName(taint.key);
    if (wrong !== undefined) errors.push(invalid(`spec.taints[${index}]`, taint.key, wrong));
    const identity = `${taint.key}:${taint.effect}`;
    if (taints.has(identity)) errors.push(duplicate(`spec.taints[${index}]`, identity));
    taints.add(identity);
  }
  const given = old?.spec?.podCIDRs ?? [];
  const isGiven = isDeepStrictEqual(given, cidrs) && node.spec?.podCIDR === old?.spec?.podCIDR;
  if (given.length > 0 && !isGiven) {
    const detail = 'node updates may not change podCIDR except from "" to valid';
    errors.push(forbidden('spec.podCIDRs', detail));
  }
  return errors;
}
