import { notSupported, required, type FieldError } from './field-error.ts';
import { isRecord } from './decode.ts';
import type { SchemaNode } from './schema.ts';

/** The fields of a message that defaulting has to look at, found once per schema. */
const defaultedFields = new WeakMap<SchemaNode, readonly (readonly [string, SchemaNode])[]>();

function defaultedFieldsOf(schema: SchemaNode): readonly (readonly [string, SchemaNode])[] {
  const known = defaultedFields.get(schema);
  if (known) return known;
  const fields = Object.entries(schema.properties ?? {});
  const found = fields.filter(([, field]) => field.default !== undefined || hasDefaults(field));
  defaultedFields.set(schema, found);
  return found;
}

function hasDefaults(schema: SchemaNode): boolean {
  if (schema.items) return hasDefaults(schema.items);
  return defaultedFieldsOf(schema).length > 0;
}

/** Fills in the schema's defaults below `value`, in place. Only objects that are there get defaults. */
export function defaultValue(schema: SchemaNode, value: unknown): void {
  if (Array.isArray(value)) {
    if (schema.items) for (const each of value) defaultValue(schema.items, each);
    return;
  }
  if (!isRecord(value)) return;
  for (const [name, field] of defaultedFieldsOf(schema)) {
    if (value[name] !== undefined) defaultValue(field, value[name]);
    else if (field.default !== undefined) value[name] = field.default;
  }
}

/** Reports required fields that are absent and values outside an enum, below `value`. */
export function validateStructure(schema: SchemaNode, value: unknown, path: string): FieldError[] {
  const errors: FieldError[] = [];
  check(schema, value, path, errors);
  return errors;
}

function check(schema: SchemaNode, value: unknown, path: string, errors: FieldError[]): void {
  if (Array.isArray(value)) {
    const { items } = schema;
    // Plain values without an enum cannot be wrong.
    if (!items || (items.type !== 'object' && !items.enum)) return;
    for (const [index, each] of value.entries()) check(items, each, `${path}[${index}]`, errors);
  } else if (isRecord(value)) {
    if (schema.properties) checkFields(schema.properties, schema.required ?? [], value, path, errors);
  } else if (schema.enum && typeof value === 'string' && value !== '' && !schema.enum.includes(value)) {
    // An empty string is the zero value of an optional enum: it counts as absent.
    errors.push(notSupported(path, value, schema.enum));
  }
}

function checkFields(
  properties: Readonly<Record<string, SchemaNode>>,
  requiredFields: readonly string[],
  value: Readonly<Record<string, unknown>>,
  path: string,
  errors: FieldError[],
): void {
  const prefix = path === '' ? '' : `${path}.`;
  for (const name of requiredFields) if (value[name] === undefined) errors.push(required(prefix + name));
  for (const name in value) {
    const field = properties[name];
    const mayBeWrong = typeof value[name] === 'object' || field?.enum !== undefined;
    if (field && mayBeWrong) check(field, value[name], prefix + name, errors);
  }
}
