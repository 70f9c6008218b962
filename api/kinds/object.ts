import type { FieldError } from './field-error.ts';
import type { Kind } from './kind.ts';
import type { KubeObject } from './meta.ts';

/** The request's body does not have the structure of its kind: 400 BadRequest. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
  readonly code = 'BadRequest';
}

export interface Decoded<T> {
  readonly object: T;
  /** Paths and reasons of what is not known, e.g. `unknown field "spec.foo"`, for Strict and Warn. */
  readonly unknownFields: readonly string[];
}

/** Checks structure and types, drops nulls and unknown fields. Throws {@link DecodeError}. Does not change `value`. */
export function decodeObject<T extends KubeObject>(_kind: Kind<T>, _value: unknown): Decoded<T> {
  throw new DecodeError('not yet');
}

/** Fills in the schema's defaults and then the kind's own. Idempotent. */
export function applyDefaults<T extends KubeObject>(_kind: Kind<T>, _object: T): void {
  throw new DecodeError('not yet');
}

/** All mistakes of an object: required fields, enums, metadata, then the kind's own rules. */
export function validateObject<T extends KubeObject>(_kind: Kind<T>, _object: T, _old?: T): FieldError[] {
  throw new DecodeError('not yet');
}
