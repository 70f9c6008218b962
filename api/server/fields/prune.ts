import { isRecord } from '../../kinds/decode.ts';
import type { SchemaNode } from '../../kinds/schema.ts';
import { fieldElement, fieldSchema, isDeclared, listElement, shapeOf } from './element.ts';
import { isMember } from './field-set.ts';
import type { FieldSet } from './field-set.ts';

/**
 * `value` without the fields and list elements that are in `former`, what a manager applied before, and that nobody
 * manages any more. An object, list or map that is emptied so goes itself. Changes nothing in place.
 */
export function prune(
  schema: SchemaNode,
  value: unknown,
  former: FieldSet | undefined,
  managed: FieldSet | undefined,
): unknown {
  if (!former) return value;
  const shape = shapeOf(schema);
  if (shape === 'map' && isRecord(value)) return pruneFields(schema, value, former, managed);
  if (shape === 'list' && Array.isArray(value)) return pruneElements(schema, value, former, managed);
  return value;
}

function pruneFields(
  schema: SchemaNode,
  value: Readonly<Record<string, unknown>>,
  former: FieldSet,
  managed: FieldSet | undefined,
): unknown {
  const fields = Object.entries(value).flatMap(([name, each]) => {
    const element = fieldElement(name);
    const field = fieldSchema(schema, name);
    if (isGone(schema, element, former, managed)) return [];
    const rest = field ? prune(field, each, former[element], managed?.[element]) : each;
    return rest === undefined ? [] : [[name, rest] as const];
  });
  return fields.length === 0 && Object.keys(value).length > 0 ? undefined : Object.fromEntries(fields);
}

function pruneElements(
  schema: SchemaNode,
  list: readonly unknown[],
  former: FieldSet,
  managed: FieldSet | undefined,
): unknown {
  const rest = list.flatMap((item) => {
    const element = listElement(schema, item);
    if (element === undefined || !schema.items) return [item];
    if (isGone(schema, element, former, managed)) return [];
    const left = prune(schema.items, item, former[element], managed?.[element]);
    return left === undefined ? [] : [left];
  });
  return rest.length === 0 && list.length > 0 ? undefined : rest;
}

/** Whether an element goes whole. An object counts as applied, and as managed, with any of its fields. */
function isGone(
  schema: SchemaNode,
  element: string,
  former: FieldSet,
  managed: FieldSet | undefined,
): boolean {
  const isIn = (set: FieldSet | undefined): boolean =>
    set?.[element] !== undefined && (isDeclared(schema, element) || isMember(set[element]));
  return isIn(former) && !isIn(managed);
}
