import type { Container, EnvVar, Probe } from './container.ts';
import { duplicate, forbidden, invalid, notFound, required, type FieldError } from './field-error.ts';
import { checkEnvVarName, checkLabel1123, checkPort, checkPortName } from './names.ts';
import { parseQuantity } from './quantity.ts';

export interface ContainerContext {
  readonly volumes: ReadonlySet<string>;
  readonly hostNetwork: boolean;
  /** Names seen so far in this pod; the validated container's is added. */
  readonly names: Set<string>;
}

export function validateContainer(
  container: Container,
  path: string,
  context: ContainerContext,
): FieldError[] {
  return [
    ...validateContainerName(container.name, `${path}.name`, context.names),
    ...validateImage(container.image, `${path}.image`),
    ...validatePorts(container, `${path}.ports`, context.hostNetwork),
    ...(container.env ?? []).flatMap((each, index) => validateEnv(each, `${path}.env[${index}]`)),
    ...validateEnvFrom(container, `${path}.envFrom`),
    ...validateMounts(container, `${path}.volumeMounts`, context.volumes),
    ...validateResources(container, `${path}.resources`),
    ...validateProbe(container.livenessProbe, `${path}.livenessProbe`, true),
    ...validateProbe(container.startupProbe, `${path}.startupProbe`, true),
    ...validateProbe(container.readinessProbe, `${path}.readinessProbe`, false),
  ];
}

/** An init container that ends cannot be probed; one with restartPolicy Always runs on and can. */
export function validateInitContainer(container: Container, path: string): FieldError[] {
  if (container.restartPolicy === 'Always') return [];
  const detail = 'may not be set for init containers without restartPolicy=Always';
  const fields = ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const;
  return fields.filter((each) => container[each]).map((each) => forbidden(`${path}.${each}`, detail));
}

function validateContainerName(name: string, path: string, names: Set<string>): FieldError[] {
  if (name === '') return [required(path)];
  const wrong = checkLabel1123(name);
  if (wrong !== undefined) return [invalid(path, name, wrong)];
  if (names.has(name)) return [duplicate(path, name)];
  names.add(name);
  return [];
}

function validateImage(image: string | undefined, path: string): FieldError[] {
  if (!image) return [required(path)];
  if (image !== image.trim()) return [invalid(path, image, 'must not have leading or trailing whitespace')];
  return [];
}

function validatePorts(container: Container, path: string, hostNetwork: boolean): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  for (const [index, port] of (container.ports ?? []).entries()) {
    const at = `${path}[${index}]`;
    if (port.name) {
      const wrong = checkPortName(port.name);
      if (wrong !== undefined) errors.push(invalid(`${at}.name`, port.name, wrong));
      else if (names.has(port.name)) errors.push(duplicate(`${at}.name`, port.name));
      names.add(port.name);
    }
    const wrongPort = checkPort(port.containerPort);
    if (wrongPort !== undefined) errors.push(invalid(`${at}.containerPort`, port.containerPort, wrongPort));
    if (!port.hostPort) continue;
    const wrongHostPort = checkPort(port.hostPort);
    if (wrongHostPort !== undefined) errors.push(invalid(`${at}.hostPort`, port.hostPort, wrongHostPort));
    else if (hostNetwork && port.hostPort !== port.containerPort) {
      errors.push(
        invalid(`${at}.hostPort`, port.hostPort, 'must match `containerPort` when `hostNetwork` is true'),
      );
    }
  }
  return errors;
}

function validateEnv(env: EnvVar, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const wrong = checkEnvVarName(env.name);
  if (wrong !== undefined) {
    errors.push(env.name === '' ? required(`${path}.name`) : invalid(`${path}.name`, env.name, wrong));
  }
  if (!env.valueFrom) return errors;
  const sources = Object.keys(env.valueFrom);
  const at = `${path}.valueFrom`;
  if (sources.length === 0) {
    errors.push(
      invalid(
        at,
        '',
        'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`',
      ),
    );
  } else if (env.value) {
    errors.push(invalid(at, '', 'may not be specified when `value` is not empty'));
  } else if (sources.length > 1) {
    errors.push(invalid(at, '', 'may not have more than one field specified at a time'));
  }
  for (const source of ['configMapKeyRef', 'secretKeyRef'] as const) {
    const reference = env.valueFrom[source];
    if (reference && !reference.name) errors.push(required(`${at}.${source}.name`));
    if (reference?.key === '') errors.push(required(`${at}.${source}.key`));
  }
  return errors;
}

function validateEnvFrom(container: Container, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, source] of (container.envFrom ?? []).entries()) {
    const at = `${path}[${index}]`;
    const references = [source.configMapRef, source.secretRef].filter((each) => each !== undefined);
    if (references.length === 0) {
      errors.push(invalid(at, '', 'must specify one of: `configMapRef` or `secretRef`'));
    } else if (references.length > 1) {
      errors.push(invalid(at, '', 'may not have more than one field specified at a time'));
    }
    const field = source.configMapRef ? 'configMapRef' : 'secretRef';
    if (references[0] && !references[0].name) errors.push(required(`${at}.${field}.name`));
  }
  return errors;
}

function validateMounts(container: Container, path: string, volumes: ReadonlySet<string>): FieldError[] {
  const errors: FieldError[] = [];
  const paths = new Set<string>();
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    const at = `${path}[${index}]`;
    if (mount.name === '') errors.push(required(`${at}.name`));
    else if (!volumes.has(mount.name)) errors.push(notFound(`${at}.name`, mount.name));
    if (mount.mountPath === '') errors.push(required(`${at}.mountPath`));
    else if (paths.has(mount.mountPath))
      errors.push(invalid(`${at}.mountPath`, mount.mountPath, 'must be unique'));
    paths.add(mount.mountPath);
    if (mount.subPath && mount.subPathExpr) {
      errors.push(
        invalid(`${at}.subPathExpr`, mount.subPathExpr, 'subPathExpr and subPath are mutually exclusive'),
      );
    }
    if (mount.subPath?.startsWith('/')) {
      errors.push(invalid(`${at}.subPath`, mount.subPath, 'must be a relative path'));
    }
    if (mount.subPath?.split('/').includes('..')) {
      errors.push(invalid(`${at}.subPath`, mount.subPath, "must not contain '..'"));
    }
  }
  return errors;
}

function validateResources(container: Container, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const side of ['limits', 'requests'] as const) {
    for (const [name, text] of Object.entries(container.resources?.[side] ?? {})) {
      const value = parseQuantity(text) ?? 0;
      const at = `${path}.${side}[${name}]`;
      if (value < 0) errors.push(invalid(at, text, 'must be greater than or equal to 0'));
      const limit = container.resources?.limits?.[name];
      if (side === 'requests' && limit !== undefined && value > (parseQuantity(limit) ?? 0)) {
        errors.push(
          invalid(`${path}.requests`, text, `must be less than or equal to ${name} limit of ${limit}`),
        );
      }
    }
  }
  return errors;
}

const handlers = ['exec', 'httpGet', 'tcpSocket', 'grpc'] as const;
const counters = [
  'initialDelaySeconds',
  'timeoutSeconds',
  'periodSeconds',
  'successThreshold',
  'failureThreshold',
] as const;

function validateProbe(probe: Probe | undefined, path: string, onlyOneSuccess: boolean): FieldError[] {
  if (!probe) return [];
  const errors: FieldError[] = [];
  const given = handlers.filter((each) => probe[each]);
  if (given.length === 0) errors.push(required(path, 'must specify a handler type'));
  for (const extra of given.slice(1)) {
    errors.push(forbidden(`${path}.${extra}`, 'may not specify more than 1 handler type'));
  }
  for (const counter of counters) {
    const value = probe[counter] ?? 0;
    if (value < 0) errors.push(invalid(`${path}.${counter}`, value, 'must be greater than or equal to 0'));
  }
  if (onlyOneSuccess && (probe.successThreshold ?? 1) !== 1) {
    errors.push(invalid(`${path}.successThreshold`, probe.successThreshold, 'must be 1'));
  }
  if (probe.exec && !probe.exec.command?.length) errors.push(required(`${path}.exec.command`));
  for (const handler of ['httpGet', 'tcpSocket', 'grpc'] as const) {
    const action = probe[handler];
    if (!action) continue;
    const wrong = typeof action.port === 'number' ? checkPort(action.port) : checkPortName(action.port);
    if (wrong !== undefined) errors.push(invalid(`${path}.${handler}.port`, action.port, wrong));
  }
  return errors;
}
