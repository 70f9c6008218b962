import type { StatusCause } from './meta.ts';

/** The reasons of `StatusCause`, as apimachinery's field.ErrorType names them. */
type FieldErrorType =
  | 'FieldValueRequired'
  | 'FieldValueInvalid'
  | 'FieldValueNotSupported'
  | 'FieldValueDuplicate'
  | 'FieldValueNotFound'
  | 'FieldValueForbidden'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany';

/** One mistake in an object. Valid requests with such a mistake are answered 422 Invalid. */
export interface FieldError {
  readonly type: FieldErrorType;
  /** Path of the field, e.g. `spec.containers[0].image`. */
  readonly field: string;
  /** What is wrong, without the path, e.g. `Required value`. */
  readonly message: string;
}

export function required(field: string, detail = ''): FieldError {
  return { type: 'FieldValueRequired', field, message: join('Required value', detail) };
}

export function invalid(field: string, value: unknown, detail: string): FieldError {
  return { type: 'FieldValueInvalid', field, message: join(`Invalid value: ${quote(value)}`, detail) };
}

export function notSupported(field: string, value: unknown, supported: readonly string[]): FieldError {
  const values = [...supported].sort().map((each) => JSON.stringify(each));
  const message = `Unsupported value: ${quote(value)}: supported values: ${values.join(', ')}`;
  return { type: 'FieldValueNotSupported', field, message };
}

export function duplicate(field: string, value: unknown): FieldError {
  return { type: 'FieldValueDuplicate', field, message: `Duplicate value: ${quote(value)}` };
}

export function notFound(field: string, value: unknown): FieldError {
  return { type: 'FieldValueNotFound', field, message: `Not found: ${quote(value)}` };
}

export function forbidden(field: string, detail: string): FieldError {
  return { type: 'FieldValueForbidden', field, message: join('Forbidden', detail) };
}

export function tooLong(field: string, limit: number): FieldError {
  const message = `Too long: may not be more than ${limit} bytes`;
  return { type: 'FieldValueTooLong', field, message };
}

export function tooMany(field: string, limit: number): FieldError {
  return { type: 'FieldValueTooMany', field, message: `Too many: must have at most ${limit} items` };
}

/** As a person reads it: `spec.containers[0].image: Required value`. */
export function renderFieldError(error: FieldError): string {
  return `${error.field}: ${error.message}`;
}

/** The message of a 422: `Pod "x" is invalid: <error>` or `…: [<error>, <error>]`. */
export function renderInvalid(kind: string, name: string, errors: readonly FieldError[]): string {
  const texts = errors.map(renderFieldError);
  const list = texts.length === 1 ? (texts[0] ?? '') : `[${texts.join(', ')}]`;
  return `${kind} ${JSON.stringify(name)} is invalid: ${list}`;
}

export function renderCause(error: FieldError): StatusCause {
  return { reason: error.type, message: error.message, field: error.field };
}

function join(head: string, detail: string): string {
  return detail === '' ? head : `${head}: ${detail}`;
}

function quote(value: unknown): string {
  return value === undefined ? 'null' : JSON.stringify(value);
}
