import type { Static } from 'typebox';
import {
  boolean,
  filled,
  int64,
  integer,
  intOrString,
  list,
  map,
  quantity,
  string,
  struct,
} from './schema.ts';

const CORE = 'io.k8s.api.core.v1';

export const LocalObjectReference = struct(`${CORE}.LocalObjectReference`, {}, { name: string() });
export type LocalObjectReference = Static<typeof LocalObjectReference>;

export const ContainerPort = struct(
  `${CORE}.ContainerPort`,
  { containerPort: integer() },
  {
    name: string(),
    hostPort: integer(),
    protocol: string({ default: 'TCP', enum: ['SCTP', 'TCP', 'UDP'] }),
    hostIP: string(),
  },
  { description: 'A port that a container listens on. Naming it lets Services point at the name.' },
);
export type ContainerPort = Static<typeof ContainerPort>;

const ObjectFieldSelector = struct(
  `${CORE}.ObjectFieldSelector`,
  { fieldPath: string() },
  { apiVersion: string({ default: 'v1' }) },
);
export const ResourceFieldSelector = struct(
  `${CORE}.ResourceFieldSelector`,
  { resource: string() },
  { containerName: string(), divisor: quantity() },
);
export const FieldRef = ObjectFieldSelector;

const keySelector = { name: string(), optional: boolean() };

const EnvVarSource = struct(
  `${CORE}.EnvVarSource`,
  {},
  {
    fieldRef: ObjectFieldSelector,
    resourceFieldRef: ResourceFieldSelector,
    configMapKeyRef: struct(`${CORE}.ConfigMapKeySelector`, { key: string() }, keySelector),
    secretKeyRef: struct(`${CORE}.SecretKeySelector`, { key: string() }, keySelector),
    fileKeyRef: struct(
      `${CORE}.FileKeySelector`,
      { volumeName: string(), path: string(), key: string() },
      { optional: boolean() },
    ),
  },
);

export const EnvVar = struct(
  `${CORE}.EnvVar`,
  { name: string() },
  { value: string(), valueFrom: EnvVarSource },
  { description: 'An environment variable, with a value of its own or one taken from elsewhere.' },
);
export type EnvVar = Static<typeof EnvVar>;

export const EnvFromSource = struct(
  `${CORE}.EnvFromSource`,
  {},
  {
    prefix: string(),
    configMapRef: struct(`${CORE}.ConfigMapEnvSource`, {}, keySelector),
    secretRef: struct(`${CORE}.SecretEnvSource`, {}, keySelector),
  },
);
export type EnvFromSource = Static<typeof EnvFromSource>;

const ResourceClaim = struct(`${CORE}.ResourceClaim`, { name: string() }, { request: string() });

export const ResourceRequirements = struct(
  `${CORE}.ResourceRequirements`,
  {},
  {
    limits: map(quantity()),
    requests: map(quantity()),
    claims: list(ResourceClaim, { mapKeys: ['name'] }),
  },
);
export type ResourceRequirements = Static<typeof ResourceRequirements>;

const VolumeMount = struct(
  `${CORE}.VolumeMount`,
  { name: string(), mountPath: string() },
  {
    readOnly: boolean(),
    recursiveReadOnly: string(),
    subPath: string(),
    mountPropagation: string({ enum: ['Bidirectional', 'HostToContainer', 'None'] }),
    subPathExpr: string(),
  },
);

const VolumeDevice = struct(`${CORE}.VolumeDevice`, { name: string(), devicePath: string() }, {});

const HTTPHeader = struct(`${CORE}.HTTPHeader`, { name: string(), value: string() }, {});

const httpGetAction = struct(
  `${CORE}.HTTPGetAction`,
  { port: intOrString() },
  {
    path: string({ default: '/' }),
    host: string(),
    scheme: string({ default: 'HTTP', enum: ['HTTP', 'HTTPS'] }),
    httpHeaders: list(HTTPHeader),
  },
);
const tcpSocketAction = struct(`${CORE}.TCPSocketAction`, { port: intOrString() }, { host: string() });
const execAction = struct(`${CORE}.ExecAction`, {}, { command: list(string()) });
const grpcAction = struct(`${CORE}.GRPCAction`, { port: integer() }, { service: string({ default: '' }) });

export const Probe = struct(
  `${CORE}.Probe`,
  {},
  {
    exec: execAction,
    httpGet: httpGetAction,
    tcpSocket: tcpSocketAction,
    grpc: grpcAction,
    initialDelaySeconds: integer(),
    timeoutSeconds: integer({ default: 1 }),
    periodSeconds: integer({ default: 10 }),
    successThreshold: integer({ default: 1 }),
    failureThreshold: integer({ default: 3 }),
    terminationGracePeriodSeconds: int64(),
  },
  { description: 'A check that a container is alive or ready.' },
);
export type Probe = Static<typeof Probe>;

const LifecycleHandler = struct(
  `${CORE}.LifecycleHandler`,
  {},
  {
    exec: execAction,
    httpGet: httpGetAction,
    tcpSocket: tcpSocketAction,
    sleep: struct(`${CORE}.SleepAction`, { seconds: int64() }, {}),
  },
);
const Lifecycle = struct(
  `${CORE}.Lifecycle`,
  {},
  { postStart: LifecycleHandler, preStop: LifecycleHandler, stopSignal: string() },
);

export const SELinuxOptions = struct(
  `${CORE}.SELinuxOptions`,
  {},
  { user: string(), role: string(), type: string(), level: string() },
);
export const WindowsSecurityContextOptions = struct(
  `${CORE}.WindowsSecurityContextOptions`,
  {},
  {
    gmsaCredentialSpecName: string(),
    gmsaCredentialSpec: string(),
    runAsUserName: string(),
    hostProcess: boolean(),
  },
);
export const SeccompProfile = struct(
  `${CORE}.SeccompProfile`,
  { type: string({ enum: ['Localhost', 'RuntimeDefault', 'Unconfined'] }) },
  { localhostProfile: string() },
);
export const AppArmorProfile = struct(
  `${CORE}.AppArmorProfile`,
  { type: string({ enum: ['Localhost', 'RuntimeDefault', 'Unconfined'] }) },
  { localhostProfile: string() },
);

export const SecurityContext = struct(
  `${CORE}.SecurityContext`,
  {},
  {
    capabilities: struct(`${CORE}.Capabilities`, {}, { add: list(string()), drop: list(string()) }),
    privileged: boolean(),
    seLinuxOptions: SELinuxOptions,
    windowsOptions: WindowsSecurityContextOptions,
    runAsUser: int64(),
    runAsGroup: int64(),
    runAsNonRoot: boolean(),
    readOnlyRootFilesystem: boolean(),
    allowPrivilegeEscalation: boolean(),
    procMount: string(),
    seccompProfile: SeccompProfile,
    appArmorProfile: AppArmorProfile,
  },
);
export type SecurityContext = Static<typeof SecurityContext>;

const ContainerResizePolicy = struct(
  `${CORE}.ContainerResizePolicy`,
  { resourceName: string(), restartPolicy: string() },
  {},
);

const ContainerRestartRule = struct(
  `${CORE}.ContainerRestartRule`,
  { action: string() },
  {
    exitCodes: struct(
      `${CORE}.ContainerRestartRuleOnExitCodes`,
      { operator: string() },
      { values: list(integer(), { listType: 'set' }) },
    ),
  },
);

const containerFields = {
  image: string(),
  command: list(string()),
  args: list(string()),
  workingDir: string(),
  ports: list(ContainerPort, { mergeKey: 'containerPort', mapKeys: ['containerPort', 'protocol'] }),
  envFrom: list(EnvFromSource),
  env: list(EnvVar, { mergeKey: 'name' }),
  resources: ResourceRequirements,
  resizePolicy: list(ContainerResizePolicy),
  restartPolicy: string(),
  restartPolicyRules: list(ContainerRestartRule),
  volumeMounts: list(VolumeMount, { mergeKey: 'mountPath' }),
  volumeDevices: list(VolumeDevice, { mergeKey: 'devicePath' }),
  livenessProbe: Probe,
  readinessProbe: Probe,
  startupProbe: Probe,
  lifecycle: Lifecycle,
  terminationMessagePath: string({ default: '/dev/termination-log' }),
  terminationMessagePolicy: string({ default: 'File', enum: ['FallbackToLogsOnError', 'File'] }),
  imagePullPolicy: string({ enum: ['Always', 'IfNotPresent', 'Never'] }),
  securityContext: SecurityContext,
  stdin: boolean(),
  stdinOnce: boolean(),
  tty: boolean(),
};

export const Container = struct(`${CORE}.Container`, { name: filled(string(), '') }, containerFields, {
  description: 'One program of a pod, run from an image.',
});
export type Container = Static<typeof Container>;

export const EphemeralContainer = struct(
  `${CORE}.EphemeralContainer`,
  { name: filled(string(), '') },
  { ...containerFields, targetContainerName: string() },
);
export type EphemeralContainer = Static<typeof EphemeralContainer>;
