import type { Node, NodeAddress, NodeCondition, NodeStatus } from '../../api/kinds/node.ts';
import type { AgentConfig } from '../config/config.ts';
import { vxlanAnnotation } from '../network/marks.ts';
import { renderTunnel } from '../network/tunnel.ts';
import type { NodeFacts } from './facts.ts';
import { kubeletVersion } from '../version.ts';

/** How the agent's parts do, boiled down to the node's Ready condition. */
export interface Readiness {
  readonly ready: boolean;
  /** Which parts are not ready and why; empty when all are. */
  readonly message: string;
  /** Why pods have no network here; absent: they have. */
  readonly networkTrouble?: string;
}

/** The Node as the agent creates it; its status follows separately, as the API asks. */
export function renderNode(config: AgentConfig, facts: NodeFacts): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: config.nodeName,
      labels: renderLabels(config, facts),
      annotations: renderAnnotations(config),
    },
  };
}

export function renderLabels(config: AgentConfig, facts: NodeFacts): Record<string, string> {
  return {
    'kubernetes.io/hostname': config.nodeName,
    'kubernetes.io/os': 'linux',
    'kubernetes.io/arch': facts.architecture,
    ...config.nodeLabels,
  };
}

/** What the agents of other nodes have to know. */
export function renderAnnotations({ vxlan }: AgentConfig): Record<string, string> {
  return { [vxlanAnnotation]: renderTunnel(vxlan) };
}

/** The Node's status now. `previous` keeps the times at which conditions last changed. */
export function renderNodeStatus(
  config: AgentConfig,
  facts: NodeFacts,
  readiness: Readiness,
  previous: readonly NodeCondition[],
  now: Date,
): NodeStatus {
  const capacity = {
    cpu: String(facts.cpus),
    memory: `${Math.floor(facts.memoryBytes / 1024)}Ki`,
    'ephemeral-storage': `${Math.floor(facts.storageBytes / 1024)}Ki`,
    pods: '110',
  };
  return {
    addresses: listAddresses(config),
    capacity,
    allocatable: capacity,
    conditions: listConditions(readiness).map((condition) => withTimes(condition, previous, now)),
    daemonEndpoints: { kubeletEndpoint: { Port: config.port } },
    nodeInfo: {
      machineID: facts.machineID,
      systemUUID: facts.systemUUID,
      bootID: facts.bootID,
      kernelVersion: facts.kernelVersion,
      osImage: facts.osImage,
      containerRuntimeVersion: facts.runtimeVersion,
      kubeletVersion,
      kubeProxyVersion: kubeletVersion,
      operatingSystem: 'linux',
      architecture: facts.architecture,
    },
  };
}

function listAddresses({ nodeIPs, externalIPs, nodeName }: AgentConfig): NodeAddress[] {
  return [
    ...nodeIPs.map((address) => ({ type: 'InternalIP', address })),
    ...externalIPs.map((address) => ({ type: 'ExternalIP', address })),
    { type: 'Hostname', address: nodeName },
  ];
}

type BareCondition = Required<Pick<NodeCondition, 'type' | 'status' | 'reason' | 'message'>>;

function listConditions({ ready, message, networkTrouble }: Readiness): BareCondition[] {
  const pressures = ['Memory', 'Disk', 'PID'].map((resource) => ({
    type: `${resource}Pressure`,
    status: 'False',
    reason: `AgentHasSufficient${resource}`,
    message: `agent sees no ${resource.toLowerCase()} pressure`,
  }));
  return [
    ...pressures,
    {
      type: 'NetworkUnavailable',
      status: networkTrouble === undefined ? 'False' : 'True',
      reason: networkTrouble === undefined ? 'PodNetworkIsUp' : 'PodNetworkIsDown',
      message: networkTrouble ?? 'pods can be connected',
    },
    {
      type: 'Ready',
      status: ready ? 'True' : 'False',
      reason: ready ? 'AgentReady' : 'AgentNotReady',
      message: ready ? 'agent is posting ready status' : message,
    },
  ];
}

function withTimes(condition: BareCondition, previous: readonly NodeCondition[], now: Date): NodeCondition {
  const heartbeat = renderTime(now);
  const before = previous.find(({ type }) => type === condition.type);
  const unchangedSince = before?.status === condition.status ? before.lastTransitionTime : undefined;
  return { ...condition, lastHeartbeatTime: heartbeat, lastTransitionTime: unchangedSince ?? heartbeat };
}

/** metav1.Time: whole seconds. */
function renderTime(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z');
}

/** Whether two statuses say the same, apart from when they were said. */
export function isSameStatus(left: NodeStatus, right: NodeStatus): boolean {
  return JSON.stringify(comparable(left)) === JSON.stringify(comparable(right));
}

function comparable(status: NodeStatus): unknown {
  const conditions = (status.conditions ?? [])
    .map(({ type, status, reason, message }) => [type, status, reason, message])
    .sort();
  const sorted = (map: Readonly<Record<string, unknown>> = {}): [string, unknown][] =>
    Object.entries(map).sort();
  return [
    status.addresses,
    sorted(status.capacity),
    sorted(status.allocatable),
    conditions,
    status.daemonEndpoints?.kubeletEndpoint?.Port,
    sorted(status.nodeInfo),
  ];
}
