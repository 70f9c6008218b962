import { DecodeError, decodeValue, isRecord } from './decode.ts';
import type { FieldError } from './field-error.ts';
import { apiVersionOf, type Kind } from './kind.ts';
import type { KubeObject } from './meta.ts';
import { validateObjectMeta } from './object-meta.ts';
import { nodeOf } from './schema.ts';
import { defaultValue, validateStructure } from './structure.ts';

export interface Decoded<T> {
  readonly object: T;
  /** What is not known, e.g. `unknown field "spec.foo"`: an error under Strict, a warning under Warn. */
  readonly unknownFields: readonly string[];
}

/** Checks structure and types, drops nulls and unknown fields. Throws {@link DecodeError}. Does not change `value`. */
export function decodeObject<T extends KubeObject>(kind: Kind<T>, value: unknown): Decoded<T> {
  if (!isRecord(value)) throw new DecodeError('the body must be a JSON or YAML object');
  const apiVersion = apiVersionOf(kind);
  expect('apiVersion', apiVersion, value['apiVersion']);
  expect('kind', kind.kind, value['kind']);
  return decode(kind, value, true);
}

/**
 * Decodes what a client applies: as it says, with nothing filled in, since whoever says a field owns it. Throws
 * {@link DecodeError}, also where the type is missing.
 */
export function decodeConfiguration<T extends KubeObject>(kind: Kind<T>, value: unknown): Decoded<T> {
  if (!isRecord(value)) throw new DecodeError('the body must be a JSON or YAML object');
  const { apiVersion, kind: type } = value;
  if (apiVersion !== apiVersionOf(kind) || type !== kind.kind) {
    throw new DecodeError(`invalid object type: ${renderType(apiVersion)}, Kind=${renderType(type)}`);
  }
  const decoded = decode(kind, value, false);
  // It may have none: the path names the object.
  const given = decoded.object.metadata as Partial<T['metadata']> | undefined;
  decoded.object.metadata = { ...decoded.object.metadata, name: given?.name ?? '' };
  return decoded;
}

function renderType(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function decode<T extends KubeObject>(kind: Kind<T>, value: unknown, fill: boolean): Decoded<T> {
  const unknown: string[] = [];
  try {
    const object = decodeValue(nodeOf(kind.schema), value, '', { unknown, fill }) as T;
    object.apiVersion = apiVersionOf(kind);
    object.kind = kind.kind;
    return { object, unknownFields: unknown.map((path) => `unknown field "${path}"`) };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    const message = `${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}: ${error.message}`;
    throw new DecodeError(message, { cause: error });
  }
}

function expect(field: string, wanted: string, value: unknown): void {
  if (value === undefined || value === null || value === '' || value === wanted) return;
  throw new DecodeError(`${field}: the object says ${JSON.stringify(value)}, the request's path "${wanted}"`);
}

/** Fills in the schema's defaults and then the kind's own. Idempotent. */
export function applyDefaults<T extends KubeObject>(kind: Kind<T>, object: T): void {
  defaultValue(nodeOf(kind.schema), object);
  kind.applyDefaults?.(object);
}

/** All mistakes of an object: metadata, required fields, enums, then the kind's own rules. */
export function validateObject<T extends KubeObject>(kind: Kind<T>, object: T, old?: T): FieldError[] {
  const structural = validateStructure(nodeOf(kind.schema), object, '');
  const errors = [...validateObjectMeta(kind, object, old), ...structural];
  // The kind's own rules read required fields: they run on complete objects only.
  if (structural.some((error) => error.type === 'FieldValueRequired')) return errors;
  return [...errors, ...kind.validate(object, old)];
}
