import { isRecord } from '../../kinds/decode.ts';
import type { SchemaNode } from '../../kinds/schema.ts';
import { fieldSchema, listElement, shapeOf } from './element.ts';

/**
 * `live` with what `configuration` says put into it, down to single fields and list elements. Fields that the schema
 * does not have are taken from `live`. Changes neither.
 */
export function merge(schema: SchemaNode, live: unknown, configuration: unknown): unknown {
  if (configuration === undefined) return live;
  if (live === undefined) return configuration;
  const shape = shapeOf(schema);
  if (shape === 'map' && isRecord(live) && isRecord(configuration))
    return mergeFields(schema, live, configuration);
  if (shape === 'list' && Array.isArray(live) && Array.isArray(configuration)) {
    return mergeLists(schema, live, configuration);
  }
  return configuration;
}

function mergeFields(
  schema: SchemaNode,
  live: Readonly<Record<string, unknown>>,
  configuration: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const fields = new Map(Object.entries(live));
  for (const [name, value] of Object.entries(configuration)) {
    const field = fieldSchema(schema, name);
    if (field) fields.set(name, merge(field, fields.get(name), value));
  }
  return Object.fromEntries(fields);
}

/**
 * Elements that both have come in the configuration's order; those that only the live list has keep their place
 * before the next common one; new ones follow what precedes them in the configuration.
 */
function mergeLists(
  schema: SchemaNode,
  live: readonly unknown[],
  configuration: readonly unknown[],
): unknown[] {
  const elements = live.map((item) => listElement(schema, item));
  const wanted = configuration.map((item) => listElement(schema, item));
  const isWanted = new Set(wanted);
  const index = indexOf(elements);
  const common = wanted.filter((element) => index.has(element));
  const result: unknown[] = [];
  let position = 0;
  /** Takes over what only the live list has, up to an element that comes next. */
  const takeUntil = (next: string | undefined): void => {
    for (; position < live.length; position += 1) {
      const element = elements[position];
      if (next !== undefined && element === next) return;
      if (!isWanted.has(element)) result.push(live[position]);
    }
  };
  let met = 0;
  for (const [at, item] of configuration.entries()) {
    takeUntil(common[met]);
    if (wanted[at] === common[met]) met += 1;
    const place = index.get(wanted[at]);
    const { items } = schema;
    result.push(items && place !== undefined ? merge(items, live[place], item) : item);
  }
  takeUntil(undefined);
  return result;
}

/**
 * Where each element is. One that is there several times is nowhere: which of them is meant nobody knows, and the
 * configuration's takes the place of all.
 */
function indexOf(elements: readonly (string | undefined)[]): Map<string | undefined, number | undefined> {
  const index = new Map<string | undefined, number | undefined>();
  for (const [at, element] of elements.entries()) index.set(element, index.has(element) ? undefined : at);
  return index;
}
