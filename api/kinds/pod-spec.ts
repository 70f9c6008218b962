import type { Static } from 'typebox';
import { Affinity, Toleration, TopologySpreadConstraint } from './affinity.ts';
import {
  AppArmorProfile,
  Container,
  EphemeralContainer,
  LocalObjectReference,
  ResourceRequirements,
  SeccompProfile,
  SELinuxOptions,
  WindowsSecurityContextOptions,
} from './container.ts';
import { TemplateMeta } from './meta.ts';
import { boolean, filled, int64, integer, list, map, quantity, string, struct } from './schema.ts';
import { Volume } from './volume.ts';

const CORE = 'io.k8s.api.core.v1';

const Sysctl = struct(`${CORE}.Sysctl`, { name: string(), value: string() }, {});

const PodSecurityContext = struct(
  `${CORE}.PodSecurityContext`,
  {},
  {
    seLinuxOptions: SELinuxOptions,
    windowsOptions: WindowsSecurityContextOptions,
    runAsUser: int64(),
    runAsGroup: int64(),
    runAsNonRoot: boolean(),
    supplementalGroups: list(int64()),
    supplementalGroupsPolicy: string(),
    fsGroup: int64(),
    sysctls: list(Sysctl),
    fsGroupChangePolicy: string(),
    seccompProfile: SeccompProfile,
    appArmorProfile: AppArmorProfile,
    seLinuxChangePolicy: string(),
  },
);

const HostAlias = struct(`${CORE}.HostAlias`, { ip: string() }, { hostnames: list(string()) });

const PodDNSConfigOption = struct(`${CORE}.PodDNSConfigOption`, {}, { name: string(), value: string() });

const PodDNSConfig = struct(
  `${CORE}.PodDNSConfig`,
  {},
  { nameservers: list(string()), searches: list(string()), options: list(PodDNSConfigOption) },
);

const PodReadinessGate = struct(`${CORE}.PodReadinessGate`, { conditionType: string() }, {});
const PodSchedulingGate = struct(`${CORE}.PodSchedulingGate`, { name: string() }, {});
const PodOS = struct(`${CORE}.PodOS`, { name: string() }, {});
const PodResourceClaim = struct(
  `${CORE}.PodResourceClaim`,
  { name: string() },
  { resourceClaimName: string(), resourceClaimTemplateName: string() },
);

export const PodSpec = struct(
  `${CORE}.PodSpec`,
  { containers: filled(list(Container, { mergeKey: 'name' }), []) },
  {
    volumes: list(Volume, { mergeKey: 'name', strategy: 'merge,retainKeys' }),
    initContainers: list(Container, { mergeKey: 'name' }),
    ephemeralContainers: list(EphemeralContainer, { mergeKey: 'name' }),
    restartPolicy: string({ default: 'Always', enum: ['Always', 'Never', 'OnFailure'] }),
    terminationGracePeriodSeconds: int64({ default: 30 }),
    activeDeadlineSeconds: int64(),
    dnsPolicy: string({
      default: 'ClusterFirst',
      enum: ['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None'],
    }),
    nodeSelector: map(string()),
    serviceAccountName: string(),
    serviceAccount: string(),
    automountServiceAccountToken: boolean(),
    nodeName: string(),
    hostNetwork: boolean(),
    hostPID: boolean(),
    hostIPC: boolean(),
    shareProcessNamespace: boolean(),
    securityContext: PodSecurityContext,
    imagePullSecrets: list(LocalObjectReference, { mergeKey: 'name' }),
    hostname: string(),
    subdomain: string(),
    affinity: Affinity,
    schedulerName: string({ default: 'default-scheduler' }),
    tolerations: list(Toleration),
    hostAliases: list(HostAlias, { mergeKey: 'ip' }),
    priorityClassName: string(),
    priority: integer(),
    dnsConfig: PodDNSConfig,
    readinessGates: list(PodReadinessGate),
    runtimeClassName: string(),
    enableServiceLinks: boolean(),
    preemptionPolicy: string(),
    overhead: map(quantity()),
    topologySpreadConstraints: list(TopologySpreadConstraint, {
      mergeKey: 'topologyKey',
      mapKeys: ['topologyKey', 'whenUnsatisfiable'],
    }),
    setHostnameAsFQDN: boolean(),
    os: PodOS,
    hostUsers: boolean(),
    schedulingGates: list(PodSchedulingGate, { mergeKey: 'name' }),
    resourceClaims: list(PodResourceClaim, { mergeKey: 'name', strategy: 'merge,retainKeys' }),
    resources: ResourceRequirements,
    hostnameOverride: string(),
  },
  { description: 'What a pod is made of: its containers and volumes, and how they run.' },
);
export type PodSpec = Static<typeof PodSpec>;

export const PodTemplateSpec = struct(
  `${CORE}.PodTemplateSpec`,
  { spec: filled(PodSpec, {}) },
  { metadata: TemplateMeta },
);
export type PodTemplateSpec = Static<typeof PodTemplateSpec>;
