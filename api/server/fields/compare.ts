import { isRecord } from '../../kinds/decode.ts';
import type { SchemaNode } from '../../kinds/schema.ts';
import { fieldElement, fieldSchema, isSame, listElement, shapeOf } from './element.ts';
import { member, nodeWith } from './field-set.ts';
import type { FieldSet } from './field-set.ts';

/** Which fields differ between two states of an object; undefined sets are empty. */
export interface Comparison {
  readonly added?: FieldSet;
  readonly removed?: FieldSet;
  readonly modified?: FieldSet;
}

type Change = keyof Comparison;
const changes: readonly Change[] = ['added', 'removed', 'modified'];

/** The fields of `after` that `before` lacks or has otherwise, and those that are gone. Undefined if both are alike. */
export function compare(schema: SchemaNode, before: unknown, after: unknown): Comparison | undefined {
  if (before === after) return undefined;
  const shape = shapeOf(schema);
  // Two empty ones are compared as one value, so that nothing and an empty object differ.
  if (shape === 'leaf' || (isEmpty(before) && isEmpty(after))) return compareLeaf(before, after);
  const found = new Findings();
  if (shape === 'map') compareFields(schema, asRecord(before), asRecord(after), found);
  else compareElements(schema, asList(before), asList(after), found);
  return found.with(before === undefined ? 'added' : after === undefined ? 'removed' : undefined);
}

function compareLeaf(before: unknown, after: unknown): Comparison | undefined {
  if (before === undefined) return { added: member };
  if (after === undefined) return { removed: member };
  return isSame(before, after) ? undefined : { modified: member };
}

/** Gathers what differs below one path. */
class Findings {
  readonly #below: Partial<Record<Change, Record<string, FieldSet>>> = {};

  add(element: string, comparison: Comparison | undefined): void {
    if (!comparison) return;
    for (const change of changes) {
      const found = comparison[change];
      if (found) (this.#below[change] ??= {})[element] = found;
    }
  }

  /** The findings; `self` says how the path itself has changed. */
  with(self: Change | undefined): Comparison | undefined {
    const result: { -readonly [K in Change]?: FieldSet } = {};
    for (const change of changes) {
      const node = nodeWith(this.#below[change], self === change);
      if (node) result[change] = node;
    }
    return Object.keys(result).length === 0 ? undefined : result;
  }
}

function compareFields(
  schema: SchemaNode,
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
  found: Findings,
): void {
  const compareField = (name: string): void => {
    const field = fieldSchema(schema, name);
    if (field) found.add(fieldElement(name), compare(field, ownOf(before, name), ownOf(after, name)));
  };
  for (const name of Object.keys(before)) compareField(name);
  for (const name of Object.keys(after)) if (!Object.hasOwn(before, name)) compareField(name);
}

function compareElements(
  schema: SchemaNode,
  before: readonly unknown[],
  after: readonly unknown[],
  found: Findings,
): void {
  const { items } = schema;
  if (!items) return;
  const old = groupByElement(schema, before);
  const next = groupByElement(schema, after);
  for (const element of new Set([...old.keys(), ...next.keys()])) {
    found.add(element, compareGroups(items, old.get(element) ?? [], next.get(element) ?? []));
  }
}

/** Elements that a list should have once and may have several times: those are taken as one value together. */
function compareGroups(
  items: SchemaNode,
  old: readonly unknown[],
  next: readonly unknown[],
): Comparison | undefined {
  if (old.length <= 1 && next.length <= 1) return compare(items, old[0], next[0]);
  if (old.length > 1 && next.length > 1) return compareLeaf(old, next);
  const whole = compareLeaf(old.length > 1 ? old : undefined, next.length > 1 ? next : undefined);
  const single = old.length > 1 ? compare(items, undefined, next[0]) : compare(items, old[0], undefined);
  return { ...single, ...whole };
}

function groupByElement(schema: SchemaNode, list: readonly unknown[]): Map<string, unknown[]> {
  const groups = new Map<string, unknown[]>();
  for (const item of list) {
    const element = listElement(schema, item);
    // What nothing identifies cannot be owned.
    if (element === undefined) continue;
    const group = groups.get(element);
    if (group) group.push(item);
    else groups.set(element, [item]);
  }
  return groups;
}

function ownOf(object: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return value === undefined || (isRecord(value) && Object.keys(value).length === 0);
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {};
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
