import type { Static } from 'typebox';
import { Affinity, Toleration, TopologySpreadConstraint } from './affinity.ts';
import { Container, EphemeralContainer, LocalObjectReference, ResourceRequirements } from './container.ts';
import { TemplateMeta } from './meta.ts';
import { podSpecTexts } from './pod-texts.ts';
import { atomic, boolean, filled, int64, integer, list, map, quantity, string, struct } from './schema.ts';
import {
  AppArmorProfile,
  SeccompProfile,
  SELinuxOptions,
  WindowsSecurityContextOptions,
} from './security-context.ts';
import { Volume } from './volume.ts';

const CORE = 'io.k8s.api.core.v1';

const Sysctl = struct(`${CORE}.Sysctl`, { name: string(), value: string() }, {}, 'name 1, value 2');

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
  `
    seLinuxOptions 1, *runAsUser 2, *runAsNonRoot 3, supplementalGroups 4, *fsGroup 5, *runAsGroup 6,
    sysctls 7, windowsOptions 8, *fsGroupChangePolicy 9, seccompProfile 10, appArmorProfile 11,
    *supplementalGroupsPolicy 12, *seLinuxChangePolicy 13`,
);

const HostAlias = struct(
  `${CORE}.HostAlias`,
  { ip: string() },
  { hostnames: list(string()) },
  'ip 1, hostnames 2',
);

const PodDNSConfigOption = struct(
  `${CORE}.PodDNSConfigOption`,
  {},
  { name: string(), value: string() },
  'name 1, *value 2',
);

const PodDNSConfig = struct(
  `${CORE}.PodDNSConfig`,
  {},
  { nameservers: list(string()), searches: list(string()), options: list(PodDNSConfigOption) },
  'nameservers 1, searches 2, options 3',
);

const PodReadinessGate = struct(
  `${CORE}.PodReadinessGate`,
  { conditionType: string() },
  {},
  'conditionType 1',
);
const PodSchedulingGate = struct(`${CORE}.PodSchedulingGate`, { name: string() }, {}, 'name 1');
const PodOS = struct(`${CORE}.PodOS`, { name: string() }, {}, 'name 1');
const PodResourceClaim = struct(
  `${CORE}.PodResourceClaim`,
  { name: string() },
  { resourceClaimName: string(), resourceClaimTemplateName: string() },
  'name 1, *resourceClaimName 3, *resourceClaimTemplateName 4',
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
    nodeSelector: atomic(map(string())),
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
  `
    volumes 1, containers 2, restartPolicy 3, *terminationGracePeriodSeconds 4,
    *activeDeadlineSeconds 5, dnsPolicy 6, nodeSelector 7, serviceAccountName 8, serviceAccount 9,
    nodeName 10, hostNetwork 11, hostPID 12, hostIPC 13, securityContext 14, imagePullSecrets 15,
    hostname 16, subdomain 17, affinity 18, schedulerName 19, initContainers 20,
    *automountServiceAccountToken 21, tolerations 22, hostAliases 23, priorityClassName 24,
    *priority 25, dnsConfig 26, *shareProcessNamespace 27, readinessGates 28, *runtimeClassName 29,
    *enableServiceLinks 30, *preemptionPolicy 31, overhead 32, topologySpreadConstraints 33,
    ephemeralContainers 34, *setHostnameAsFQDN 35, os 36, *hostUsers 37, schedulingGates 38,
    resourceClaims 39, resources 40, *hostnameOverride 41`,
  {
    description: 'What a pod is made of: its containers and volumes, and how they run.',
    fieldTexts: podSpecTexts,
  },
);
export type PodSpec = Static<typeof PodSpec>;

export const PodTemplateSpec = struct(
  `${CORE}.PodTemplateSpec`,
  { spec: filled(PodSpec, {}) },
  { metadata: TemplateMeta },
  'metadata 1, spec 2',
);
export type PodTemplateSpec = Static<typeof PodTemplateSpec>;
