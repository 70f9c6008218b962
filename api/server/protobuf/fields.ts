import type { SchemaNode } from '../../kinds/schema.ts';

/** What a message has at one number: a field, or a message whose fields JSON has in the outer one. */
type Slot = Field | { readonly inner: Slots };

export interface Field {
  readonly name: string;
  readonly schema: SchemaNode;
  /** Whether a zero on the wire is a value. Otherwise it is what a client sends for a field that it does not set. */
  readonly keepsZero: boolean;
}

export type Slots = ReadonlyMap<number, Slot>;

/** The slots of a message, read from its schema's numbers once. */
export function slotsOf(schema: SchemaNode): Slots {
  const known = slots.get(schema);
  if (known) return known;
  const found = parseNumbers(schema);
  slots.set(schema, found);
  return found;
}

const slots = new WeakMap<SchemaNode, Slots>();

function parseNumbers(schema: SchemaNode): Slots {
  const found = new Map<number, Slot>();
  for (const text of (schema.protobuf ?? '').split(',')) {
    const [marked = '', path = ''] = text.trim().split(' ');
    const name = marked.replace('*', '');
    const field = schema.properties?.[name];
    if (!field) continue;
    const isRequired = schema.required?.includes(name) === true;
    const keepsZero = marked !== name || isRequired;
    const [outer = 0, inner] = path.split('.').map(Number);
    if (inner === undefined) found.set(outer, { name, schema: field, keepsZero });
    else innerOf(found, outer).set(inner, { name, schema: field, keepsZero });
  }
  return found;
}

function innerOf(found: Map<number, Slot>, number: number): Map<number, Slot> {
  const known = found.get(number);
  // Only this function puts messages there, and their maps are ours to fill.
  if (known && 'inner' in known) return known.inner as Map<number, Slot>;
  const inner = new Map<number, Slot>();
  found.set(number, { inner });
  return inner;
}
