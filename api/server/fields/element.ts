import { isDeepStrictEqual } from 'node:util';
import { isRecord } from '../../kinds/decode.ts';
import type { SchemaNode } from '../../kinds/schema.ts';

/**
 * One step of a path in a {@link FieldSet}, as text:
 *
 *   f:name                               a field of an object, a key of a map
 *   k:{"port":80,"protocol":"TCP"}       the element of a list with these keys
 *   v:"finalizer"                        a value of a list that is a set
 *   i:3                                  an index; nobody writes these any more
 */
export function fieldElement(name: string): string {
  return `f:${name}`;
}

/**
 * What tells an element of a merged list from the others; keys that are absent count with their default. Undefined for
 * an element that nothing identifies.
 */
export function listElement(list: SchemaNode, item: unknown): string | undefined {
  const keys = list['x-kubernetes-list-map-keys'];
  if (!keys) return item === null || typeof item === 'object' ? undefined : `v:${render(item)}`;
  if (!isRecord(item)) return undefined;
  const fields = keys.flatMap((key) => {
    const value = item[key] ?? list.items?.properties?.[key]?.default;
    return value === undefined ? [] : [[key, value] as const];
  });
  if (fields.length === 0) return undefined;
  return `k:${renderKeys(fields)}`;
}

function renderKeys(fields: readonly (readonly [string, unknown])[]): string {
  const ordered = fields.length < 2 ? fields : [...fields].sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${ordered.map(([key, value]) => `${render(key)}:${render(value)}`).join(',')}}`;
}

/** JSON as Go writes it, so that elements compare as text whoever made them. */
function render(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** An element that a client wrote, in our own words; undefined for one of a type that nobody knows, null for nonsense. */
export function parseElement(text: string): string | undefined | null {
  const content = text.slice(2);
  if (text[1] !== ':') return null;
  switch (text[0]) {
    case 'f':
      return text;
    case 'i':
      return /^-?\d+$/.test(content) ? text : null;
    case 'v':
    case 'k': {
      const value = parseContent(content);
      if (text[0] === 'k') return isRecord(value) ? `k:${renderKeys(Object.entries(value))}` : null;
      return value === undefined ? null : `v:${render(value)}`;
    }
    default:
      return undefined;
  }
}

function parseContent(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The order of elements on one level: fields by name, list elements by their keys, numbers as numbers. */
export function compareElements(a: string, b: string): number {
  const kind = 'fkvi';
  if (a[0] !== b[0]) return kind.indexOf(a[0] ?? '') - kind.indexOf(b[0] ?? '');
  return a[0] === 'f'
    ? compareValues(a, b)
    : compareValues(parseContent(a.slice(2)), parseContent(b.slice(2)));
}

function compareValues(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (isRecord(a) && isRecord(b)) {
    const pairs = Object.entries(a).map(([key, value]) => compareValues(value, b[key]));
    return pairs.find((each) => each !== 0) ?? 0;
  }
  const [left, right] = [String(a), String(b)];
  return left === right ? 0 : left < right ? -1 : 1;
}

/** A path as error messages write it: `.spec.ports[port=80,protocol="TCP"].targetPort`. */
export function renderPath(path: readonly string[]): string {
  return path.map(renderElement).join('');
}

function renderElement(element: string): string {
  const content = element.slice(2);
  switch (element[0]) {
    case 'f':
      return `.${content}`;
    case 'k': {
      const keys = Object.entries(parseContent(content) ?? {});
      return `[${keys.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(',')}]`;
    }
    case 'v':
      return `[=${content}]`;
    default:
      return `[${content}]`;
  }
}

/** How a value of this schema is looked at: as one, field by field, or element by element. */
export function shapeOf(schema: SchemaNode): 'leaf' | 'map' | 'list' {
  if (schema.type === 'array') {
    const kind = schema['x-kubernetes-list-type'];
    return kind === 'map' || kind === 'set' ? 'list' : 'leaf';
  }
  if (schema.type !== 'object' || schema['x-kubernetes-map-type'] === 'atomic') return 'leaf';
  return schema.properties || schema.additionalProperties ? 'map' : 'leaf';
}

/** The schema of one field of an object or map. */
export function fieldSchema(schema: SchemaNode, name: string): SchemaNode | undefined {
  const { properties } = schema;
  if (properties) return Object.hasOwn(properties, name) ? properties[name] : undefined;
  return schema.additionalProperties;
}

/** Whether the schema declares the field by name, unlike a key of a map. */
export function isDeclared(schema: SchemaNode, element: string): boolean {
  return element.startsWith('f:') && Object.hasOwn(schema.properties ?? {}, element.slice(2));
}

export function isSame(a: unknown, b: unknown): boolean {
  return a === b || (typeof a === 'object' && isDeepStrictEqual(a, b));
}
