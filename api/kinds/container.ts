import type { Static } from 'typebox';
import { containerTexts } from './pod-texts.ts';
import {
  atomic,
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
import { SecurityContext } from './security-context.ts';

const CORE = 'io.k8s.api.core.v1';

export const LocalObjectReference = atomic(
  struct(`${CORE}.LocalObjectReference`, {}, { name: string() }, 'name 1'),
);
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
  'name 1, hostPort 2, containerPort 3, protocol 4, hostIP 5',
  { description: 'A port that a container listens on. Naming it lets Services point at the name.' },
);
export type ContainerPort = Static<typeof ContainerPort>;

const ObjectFieldSelector = atomic(
  struct(
    `${CORE}.ObjectFieldSelector`,
    { fieldPath: string() },
    { apiVersion: string({ default: 'v1' }) },
    'apiVersion 1, fieldPath 2',
  ),
);
export const ResourceFieldSelector = atomic(
  struct(
    `${CORE}.ResourceFieldSelector`,
    { resource: string() },
    { containerName: string(), divisor: quantity() },
    'containerName 1, resource 2, divisor 3',
  ),
);
export const FieldRef = ObjectFieldSelector;

const keySelector = { name: string(), optional: boolean() };

const EnvVarSource = struct(
  `${CORE}.EnvVarSource`,
  {},
  {
    fieldRef: ObjectFieldSelector,
    resourceFieldRef: ResourceFieldSelector,
    configMapKeyRef: atomic(
      struct(`${CORE}.ConfigMapKeySelector`, { key: string() }, keySelector, 'name 1.1, key 2, *optional 3'),
    ),
    secretKeyRef: atomic(
      struct(`${CORE}.SecretKeySelector`, { key: string() }, keySelector, 'name 1.1, key 2, *optional 3'),
    ),
    fileKeyRef: atomic(
      struct(
        `${CORE}.FileKeySelector`,
        { volumeName: string(), path: string(), key: string() },
        { optional: boolean() },
        'volumeName 1, path 2, key 3, *optional 4',
      ),
    ),
  },
  'fieldRef 1, resourceFieldRef 2, configMapKeyRef 3, secretKeyRef 4, fileKeyRef 5',
);

export const EnvVar = struct(
  `${CORE}.EnvVar`,
  { name: string() },
  { value: string(), valueFrom: EnvVarSource },
  'name 1, value 2, valueFrom 3',
  { description: 'An environment variable, with a value of its own or one taken from elsewhere.' },
);
export type EnvVar = Static<typeof EnvVar>;

export const EnvFromSource = struct(
  `${CORE}.EnvFromSource`,
  {},
  {
    prefix: string(),
    configMapRef: struct(`${CORE}.ConfigMapEnvSource`, {}, keySelector, 'name 1.1, *optional 2'),
    secretRef: struct(`${CORE}.SecretEnvSource`, {}, keySelector, 'name 1.1, *optional 2'),
  },
  'prefix 1, configMapRef 2, secretRef 3',
);
export type EnvFromSource = Static<typeof EnvFromSource>;

const ResourceClaim = struct(
  `${CORE}.ResourceClaim`,
  { name: string() },
  { request: string() },
  'name 1, request 2',
);

export const ResourceRequirements = struct(
  `${CORE}.ResourceRequirements`,
  {},
  {
    limits: map(quantity()),
    requests: map(quantity()),
    claims: list(ResourceClaim, { mapKeys: ['name'] }),
  },
  'limits 1, requests 2, claims 3',
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
  `
    name 1, readOnly 2, mountPath 3, subPath 4, *mountPropagation 5, subPathExpr 6,
    *recursiveReadOnly 7`,
);

const VolumeDevice = struct(
  `${CORE}.VolumeDevice`,
  { name: string(), devicePath: string() },
  {},
  'name 1, devicePath 2',
);

const HTTPHeader = struct(`${CORE}.HTTPHeader`, { name: string(), value: string() }, {}, 'name 1, value 2');

const httpGetAction = struct(
  `${CORE}.HTTPGetAction`,
  { port: intOrString() },
  {
    path: string({ default: '/' }),
    host: string(),
    scheme: string({ default: 'HTTP', enum: ['HTTP', 'HTTPS'] }),
    httpHeaders: list(HTTPHeader),
  },
  'path 1, port 2, host 3, scheme 4, httpHeaders 5',
);
const tcpSocketAction = struct(
  `${CORE}.TCPSocketAction`,
  { port: intOrString() },
  { host: string() },
  'port 1, host 2',
);
const execAction = struct(`${CORE}.ExecAction`, {}, { command: list(string()) }, 'command 1');
const grpcAction = struct(
  `${CORE}.GRPCAction`,
  { port: integer() },
  { service: string({ default: '' }) },
  'port 1, *service 2',
);

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
  `
    exec 1.1, httpGet 1.2, tcpSocket 1.3, grpc 1.4, initialDelaySeconds 2, timeoutSeconds 3,
    periodSeconds 4, successThreshold 5, failureThreshold 6, *terminationGracePeriodSeconds 7`,
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
    sleep: struct(`${CORE}.SleepAction`, { seconds: int64() }, {}, 'seconds 1'),
  },
  'exec 1, httpGet 2, tcpSocket 3, sleep 4',
);
const Lifecycle = struct(
  `${CORE}.Lifecycle`,
  {},
  { postStart: LifecycleHandler, preStop: LifecycleHandler, stopSignal: string() },
  'postStart 1, preStop 2, *stopSignal 3',
);

const ContainerResizePolicy = struct(
  `${CORE}.ContainerResizePolicy`,
  { resourceName: string(), restartPolicy: string() },
  {},
  'resourceName 1, restartPolicy 2',
);

const ContainerRestartRule = struct(
  `${CORE}.ContainerRestartRule`,
  { action: string() },
  {
    exitCodes: struct(
      `${CORE}.ContainerRestartRuleOnExitCodes`,
      { operator: string() },
      { values: list(integer(), { listType: 'set' }) },
      'operator 1, values 2',
    ),
  },
  'action 1, exitCodes 2',
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

export const Container = struct(
  `${CORE}.Container`,
  { name: filled(string(), '') },
  containerFields,
  `
    name 1, image 2, command 3, args 4, workingDir 5, ports 6, env 7, resources 8,
    volumeMounts 9, livenessProbe 10, readinessProbe 11, lifecycle 12, terminationMessagePath 13,
    imagePullPolicy 14, securityContext 15, stdin 16, stdinOnce 17, tty 18, envFrom 19,
    terminationMessagePolicy 20, volumeDevices 21, startupProbe 22, resizePolicy 23,
    *restartPolicy 24, restartPolicyRules 25`,
  {
    description: 'One program of a pod, run from an image.',
    fieldTexts: containerTexts,
  },
);
export type Container = Static<typeof Container>;

export const EphemeralContainer = struct(
  `${CORE}.EphemeralContainer`,
  { name: filled(string(), '') },
  { ...containerFields, targetContainerName: string() },
  `
    name 1.1, image 1.2, command 1.3, args 1.4, workingDir 1.5, ports 1.6, env 1.7,
    resources 1.8, volumeMounts 1.9, livenessProbe 1.10, readinessProbe 1.11, lifecycle 1.12,
    terminationMessagePath 1.13, imagePullPolicy 1.14, securityContext 1.15, stdin 1.16,
    stdinOnce 1.17, tty 1.18, envFrom 1.19, terminationMessagePolicy 1.20, volumeDevices 1.21,
    startupProbe 1.22, resizePolicy 1.23, *restartPolicy 1.24, restartPolicyRules 1.25,
    targetContainerName 2`,
);
export type EphemeralContainer = Static<typeof EphemeralContainer>;
