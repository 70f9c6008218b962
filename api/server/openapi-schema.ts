import { apiVersionOf, type Kind } from '../kinds/kind.ts';
import { ListMeta, Patch, Status } from '../kinds/meta.ts';
import { INT_OR_STRING, nodeOf, QUANTITY, type SchemaNode } from '../kinds/schema.ts';

export type Json = Record<string, unknown>;

/** Where OpenAPI v2 and v3 differ in writing a schema. */
export interface Dialect {
  readonly refPrefix: string;
  /** Scalars that are a number or a string; v2 has no way to say so. */
  readonly intOrString: Json;
  readonly quantity: Json;
  /** A reference with keywords of its own beside it. */
  refWith(ref: string, keywords: Json): Json;
  /** Whether defaults are written. */
  readonly defaults: boolean;
}

export const v2Dialect: Dialect = {
  refPrefix: '#/definitions/',
  intOrString: { type: 'string', format: 'int-or-string' },
  quantity: { type: 'string' },
  refWith: ($ref, keywords) => ({ ...keywords, $ref }),
  defaults: false,
};

export const v3Dialect: Dialect = {
  refPrefix: '#/components/schemas/',
  intOrString: { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] },
  quantity: { oneOf: [{ type: 'string' }, { type: 'number' }] },
  refWith: ($ref, keywords) => ({ ...keywords, allOf: [{ $ref }] }),
  defaults: true,
};

/** A schema where it is used: named ones are references. */
function renderSchema(node: SchemaNode, dialect: Dialect): Json {
  if (node.$id === undefined) return renderBody(node, dialect);
  const ref = dialect.refPrefix + node.$id;
  // Whether a message is one value is said where it is defined.
  const { 'x-kubernetes-map-type': _, ...use } = node;
  const keywords = renderKeywords(use, dialect);
  return Object.keys(keywords).length === 0 ? { $ref: ref } : dialect.refWith(ref, keywords);
}

function renderField(node: SchemaNode, text: string | undefined, dialect: Dialect): Json {
  return renderSchema(text === undefined ? node : { ...node, description: text }, dialect);
}

/** The schema itself, as it stands in the definitions. */
function renderBody(node: SchemaNode, dialect: Dialect): Json {
  if (node.$id === INT_OR_STRING) return dialect.intOrString;
  if (node.$id === QUANTITY) return dialect.quantity;
  const result: Json = { ...renderKeywords(node, dialect), type: node.type };
  if (node.format !== undefined) result['format'] = node.format;
  if (node.enum) result['enum'] = node.enum;
  if (node.items) result['items'] = renderSchema(node.items, dialect);
  if (node.additionalProperties)
    result['additionalProperties'] = renderSchema(node.additionalProperties, dialect);
  if (!node.properties) return result;
  const fields = Object.entries(node.properties);
  result['properties'] = Object.fromEntries(
    fields.map(([name, each]) => [name, renderField(each, node.fieldTexts?.[name], dialect)]),
  );
  if (node.required?.length) result['required'] = node.required;
  return result;
}

/** Description, default and the `x-kubernetes-…` marks of a field. */
function renderKeywords(node: SchemaNode, dialect: Dialect): Json {
  const marks = Object.entries(node).filter(([name]) => name.startsWith('x-kubernetes-'));
  return {
    ...(node.description === undefined ? {} : { description: node.description }),
    ...(dialect.defaults && node.default !== undefined ? { default: node.default } : {}),
    ...Object.fromEntries(marks),
  };
}

/** All named schemas that `kinds` use, and their lists, by name. */
export function renderDefinitions(kinds: readonly Kind[], dialect: Dialect): Json {
  const named = new Map<string, SchemaNode>();
  for (const kind of kinds) collect(nodeOf(kind.schema), named);
  for (const shared of [ListMeta, Patch, Status]) collect(nodeOf(shared), named);
  const definitions = new Map([...named].map(([id, node]) => [id, renderBody(node, dialect)]));
  for (const kind of kinds) {
    const id = definitionOf(kind);
    definitions.set(id, { ...definitions.get(id), ...gvkMark(kind) });
    definitions.set(`${id}List`, renderList(kind, dialect));
  }
  const sorted = [...definitions].sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(sorted);
}

function collect(node: SchemaNode, named: Map<string, SchemaNode>): void {
  if (node.$id !== undefined) {
    if (named.has(node.$id)) return;
    named.set(node.$id, node);
  }
  for (const each of Object.values(node.properties ?? {})) collect(each, named);
  if (node.items) collect(node.items, named);
  if (node.additionalProperties) collect(node.additionalProperties, named);
}

function renderList(kind: Kind, dialect: Dialect): Json {
  const string = { type: 'string' };
  return {
    type: 'object',
    required: ['items'],
    properties: {
      apiVersion: string,
      kind: string,
      metadata: renderSchema(nodeOf(ListMeta), dialect),
      items: { type: 'array', items: renderSchema({ $id: definitionOf(kind) }, dialect) },
    },
    ...gvkMark({ ...kind, kind: `${kind.kind}List` }),
  };
}

export function definitionOf(kind: Kind): string {
  return nodeOf(kind.schema).$id ?? kind.kind;
}

interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

export function gvkOf({ group, version, kind }: GroupVersionKind): Json {
  return { group, kind, version };
}

function gvkMark(kind: GroupVersionKind): Json {
  return { 'x-kubernetes-group-version-kind': [gvkOf(kind)] };
}

/** `/api/v1` or `/apis/discovery.k8s.io/v1`. */
export function groupVersionPath(kind: Kind): string {
  return `${kind.group === '' ? '/api' : '/apis'}/${apiVersionOf(kind)}`;
}
