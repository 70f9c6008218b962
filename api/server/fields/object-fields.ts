import { decodeObject } from '../../kinds/object.ts';
import type { Kind } from '../../kinds/kind.ts';
import type { KubeObject } from '../../kinds/meta.ts';
import { nodeOf } from '../../kinds/schema.ts';
import type { SchemaNode } from '../../kinds/schema.ts';

/** Fields of metadata that are nobody's: they name the object or are the server's. */
const unmanagedMetadata = new Set([
  'name',
  'namespace',
  'creationTimestamp',
  'selfLink',
  'uid',
  'generation',
  'managedFields',
  'resourceVersion',
]);

/**
 * The schema of what a writer through `subresource` can own: without what names the object, and without the part that
 * such a write leaves alone (the status, or all else).
 */
export function managedSchema(kind: Kind, subresource: string): SchemaNode {
  let schemas = known.get(kind);
  if (!schemas) known.set(kind, (schemas = new Map<string, SchemaNode>()));
  let schema = schemas.get(subresource);
  if (!schema) schemas.set(subresource, (schema = makeSchema(kind, subresource)));
  return schema;
}

const known = new WeakMap<Kind, Map<string, SchemaNode>>();

function makeSchema(kind: Kind, subresource: string): SchemaNode {
  const schema = nodeOf(kind.schema);
  const hasStatus = kind.subresources.includes('status');
  const fields = Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    if (name === 'apiVersion' || name === 'kind') return [];
    if (subresource === 'status') return name === 'status' ? [[name, field] as const] : [];
    if (name === 'status' && hasStatus) return [];
    return [[name, name === 'metadata' ? withoutUnmanaged(field) : field] as const];
  });
  return { ...schema, properties: Object.fromEntries(fields) };
}

function withoutUnmanaged(metadata: SchemaNode): SchemaNode {
  const fields = Object.entries(metadata.properties ?? {});
  return {
    ...metadata,
    properties: Object.fromEntries(fields.filter(([name]) => !unmanagedMetadata.has(name))),
  };
}

const empty = new WeakMap<Kind, KubeObject>();

/** An object of the kind that says nothing: what a new one is compared with. Shared: never change it. */
export function emptyObject(kind: Kind): KubeObject {
  const known = empty.get(kind);
  if (known) return known;
  const { object } = decodeObject(kind, {});
  empty.set(kind, object);
  return object;
}
