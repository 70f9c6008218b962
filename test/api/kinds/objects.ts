import { applyDefaults, decodeObject, validateObject } from '../../../api/kinds/object.ts';
import { renderFieldError } from '../../../api/kinds/field-error.ts';
import type { Kind } from '../../../api/kinds/kind.ts';
import type { KubeObject } from '../../../api/kinds/meta.ts';

/** What a create request makes of `value`: decoded, prepared and defaulted. */
export function create<T extends KubeObject>(kind: Kind<T>, value: unknown): T {
  const { object } = decodeObject(kind, value);
  kind.prepareForCreate?.(object);
  applyDefaults(kind, object);
  return object;
}

/** What an update request makes of `value`. */
export function update<T extends KubeObject>(kind: Kind<T>, value: unknown, old: T): T {
  const { object } = decodeObject(kind, value);
  applyDefaults(kind, object);
  kind.prepareForUpdate?.(object, old);
  return object;
}

/** The mistakes of a new object (or of an update of `old`), as a person reads them. */
export function mistakes<T extends KubeObject>(kind: Kind<T>, value: unknown, old?: T): string[] {
  const object = old ? update(kind, value, old) : create(kind, value);
  return validateObject(kind, object, old).map(renderFieldError);
}

type Part = Record<string, unknown>;

export function pod(spec: Part = {}, metadata: Part = {}): Part {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'default', ...metadata },
    spec: { containers: [container()], ...spec },
  };
}

export function container(fields: Part = {}): Part {
  return { name: 'main', image: 'nginx', ...fields };
}

export function service(spec: Part = {}): Part {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'default' },
    spec: { ports: [{ port: 80 }], selector: { app: 'web' }, ...spec },
  };
}
