import type { Static } from 'typebox';
import type { Kind } from './kind.ts';
import { Condition, ObjectMeta, typeMeta } from './meta.ts';
import { atomic, boolean, filled, integer, intOrString, list, map, string, struct } from './schema.ts';
import { serviceCells, serviceColumns } from './service-columns.ts';
import { serviceSpecTexts } from './service-texts.ts';
import { validateService } from './service-validation.ts';

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
  'name 1, protocol 2, port 3, targetPort 4, nodePort 5, *appProtocol 6',
  {
    description: 'One port of a Service and the port of its pods that it leads to.',
    fieldTexts: {
      name: 'Needed, and unique, where a Service has more than one port. SRV records carry it.',
      protocol: 'TCP, UDP or SCTP.',
      port: "The port on the Service's addresses.",
      targetPort:
        "The pods' port: a number, or the name of a container's port. The same as `port` if absent.",
      nodePort: 'The port on every node, for types NodePort and LoadBalancer. Allocated if absent.',
      appProtocol: 'What is spoken on the port, as a hint for those who understand it.',
    },
  },
);
export type ServicePort = Static<typeof ServicePort>;

const SessionAffinityConfig = struct(
  `${CORE}.SessionAffinityConfig`,
  {},
  { clientIP: struct(`${CORE}.ClientIPConfig`, {}, { timeoutSeconds: integer() }, '*timeoutSeconds 1') },
  'clientIP 1',
);

export const ServiceSpec = struct(
  `${CORE}.ServiceSpec`,
  {},
  {
    ports: list(ServicePort, { mergeKey: 'port', mapKeys: ['port', 'protocol'] }),
    selector: atomic(map(string())),
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
  `
    ports 1, selector 2, clusterIP 3, type 4, externalIPs 5, sessionAffinity 7, loadBalancerIP 8,
    loadBalancerSourceRanges 9, externalName 10, externalTrafficPolicy 11,
    healthCheckNodePort 12, publishNotReadyAddresses 13, sessionAffinityConfig 14,
    *ipFamilyPolicy 17, clusterIPs 18, ipFamilies 19, *allocateLoadBalancerNodePorts 20,
    *loadBalancerClass 21, *internalTrafficPolicy 22, *trafficDistribution 23`,
  {
    description: 'Which ports a Service has, which pods stand behind it, and who reaches it.',
    fieldTexts: serviceSpecTexts,
  },
);
export type ServiceSpec = Static<typeof ServiceSpec>;

const PortStatus = struct(
  `${CORE}.PortStatus`,
  { port: integer(), protocol: string() },
  { error: string() },
  'port 1, protocol 2, *error 3',
);
const LoadBalancerIngress = struct(
  `${CORE}.LoadBalancerIngress`,
  {},
  { ip: string(), hostname: string(), ipMode: string(), ports: list(PortStatus) },
  'ip 1, hostname 2, *ipMode 3, ports 4',
);

export const Service = struct(
  `${CORE}.Service`,
  { metadata: filled(ObjectMeta, {}), spec: filled(ServiceSpec, {}) },
  {
    ...typeMeta,
    status: struct(
      `${CORE}.ServiceStatus`,
      {},
      {
        loadBalancer: struct(
          `${CORE}.LoadBalancerStatus`,
          {},
          { ingress: list(LoadBalancerIngress) },
          'ingress 1',
        ),
        conditions: list(Condition, { mergeKey: 'type' }),
      },
      'loadBalancer 1, conditions 2',
    ),
  },
  'metadata 1, spec 2, status 3',
  { description: 'A stable address and name for a set of pods, which its selector picks.' },
);
export type Service = Static<typeof Service>;

export const serviceKind: Kind<Service> = {
  group: '',
  version: 'v1',
  kind: 'Service',
  plural: 'services',
  singular: 'service',
  shortNames: ['svc'],
  categories: ['all'],
  namespaced: true,
  nameFormat: 'label1035',
  schema: Service,
  subresources: ['status'],
  generation: false,
  defaultPropagation: 'Background',
  columns: serviceColumns,
  cells: serviceCells,
  selectable: ['spec.clusterIP', 'spec.type'],
  selectableFields: ({ spec }) => ({
    'spec.clusterIP': spec.clusterIP ?? '',
    'spec.type': spec.type ?? '',
  }),
  applyDefaults: ({ spec }) => applySpecDefaults(spec),
  prepareForCreate(service) {
    service.status = { loadBalancer: {} };
  },
  prepareForUpdate(service, old) {
    if (old.status) service.status = old.status;
    // What a load balancer gave goes with the type.
    const isBalanced = service.spec.type === 'LoadBalancer' || old.spec.type !== 'LoadBalancer';
    if (!isBalanced) service.status = { loadBalancer: {} };
    dropOutdated(service.spec, old.spec);
  },
  prepareForStatusUpdate(service, old) {
    service.spec = old.spec;
  },
  validate: validateService,
};

const CLIENT_IP_TIMEOUT_SECONDS = 3 * 60 * 60;

function applySpecDefaults(spec: ServiceSpec): void {
  const external = spec.type === 'NodePort' || spec.type === 'LoadBalancer';
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
  if (spec.sessionAffinity === 'ClientIP') {
    spec.sessionAffinityConfig = {
      clientIP: { timeoutSeconds: CLIENT_IP_TIMEOUT_SECONDS, ...spec.sessionAffinityConfig?.clientIP },
    };
  }
  for (const port of spec.ports ?? []) {
    if (port.targetPort === undefined || port.targetPort === '' || port.targetPort === 0)
      port.targetPort = port.port;
  }
  if (external) spec.externalTrafficPolicy ??= 'Cluster';
  if (spec.type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts ??= true;
  if (spec.type === 'ExternalName') return;
  spec.internalTrafficPolicy ??= 'Cluster';
  // The singular field is the first of the plural one, whichever was given.
  if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
  if (!spec.clusterIP && spec.clusterIPs?.[0]) spec.clusterIP = spec.clusterIPs[0];
}

/** A patch that only changes the type leaves fields behind that the new type may not have. */
function dropOutdated(spec: ServiceSpec, old: ServiceSpec): void {
  if (spec.type === old.type) return;
  const external = spec.type === 'NodePort' || spec.type === 'LoadBalancer';
  if (!external) {
    for (const port of spec.ports ?? []) {
      const before = old.ports?.find((each) => each.port === port.port && each.protocol === port.protocol);
      if (port.nodePort === before?.nodePort) delete port.nodePort;
    }
    if (spec.externalTrafficPolicy === old.externalTrafficPolicy) delete spec.externalTrafficPolicy;
    if (spec.healthCheckNodePort === old.healthCheckNodePort) delete spec.healthCheckNodePort;
  }
  if (spec.type !== 'LoadBalancer') {
    delete spec.allocateLoadBalancerNodePorts;
    if (spec.loadBalancerClass === old.loadBalancerClass) delete spec.loadBalancerClass;
  }
  if (spec.type === 'ExternalName' && spec.clusterIP === old.clusterIP && spec.clusterIP !== 'None') {
    delete spec.clusterIP;
    delete spec.clusterIPs;
    delete spec.internalTrafficPolicy;
  }
}
