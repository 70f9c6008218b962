import type { Static } from 'typebox';
import { Condition, ObjectMeta, typeMeta } from './meta.ts';
import { boolean, filled, integer, intOrString, list, map, string, struct } from './schema.ts';

const CORE = 'io.k8s.api.core.v1';

export const ServicePort = struct(
  `${CORE}.ServicePort`,
  { port: integer() },
  {
    name: string(),
    protocol: string({ default: 'TCP', enum: ['SCTP', 'TCP', 'UDP'] }),
    appProtocol: string(),
    targetPort: intOrString(),
    nodePort: integer(),
  },
);
export type ServicePort = Static<typeof ServicePort>;

const SessionAffinityConfig = struct(
  `${CORE}.SessionAffinityConfig`,
  {},
  { clientIP: struct(`${CORE}.ClientIPConfig`, {}, { timeoutSeconds: integer() }) },
);

export const ServiceSpec = struct(
  `${CORE}.ServiceSpec`,
  {},
  {
    ports: list(ServicePort, { mergeKey: 'port', mapKeys: ['port', 'protocol'] }),
    selector: map(string()),
    clusterIP: string(),
    clusterIPs: list(string()),
    type: string({
      default: 'ClusterIP',
      enum: ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'],
    }),
    externalIPs: list(string()),
    sessionAffinity: string({ default: 'None', enum: ['ClientIP', 'None'] }),
    loadBalancerIP: string(),
    loadBalancerSourceRanges: list(string()),
    externalName: string(),
    externalTrafficPolicy: string({ enum: ['Cluster', 'Local'] }),
    healthCheckNodePort: integer(),
    publishNotReadyAddresses: boolean(),
    sessionAffinityConfig: SessionAffinityConfig,
    ipFamilies: list(string({ enum: ['IPv4', 'IPv6'] })),
    ipFamilyPolicy: string({ enum: ['PreferDualStack', 'RequireDualStack', 'SingleStack'] }),
    allocateLoadBalancerNodePorts: boolean(),
    loadBalancerClass: string(),
    internalTrafficPolicy: string({ enum: ['Cluster', 'Local'] }),
    trafficDistribution: string(),
  },
);
export type ServiceSpec = Static<typeof ServiceSpec>;

const PortStatus = struct(`${CORE}.PortStatus`, { port: integer(), protocol: string() }, { error: string() });
const LoadBalancerIngress = struct(
  `${CORE}.LoadBalancerIngress`,
  {},
  { ip: string(), hostname: string(), ipMode: string(), ports: list(PortStatus) },
);
export type LoadBalancerIngress = Static<typeof LoadBalancerIngress>;

export const Service = struct(
  `${CORE}.Service`,
  { metadata: filled(ObjectMeta, {}), spec: filled(ServiceSpec, {}) },
  {
    ...typeMeta,
    status: struct(
      `${CORE}.ServiceStatus`,
      {},
      {
        loadBalancer: struct(`${CORE}.LoadBalancerStatus`, {}, { ingress: list(LoadBalancerIngress) }),
        conditions: list(Condition, { mergeKey: 'type' }),
      },
    ),
  },
);
export type Service = Static<typeof Service>;
