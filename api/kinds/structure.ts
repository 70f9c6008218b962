import { notSupported, required, type FieldError } from './field-error.ts';
import { isRecord } from './decode.ts';
import type { SchemaNode } from './schema.ts';

/** Fills in the schema's defaults below `value`, in place. Only objects that are there get defaults. */
export function defaultValue(schema: SchemaNode, value: unknown): void {
  if (Array.isArray(value)) {
    if (schema.items) for (const each of value) defaultValue(schema.items, each);
    return;
  }
  if (!isRecord(value)) return;
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    if (value[name] !== undefined) defaultValue(field, value[name]);
    else if (field.default !== undefined) value[name] = field.default;
  }
}

/** Reports required fields that are absent and values outside an enum, below `value`. */
export function validateStructure(schema: SchemaNode, value: unknown, path: string): FieldError[] {
  if (Array.isArray(value)) {
    const { items } = schema;
    if (!items) return [];
    return value.flatMap((each, index) => validateStructure(items, each, `${path}[${index}]`));
  }
  if (isRecord(value)) return validateFields(schema, value, path);
  // An empty string is the zero value of an optional enum: it counts as absent.
  if (!schema.enum || typeof value !== 'string' || value === '' || schema.enum.includes(value)) return [];
  return [notSupported(path, value, schema.enum)];
}

function validateFields(schema: SchemaNode, value: Record<string, unknown>, path: string): FieldError[] {
  if (!schema.properties) return [];
  const errors: FieldError[] = [];
  const at = (name: string) => (path === '' ? name : `${path}.${name}`);
  for (const name of schema.required ?? []) if (value[name] === undefined) errors.push(required(at(name)));
  for (const [name, each] of Object.entries(value)) {
    const field = schema.properties[name];
    if (field && each !== undefined) errors.push(...validateStructure(field, each, at(name)));
  }
  return errors;
}
