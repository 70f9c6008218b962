import { INT_OR_STRING, MICRO_TIME, QUANTITY, type SchemaNode } from './schema.ts';
import { isQuantity } from './quantity.ts';

/** The request's body does not have the structure of its kind: 400 BadRequest. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
  readonly code = 'BadRequest';
}

export interface Decoding {
  /** Takes the paths of fields that the schema does not have. */
  readonly unknown: string[];
  /** Whether fields with a zero value are filled where they are absent. */
  readonly fill: boolean;
}

/**
 * Copies `value` as `schema` describes it; nulls count as absent (as in Go). Throws {@link DecodeError} on the first
 * wrong type.
 */
export function decodeValue(schema: SchemaNode, value: unknown, path: string, decoding: Decoding): unknown {
  if (schema.type === 'object') return decodeObjectValue(schema, value, path, decoding);
  if (schema.type === 'array') return decodeArray(schema, value, path, decoding);
  return decodeScalar(schema, value, path);
}

function decodeObjectValue(schema: SchemaNode, value: unknown, path: string, decoding: Decoding): unknown {
  if (!isRecord(value)) throw mismatch(path, 'an object', value);
  if (schema.properties) return decodeStruct(schema.properties, value, path, decoding);
  if (schema.additionalProperties) return decodeMap(schema.additionalProperties, value, path, decoding);
  return structuredClone(value);
}

function decodeStruct(
  properties: Readonly<Record<string, SchemaNode>>,
  value: Record<string, unknown>,
  path: string,
  decoding: Decoding,
): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [name, each] of Object.entries(value)) {
    const at = path === '' ? name : `${path}.${name}`;
    const field = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (!field) decoding.unknown.push(at);
    else if (each !== null) result[name] = decodeValue(field, each, at, decoding);
  }
  if (decoding.fill) fillZeros(properties, result);
  return result;
}

/** Puts zero values where a field is absent, e.g. `metadata: {}`, down to their own zero values. */
function fillZeros(properties: Readonly<Record<string, SchemaNode>>, result: Record<string, unknown>): void {
  for (const [name, field] of filledFieldsOf(properties)) {
    if (!(name in result)) result[name] = decodeValue(field, field.zero, name, { unknown: [], fill: true });
  }
}

/** The fields of a message that are filled where absent, found once per schema. */
const filledFields = new WeakMap<object, readonly (readonly [string, SchemaNode])[]>();

function filledFieldsOf(
  properties: Readonly<Record<string, SchemaNode>>,
): readonly (readonly [string, SchemaNode])[] {
  const known = filledFields.get(properties);
  if (known) return known;
  const found = Object.entries(properties).filter(([, field]) => field.zero !== undefined);
  filledFields.set(properties, found);
  return found;
}

function decodeMap(
  values: SchemaNode,
  value: Record<string, unknown>,
  path: string,
  decoding: Decoding,
): Record<string, unknown> {
  // Without a prototype-safe copy a key such as `__proto__` would be lost.
  const entries: [string, unknown][] = [];
  for (const [key, each] of Object.entries(value)) {
    const at = `${path}.${key}`;
    entries.push([key, each === null ? zeroOf(values) : decodeValue(values, each, at, decoding)]);
  }
  return Object.fromEntries(entries);
}

function decodeArray(schema: SchemaNode, value: unknown, path: string, decoding: Decoding): unknown[] {
  const items = schema.items;
  if (!Array.isArray(value)) throw mismatch(path, 'a list', value);
  if (!items) return value;
  return value.map((each: unknown, index) => decodeValue(items, each, `${path}[${index}]`, decoding));
}

function decodeScalar(schema: SchemaNode, value: unknown, path: string): unknown {
  if (schema.$id === QUANTITY) return decodeQuantity(value, path);
  if (schema.$id === INT_OR_STRING) return decodeIntOrString(value, path);
  switch (schema.type) {
    case 'string':
      return decodeString(schema, value, path);
    case 'integer':
      return decodeInteger(schema, value, path);
    case 'boolean':
      if (typeof value !== 'boolean') throw mismatch(path, 'true or false', value);
      return value;
    default:
      if (typeof value !== 'number') throw mismatch(path, 'a number', value);
      return value;
  }
}

function decodeString(schema: SchemaNode, value: unknown, path: string): string {
  if (typeof value !== 'string') throw mismatch(path, 'a string', value);
  if (schema.format === 'date-time' && !isTime(value)) {
    throw mismatch(
      path,
      schema.$id === MICRO_TIME ? 'an RFC 3339 time with microseconds' : 'an RFC 3339 time',
      value,
    );
  }
  if (schema.format === 'byte' && !isBase64(value)) throw mismatch(path, 'base64', value);
  return value;
}

function decodeInteger(schema: SchemaNode, value: unknown, path: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value)) throw mismatch(path, 'an integer', value);
  if (schema.format === 'int32' && (value < -(2 ** 31) || value >= 2 ** 31)) {
    throw mismatch(path, 'a 32-bit integer', value);
  }
  return value;
}

function decodeIntOrString(value: unknown, path: string): number | string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'number' || !Number.isInteger(value))
    throw mismatch(path, 'an integer or a string', value);
  return value;
}

function decodeQuantity(value: unknown, path: string): string {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string' || !isQuantity(text))
    throw mismatch(path, 'a quantity such as 500m or 1Gi', value);
  return text;
}

function zeroOf(schema: SchemaNode): unknown {
  switch (schema.type) {
    case 'string':
      return schema.$id === QUANTITY ? '0' : '';
    case 'object':
      return {};
    case 'array':
      return [];
    case 'boolean':
      return false;
    default:
      return 0;
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

function isTime(text: string): boolean {
  return TIME.test(text) && !Number.isNaN(Date.parse(text));
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Standard base64 with padding; line breaks are ignored, as Go's decoder does. */
function isBase64(text: string): boolean {
  return BASE64.test(text.replace(/[\r\n]/g, ''));
}

function mismatch(path: string, wanted: string, value: unknown): DecodeError {
  const got = value === null ? 'null' : Array.isArray(value) ? 'a list' : describe(value);
  return new DecodeError(`${path === '' ? 'the object' : path}: expected ${wanted}, got ${got}`);
}

function describe(value: unknown): string {
  if (typeof value === 'object') return 'an object';
  const text = JSON.stringify(value);
  return `${typeof value} ${text.length > 100 ? `${text.slice(0, 100)}…` : text}`;
}
