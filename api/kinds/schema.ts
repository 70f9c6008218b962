import { Type, type Static, type TObject, type TOptional, type TProperties, type TSchema } from 'typebox';

/**
 * The few shapes the Kubernetes API is made of, as TypeBox schemas. One schema is the only source of a kind's
 * TypeScript type, its structural validation and defaults (decode.ts), its strategic-merge keys (server/patch/)
 * and its OpenAPI documents (server/openapi*.ts).
 */

/** Annotations of one field. */
export interface FieldOptions {
  /** What `kubectl explain` says. */
  description?: string;
  /** Filled in where the field is absent and its parent is there. Static defaults only. */
  default?: unknown;
}

/** Annotations of a message. */
export interface StructOptions<Names extends string> extends FieldOptions {
  /** What `kubectl explain` says of its fields; what a field's type is said to be where there is nothing. */
  fieldTexts?: Readonly<Partial<Record<Names, string>>>;
}

export interface StringOptions extends FieldOptions {
  /** The values the field may have. The TypeScript type stays `string`: the API's enums are open. */
  enum?: readonly string[];
  format?: string;
}

export interface NumberOptions extends FieldOptions {
  format?: 'int32' | 'int64' | 'double';
}

export interface ListOptions extends FieldOptions {
  /** Elements are merged by this field in a strategic merge patch; without it the list is replaced. */
  mergeKey?: string;
  /** `merge`: a list of plain values is a set in a strategic merge patch. */
  strategy?: 'merge' | 'merge,retainKeys';
  /** The fields that together identify an element, for server-side apply. */
  mapKeys?: readonly string[];
  listType?: 'atomic' | 'set' | 'map';
}

/** A schema as a walker reads it: the JSON Schema keywords that the builders below produce. */
export interface SchemaNode {
  readonly $id?: string;
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  readonly format?: string;
  readonly description?: string;
  readonly fieldTexts?: Readonly<Record<string, string>>;
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly zero?: unknown;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: SchemaNode;
  readonly items?: SchemaNode;
  /** The numbers of a message's fields, see {@link struct}. */
  readonly protobuf?: string;
  readonly 'x-kubernetes-patch-merge-key'?: string;
  readonly 'x-kubernetes-patch-strategy'?: string;
  readonly 'x-kubernetes-map-type'?: 'atomic';
  readonly 'x-kubernetes-list-type'?: string;
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
}

export function nodeOf(schema: TSchema): SchemaNode {
  return schema;
}

/** Definition names of the scalars that a walker has to know by name. */
export const QUANTITY = 'io.k8s.apimachinery.pkg.api.resource.Quantity';
export const INT_OR_STRING = 'io.k8s.apimachinery.pkg.util.intstr.IntOrString';
export const MICRO_TIME = 'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime';

type Struct<R extends TProperties, O extends TProperties> = TObject<R & { [K in keyof O]: TOptional<O[K]> }>;

/**
 * A message of the API. `required` fields must be there (or have a zero value, see {@link filled}); `optional`
 * ones may be absent. `id` is the definition's name in OpenAPI, e.g. `io.k8s.api.core.v1.PodSpec`.
 *
 * `protobuf` gives every field the number it has in upstream's generated.proto: `'name 1, image 2'`. A field that
 * JSON has in the message itself and protobuf in a message inside it has both numbers: `'name 1, secret 2.6'`.
 * `'*replicas 1'`: the Go type is a pointer, so that a zero is sent only where it is meant; all other zeros are sent
 * always and mean nothing. A kind's own `apiVersion` and `kind` have no number: they travel outside the message.
 */
export function struct<R extends TProperties, O extends TProperties>(
  id: string,
  required: R,
  optional: O,
  protobuf: string,
  options: StructOptions<Extract<keyof R | keyof O, string>> = {},
): Struct<R, O> {
  const properties: TProperties = { ...required };
  for (const [name, schema] of Object.entries(optional)) properties[name] = Type.Optional(schema);
  const schema = Type.Object(properties, { ...options, protobuf, $id: id });
  const needed = Object.keys(required).filter((name) => !('zero' in (required[name] ?? {})));
  return { ...schema, required: needed } as unknown as Struct<R, O>;
}

/** Makes a required field optional on the wire: where absent it is filled with `zero`, as Go's types do. */
export function filled<S extends TSchema>(schema: S, zero: unknown): S {
  return { ...schema, zero };
}

/** A strategic merge patch of the field drops what the new value does not have, where it says so by `$retainKeys`. */
export function retainKeys<S extends TSchema>(schema: S): S {
  return { ...schema, 'x-kubernetes-patch-strategy': 'retainKeys' };
}

/** Makes server-side apply take an object or map as one value, instead of looking at its fields. */
export function atomic<S extends TSchema>(schema: S): S {
  return { ...schema, 'x-kubernetes-map-type': 'atomic' };
}

export function string(options: StringOptions = {}) {
  return Type.Unsafe<string>({ type: 'string', ...options });
}

export function integer(options: NumberOptions = {}) {
  return Type.Unsafe<number>({ type: 'integer', format: 'int32', ...options });
}

export function int64(options: NumberOptions = {}) {
  return integer({ format: 'int64', ...options });
}

export function boolean(options: FieldOptions = {}) {
  return Type.Unsafe<boolean>({ type: 'boolean', ...options });
}

/** RFC 3339, seconds. */
export function time(options: FieldOptions = {}) {
  return Type.Unsafe<string>({ type: 'string', format: 'date-time', ...options });
}

/** RFC 3339 with microseconds. */
export function microTime(options: FieldOptions = {}) {
  return Type.Unsafe<string>({
    $id: MICRO_TIME,
    type: 'string',
    format: 'date-time',
    ...options,
  });
}

/** Base64 in JSON. */
export function bytes(options: FieldOptions = {}) {
  return string({ format: 'byte', ...options });
}

/** A port or amount that may be a number or a name. */
export function intOrString(options: FieldOptions = {}) {
  return Type.Unsafe<number | string>({
    $id: INT_OR_STRING,
    type: 'string',
    format: 'int-or-string',
    ...options,
  });
}

/** An amount such as `500m` or `1Gi`; numbers are taken too and become text. */
export function quantity(options: FieldOptions = {}) {
  return Type.Unsafe<string>({
    $id: QUANTITY,
    type: 'string',
    ...options,
  });
}

/** A map with free keys. */
export function map<S extends TSchema>(values: S, options: FieldOptions = {}) {
  return Type.Unsafe<Record<string, Static<S>>>({ type: 'object', additionalProperties: values, ...options });
}

/** An object whose content is not ours to check. */
export function anyObject(id: string, options: FieldOptions = {}) {
  return Type.Unsafe<Record<string, unknown>>({ $id: id, type: 'object', ...options });
}

export function list<S extends TSchema>(items: S, options: ListOptions = {}) {
  const { mergeKey, strategy, mapKeys, listType, ...rest } = options;
  const patchStrategy = strategy ?? (mergeKey === undefined ? undefined : 'merge');
  const keys = mapKeys ?? (mergeKey === undefined ? undefined : [mergeKey]);
  const kind = listType ?? (keys ? 'map' : strategy === 'merge' ? 'set' : 'atomic');
  return Type.Unsafe<Static<S>[]>({
    type: 'array',
    items,
    ...rest,
    'x-kubernetes-list-type': kind,
    ...(kind === 'map' && keys ? { 'x-kubernetes-list-map-keys': keys } : {}),
    ...(mergeKey === undefined ? {} : { 'x-kubernetes-patch-merge-key': mergeKey }),
    ...(patchStrategy === undefined ? {} : { 'x-kubernetes-patch-strategy': patchStrategy }),
  });
}
