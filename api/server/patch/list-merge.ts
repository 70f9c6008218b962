import type { SchemaNode } from '../../kinds/schema.ts';
import { isObject, type JsonObject } from './json.ts';
import { PatchError } from './patch-error.ts';

/** How one element of a patch changes the element with its merge key, if there is one. */
type MergeElement = (found: JsonObject | undefined, element: JsonObject) => unknown;

/** Merges a list that the schema says is merged: by its merge key, or as a set of plain values. */
export function mergeLists(
  schema: SchemaNode,
  before: readonly unknown[],
  patch: readonly unknown[],
  name: string,
  mergeElement: MergeElement,
): unknown[] {
  const key = schema['x-kubernetes-patch-merge-key'];
  if (key === undefined) {
    if (patch.some((each) => typeof each === 'object')) {
      throw new PatchError(
        400,
        `${JSON.stringify(name)} is a list of plain values, the patch has other elements`,
      );
    }
    const merged = [...new Set([...before, ...patch])];
    return orderList(merged, patch, before, undefined);
  }
  const { original, elements } = applyElementDirectives(before, patch, key, name);
  const merged = [...original];
  const positions = new Map(merged.map((each, index) => [identityOf(each, key), index]));
  for (const element of elements) {
    const index = positions.get(element[key]) ?? merged.length;
    positions.set(element[key], index);
    const found = merged[index];
    merged[index] = mergeElement(isObject(found) ? found : undefined, element);
  }
  return orderList(merged, elements, original, key);
}

/** Does what elements with `$patch` ask for; the others remain to be merged. */
function applyElementDirectives(
  before: readonly unknown[],
  patch: readonly unknown[],
  key: string,
  name: string,
): { original: readonly unknown[]; elements: JsonObject[] } {
  const deleted = new Set<unknown>();
  let replace = false;
  const elements: JsonObject[] = [];
  for (const element of patch) {
    if (!isObject(element)) throw new PatchError(400, `${JSON.stringify(name)}: an element is not an object`);
    const { $patch: directive } = element;
    if (directive === 'replace') replace = true;
    else if (directive === 'delete') deleted.add(identify(element, key, name));
    else if (directive === undefined) {
      identify(element, key, name);
      elements.push(element);
    } else {
      throw new PatchError(
        400,
        `${JSON.stringify(name)}: unknown $patch directive ${JSON.stringify(directive)}`,
      );
    }
  }
  const original = replace ? [] : before.filter((each) => !deleted.has(identityOf(each, key)));
  return { original, elements };
}

function identify(element: JsonObject, key: string, name: string): string | number | boolean {
  const value = element[key];
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  if (value === undefined) {
    throw new PatchError(
      400,
      `${JSON.stringify(name)}: an element lacks its merge key ${JSON.stringify(key)}`,
    );
  }
  throw new PatchError(
    400,
    `${JSON.stringify(name)}: the merge key ${JSON.stringify(key)} must be a plain value`,
  );
}

/** Takes `values` out of a list of plain values. */
export function deleteValues(list: readonly unknown[], values: readonly unknown[]): unknown[] {
  const gone = new Set(values);
  return list.filter((each) => !gone.has(each));
}

/** What tells an element from the others: its merge key, or the plain value itself. */
function identityOf(element: unknown, key: string | undefined): unknown {
  return key !== undefined && isObject(element) ? element[key] : element;
}

/**
 * Puts the elements that the patch names into the patch's order. Those it does not name keep their order, each
 * before the first named element that it preceded before.
 */
export function orderList(
  merged: readonly unknown[],
  order: readonly unknown[],
  before: readonly unknown[],
  key: string | undefined,
): unknown[] {
  const identity = (each: unknown) => identityOf(each, key);
  const positions = (list: readonly unknown[]) => new Map(list.map((each, index) => [identity(each), index]));
  const wanted = positions(order);
  const former = positions(before);
  const by = (index: ReadonlyMap<unknown, number>) => (a: unknown, b: unknown) =>
    (index.get(identity(a)) ?? Infinity) - (index.get(identity(b)) ?? Infinity) || 0;
  const named = merged.filter((each) => wanted.has(identity(each))).sort(by(wanted));
  const others = merged.filter((each) => !wanted.has(identity(each))).sort(by(former));
  const result: unknown[] = [];
  let next = 0;
  for (const each of named) {
    const position = former.get(identity(each)) ?? -1;
    while (next < others.length && (former.get(identity(others[next])) ?? Infinity) < position) {
      result.push(others[next]);
      next += 1;
    }
    result.push(each);
  }
  return [...result, ...others.slice(next)];
}
