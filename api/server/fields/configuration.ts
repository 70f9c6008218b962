import { isRecord } from '../../kinds/decode.ts';
import type { SchemaNode } from '../../kinds/schema.ts';
import { fieldElement, fieldSchema, listElement, renderPath, shapeOf } from './element.ts';
import { member, nodeWith } from './field-set.ts';
import type { FieldSet } from './field-set.ts';

/** An applied configuration that does not say which element of a list it means, or says it twice. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
}

/**
 * The fields that an applied configuration is about: its values, the elements of its lists, the keys of its maps;
 * objects are not, only what they hold. Throws {@link ConfigurationError}.
 */
export function fieldsOf(
  schema: SchemaNode,
  value: unknown,
  path: readonly string[] = [],
): FieldSet | undefined {
  switch (shapeOf(schema)) {
    case 'leaf':
      return member;
    case 'map':
      return isRecord(value) ? fieldsOfObject(schema, value, path) : undefined;
    case 'list':
      return Array.isArray(value) ? fieldsOfList(schema, value, path) : undefined;
  }
}

function fieldsOfObject(
  schema: SchemaNode,
  value: Readonly<Record<string, unknown>>,
  path: readonly string[],
): FieldSet | undefined {
  const below = new Map<string, FieldSet>();
  for (const [name, each] of Object.entries(value)) {
    const field = fieldSchema(schema, name);
    if (!field || each === undefined) continue;
    const element = fieldElement(name);
    const isKey = !schema.properties;
    const isEmpty = isRecord(each) && Object.keys(each).length === 0;
    const node = nodeWith(fieldsOf(field, each, [...path, element]), isKey || isEmpty);
    if (node) below.set(element, node);
  }
  return below.size === 0 ? undefined : Object.fromEntries(below);
}

function fieldsOfList(
  schema: SchemaNode,
  list: readonly unknown[],
  path: readonly string[],
): FieldSet | undefined {
  const below = new Map<string, FieldSet>();
  for (const [index, item] of list.entries()) {
    const element = listElement(schema, item);
    if (element === undefined) {
      const keys = schema['x-kubernetes-list-map-keys'] ?? [];
      const wanted = keys.length === 0 ? 'is no plain value' : `omits all key fields [${keys.join(' ')}]`;
      throw new ConfigurationError(`${renderPath(path)}: element ${index} ${wanted}`);
    }
    if (below.has(element)) {
      throw new ConfigurationError(`${renderPath(path)}: duplicate entries for key ${renderPath([element])}`);
    }
    const node = nodeWith(schema.items && fieldsOf(schema.items, item, [...path, element]), true);
    if (node) below.set(element, node);
  }
  return below.size === 0 ? undefined : Object.fromEntries(below);
}
