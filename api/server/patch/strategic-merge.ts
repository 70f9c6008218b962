import type { SchemaNode } from '../../kinds/schema.ts';
import { isObject, withFields, type JsonObject } from './json.ts';
import { deleteValues, mergeLists, orderList } from './list-merge.ts';
import { PatchError } from './patch-error.ts';

/**
 * Strategic merge patch: a merge patch that merges lists by the keys in the schema, with directives. The rules are
 * those of apimachinery's util/strategicpatch:
 *
 *   $patch: replace | delete        of an object, or of a list's element
 *   $retainKeys: [...]              fields that stay, all others go
 *   $setElementOrder/<list>: [...]  the order of a merged list
 *   $deleteFromPrimitiveList/<list> values taken out of a list of plain values
 */
export function applyStrategicMerge(
  schema: SchemaNode | undefined,
  target: unknown,
  patch: unknown,
): unknown {
  if (!isObject(patch)) throw new PatchError(400, 'a strategic merge patch is an object');
  return mergeObjects(schema, isObject(target) ? target : {}, patch);
}

const SET_ORDER = '$setElementOrder/';
const DELETE_VALUES = '$deleteFromPrimitiveList/';

function mergeObjects(schema: SchemaNode | undefined, target: JsonObject, patch: JsonObject): JsonObject {
  const directive = patch['$patch'];
  if (directive === 'delete') return {};
  if (directive === 'replace') return dropDirectives(patch) as JsonObject;
  if (directive !== undefined)
    throw new PatchError(400, `unknown $patch directive ${JSON.stringify(directive)}`);

  const fields = new Map(Object.entries(retainKeys(target, patch)));
  for (const [name, value] of Object.entries(patch)) {
    if (name.startsWith('$')) continue;
    if (value === null) fields.delete(name);
    else fields.set(name, mergeValue(fieldOf(schema, name), fields.get(name), value, name));
  }
  for (const [name, value] of Object.entries(patch)) {
    if (name.startsWith(DELETE_VALUES)) {
      const list = name.slice(DELETE_VALUES.length);
      fields.set(list, deleteValues(asList(fields.get(list) ?? [], list), asList(value, name)));
    }
  }
  for (const [name, value] of Object.entries(patch)) {
    if (!name.startsWith(SET_ORDER)) continue;
    const list = name.slice(SET_ORDER.length);
    const before = target[list];
    if (!fields.has(list)) continue;
    const key = fieldOf(schema, list)?.['x-kubernetes-patch-merge-key'];
    const order = asList(value, name);
    fields.set(
      list,
      orderList(asList(fields.get(list), list), order, Array.isArray(before) ? before : [], key),
    );
  }
  return Object.fromEntries(fields);
}

function mergeValue(schema: SchemaNode | undefined, before: unknown, value: unknown, name: string): unknown {
  if (isObject(value)) {
    return isObject(before) ? mergeObjects(schema, before, value) : dropDirectives(value);
  }
  if (!Array.isArray(value)) return value;
  const strategy = schema?.['x-kubernetes-patch-strategy'] ?? '';
  if (!strategy.split(',').includes('merge')) return dropDirectives(value);
  const items = schema?.items;
  return mergeLists(schema ?? {}, Array.isArray(before) ? before : [], value, name, (found, element) =>
    found ? mergeObjects(items, found, element) : dropDirectives(element),
  );
}

function fieldOf(schema: SchemaNode | undefined, name: string): SchemaNode | undefined {
  const { properties } = schema ?? {};
  if (properties) return Object.hasOwn(properties, name) ? properties[name] : undefined;
  return schema?.additionalProperties;
}

function retainKeys(target: JsonObject, patch: JsonObject): JsonObject {
  const retained = patch['$retainKeys'];
  if (retained === undefined) return target;
  const names = asList(retained, '$retainKeys');
  for (const [name, value] of Object.entries(patch)) {
    if (name.startsWith('$') || value === null || names.includes(name)) continue;
    throw new PatchError(400, `$retainKeys does not list ${JSON.stringify(name)}, which the patch sets`);
  }
  const gone = Object.keys(target).filter((name) => !names.includes(name));
  return withFields(
    target,
    gone.map((name) => [name, undefined] as const),
  );
}

/** What a patch says where there was nothing: its values without directives and nulls. */
function dropDirectives(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.filter((each) => !isObject(each) || each['$patch'] === undefined).map(dropDirectives);
  }
  if (!isObject(value)) return value;
  if (value['$patch'] === 'delete') return {};
  const kept = Object.entries(value).filter(([name, each]) => !name.startsWith('$') && each !== null);
  return Object.fromEntries(kept.map(([name, each]) => [name, dropDirectives(each)]));
}

function asList(value: unknown, name: string): unknown[] {
  if (Array.isArray(value)) return value;
  throw new PatchError(400, `${JSON.stringify(name)} in a strategic merge patch must be a list`);
}
