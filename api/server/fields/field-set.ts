/**
 * A set of fields, as `fieldsV1` of a managedFields entry holds it: a trie whose keys are path elements (element.ts).
 * A node that is empty, or that has the key `.`, is itself in the set; the root never is. Sets are shared between
 * objects and never change; the empty set is `undefined`. Source: sigs.k8s.io/structured-merge-diff, fieldpath.
 */
export interface FieldSet {
  readonly [element: string]: FieldSet;
}

const SELF = '.';

/** The node of a field that is in the set and has nothing below it. */
export const member: FieldSet = Object.freeze({});

/** The node of a path: its fields below, and whether it is in the set itself. */
export function nodeWith(below: FieldSet | undefined, isMember: boolean): FieldSet | undefined {
  if (!isMember || !below) return isMember ? member : below;
  return SELF in below || !hasElements(below) ? below : { [SELF]: member, ...below };
}

/** Whether the path that leads to this node is in the set. */
export function isMember(node: FieldSet | undefined): boolean {
  return node !== undefined && (SELF in node || !hasElements(node));
}

/** The nodes below, without the mark of the node itself. */
function elementsOf(node: FieldSet): (readonly [string, FieldSet])[] {
  return Object.entries(node).filter(([element]) => element !== SELF);
}

function hasElements(node: FieldSet): boolean {
  for (const element in node) if (element !== SELF) return true;
  return false;
}

export function union(a: FieldSet | undefined, b: FieldSet | undefined): FieldSet | undefined {
  if (!a || a === b) return b;
  if (!b) return a;
  const below: Record<string, FieldSet> = {};
  for (const [element, node] of elementsOf(a)) below[element] = node;
  for (const [element, node] of elementsOf(b)) below[element] = union(below[element], node) ?? node;
  return nodeWith(hasElements(below) ? below : undefined, isMember(a) || isMember(b));
}

/** What is in `a` and not in `b`; `a` itself if that is all. A path of `b` takes nothing away that lies below it. */
export function difference(a: FieldSet | undefined, b: FieldSet | undefined): FieldSet | undefined {
  if (!a || !b) return a;
  const below: Record<string, FieldSet> = {};
  let isWhole = !(isMember(a) && isMember(b));
  for (const [element, node] of elementsOf(a)) {
    const rest = difference(node, b[element]);
    if (rest) below[element] = rest;
    if (rest !== node) isWhole = false;
  }
  if (isWhole) return a;
  return nodeWith(hasElements(below) ? below : undefined, isMember(a) && !isMember(b));
}

export function intersection(a: FieldSet | undefined, b: FieldSet | undefined): FieldSet | undefined {
  if (!a || !b) return undefined;
  const below: Record<string, FieldSet> = {};
  for (const [element, node] of elementsOf(a)) {
    const common = intersection(node, b[element]);
    if (common) below[element] = common;
  }
  return nodeWith(hasElements(below) ? below : undefined, isMember(a) && isMember(b));
}

/** Every path of the set, those of one level before those below them. */
export function* pathsOf(set: FieldSet | undefined, prefix: readonly string[] = []): Generator<string[]> {
  if (!set) return;
  const nodes = elementsOf(set);
  for (const [element, node] of nodes) if (isMember(node)) yield [...prefix, element];
  for (const [element, node] of nodes) yield* pathsOf(node, [...prefix, element]);
}

/** The same set with the elements of every level in order, as other servers write it. */
export function sorted(set: FieldSet, compare: (a: string, b: string) => number): FieldSet {
  const nodes = elementsOf(set).sort(([a], [b]) => compare(a, b));
  if (nodes.length === 0) return set;
  const below = nodes.map(([element, node]) => [element, sorted(node, compare)] as const);
  return Object.fromEntries(SELF in set ? [[SELF, member], ...below] : below);
}
