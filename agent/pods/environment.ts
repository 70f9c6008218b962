import type { Container, EnvFromSource, EnvVar } from '../../api/kinds/container.ts';
import type { Pod } from '../../api/kinds/pod.ts';
import { expandVariables } from './expansion.ts';
import { resolveFieldPath } from './field-path.ts';
import type { PodAddresses } from './field-path.ts';
import { PodError } from './pod-error.ts';
import type { ObjectData, References } from './references.ts';
import { resolveResourceField } from './resources.ts';

export interface EnvironmentInput {
  readonly pod: Pod;
  readonly container: Container;
  readonly addresses: PodAddresses;
  readonly references: References;
  /** Of the image; the pod's own variables win. */
  readonly imageEnvironment: Readonly<Record<string, string>>;
  /** Of the Services that existed when the pod started. */
  readonly serviceEnvironment: Readonly<Record<string, string>>;
  readonly hostname: string;
}

const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * A container's whole environment. Throws PodError InvalidEnvironment for a missing Secret, ConfigMap or key.
 * Source: kubernetes pkg/kubelet/kubelet_pods.go makeEnvironmentVariables: envFrom first, then env in order, each
 * seeing those before it and the Services'; a Service's variable never replaces the pod's own.
 */
export function renderEnvironment(input: EnvironmentInput): Record<string, string> {
  const own = new Map<string, string>();
  for (const source of input.container.envFrom ?? []) {
    for (const [name, value] of envFromValues(input, source)) own.set(name, value);
  }
  for (const variable of input.container.env ?? []) {
    const value = envValue(input, variable, (name) => own.get(name) ?? input.serviceEnvironment[name]);
    if (value !== undefined) own.set(variable.name, value);
  }
  return {
    PATH: defaultPath,
    HOSTNAME: input.hostname,
    ...input.imageEnvironment,
    ...input.serviceEnvironment,
    ...Object.fromEntries(own),
  };
}

function* envFromValues(input: EnvironmentInput, source: EnvFromSource): Generator<[string, string]> {
  const { prefix = '', secretRef, configMapRef } = source;
  const reference = secretRef ?? configMapRef;
  const kind = secretRef ? 'secret' : 'configmap';
  const data = findData(input, kind, reference?.name ?? '', reference?.optional ?? false);
  for (const [key, value] of Object.entries(data ?? {})) yield [prefix + key, value.toString('utf8')];
}

function envValue(
  input: EnvironmentInput,
  variable: EnvVar,
  lookup: (name: string) => string | undefined,
): string | undefined {
  const source = variable.valueFrom;
  if (source === undefined) return expandVariables(variable.value ?? '', lookup);
  if (source.fieldRef) return fieldValue(input, source.fieldRef.fieldPath);
  if (source.resourceFieldRef) return resourceValue(input, source.resourceFieldRef);
  if (source.secretKeyRef) return keyValue(input, 'secret', source.secretKeyRef);
  if (source.configMapKeyRef) return keyValue(input, 'configmap', source.configMapKeyRef);
  throw fail(input, `env ${variable.name} has a valueFrom that is not supported`);
}

function fieldValue(input: EnvironmentInput, path: string): string {
  const value = resolveFieldPath(input.pod, input.addresses, path);
  if (value === undefined) throw fail(input, `unsupported fieldPath: ${path}`);
  return value;
}

function resourceValue(
  input: EnvironmentInput,
  field: { containerName?: string; resource: string; divisor?: string },
): string {
  const { containerName = input.container.name } = field;
  const container = input.pod.spec.containers.find(({ name }) => name === containerName) ?? input.container;
  const value = resolveResourceField(container, field.resource, field.divisor);
  if (value === undefined) throw fail(input, `unsupported resource: ${field.resource}`);
  return value;
}

function keyValue(
  input: EnvironmentInput,
  kind: 'secret' | 'configmap',
  selector: { key: string; name?: string; optional?: boolean },
): string | undefined {
  const { key, name = '', optional = false } = selector;
  const data = findData(input, kind, name, optional);
  const value = data?.[key];
  if (value !== undefined) return value.toString('utf8');
  if (optional) return undefined;
  const title = kind === 'secret' ? 'Secret' : 'ConfigMap';
  throw fail(input, `couldn't find key ${key} in ${title} ${input.pod.metadata.namespace ?? ''}/${name}`);
}

function findData(
  input: EnvironmentInput,
  kind: 'secret' | 'configmap',
  name: string,
  optional: boolean,
): ObjectData | undefined {
  const { secrets, configMaps } = input.references;
  const data = kind === 'secret' ? secrets.get(name) : configMaps.get(name)?.text;
  if (data === undefined && !optional) throw fail(input, `${kind} "${name}" not found`);
  return data;
}

function fail(input: EnvironmentInput, message: string): PodError {
  return new PodError('InvalidEnvironment', input.container.name, message);
}
