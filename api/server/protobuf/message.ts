import { nodeOf, string, type SchemaNode } from '../../kinds/schema.ts';
import { slotsOf } from './fields.ts';
import type { Field, Slots } from './fields.ts';
import { bytesOf, decodeScalar } from './scalar.ts';
import { WireReader } from './wire.ts';
import type { WireField } from './wire.ts';

type Message = Record<string, unknown>;

/**
 * A message as the JSON of the same object: what the client did not set is absent, and fields that the schema does
 * not have are left out, as upstream does. It goes no deeper than the schema. Throws DecodeError.
 */
export function decodeMessage(schema: SchemaNode, bytes: Buffer, path = ''): Message {
  const message: Message = {};
  fill(message, slotsOf(schema), bytes, path);
  return message;
}

/** Puts the fields of `bytes` into `message`; a message that comes in several pieces is merged. */
function fill(message: Message, slots: Slots, bytes: Buffer, path: string): void {
  const reader = new WireReader(bytes, path);
  while (!reader.isAtEnd()) {
    const wire = reader.field();
    const slot = slots.get(wire.number);
    if (slot && 'inner' in slot) fill(message, slot.inner, bytesOf(wire, path), path);
    else if (slot) addField(message, slot, wire, path === '' ? slot.name : `${path}.${slot.name}`);
  }
}

function addField(message: Message, field: Field, wire: WireField, path: string): void {
  const { name, schema } = field;
  if (schema.items) {
    const elements = (message[name] ??= []) as unknown[];
    addElements(elements, schema.items, wire, path);
  } else if (schema.additionalProperties) {
    const entries = (message[name] ??= {}) as Message;
    addEntry(entries, schema.additionalProperties, wire, path);
  } else if (schema.properties) {
    const inside = (message[name] ??= {}) as Message;
    fill(inside, slotsOf(schema), bytesOf(wire, path), path);
  } else {
    const value = decodeScalar(schema, wire, path);
    if (value !== undefined && (field.keepsZero || !isZero(value))) message[name] = value;
  }
}

function isZero(value: unknown): boolean {
  return value === '' || value === 0 || value === false;
}

function addElements(elements: unknown[], items: SchemaNode, wire: WireField, path: string): void {
  const isPacked = wire.type === 'bytes' && (items.type === 'integer' || items.type === 'boolean');
  if (!isPacked) {
    const at = `${path}[${elements.length}]`;
    elements.push(
      items.properties ? decodeMessage(items, bytesOf(wire, at), at) : decodeScalar(items, wire, at),
    );
    return;
  }
  const reader = new WireReader(wire.value, path);
  while (!reader.isAtEnd()) {
    const value = reader.varint();
    elements.push(decodeScalar(items, { number: wire.number, type: 'varint', value }, path));
  }
}

/** One entry of a map: a message of a key and a value. A value that is missing is null, which stands for its zero. */
function addEntry(entries: Message, values: SchemaNode, wire: WireField, path: string): void {
  const entry = decodeMessage(entryOf(values), bytesOf(wire, path), path);
  const value = values.items ? (entry['value'] as Message | undefined)?.['items'] : entry['value'];
  const property = { value: value ?? null, enumerable: true, configurable: true, writable: true };
  // Defined, not assigned: a key may be `__proto__`.
  Object.defineProperty(entries, (entry['key'] as string | undefined) ?? '', property);
}

const entrySchemas = new WeakMap<SchemaNode, SchemaNode>();

/** Maps have no lists as values: upstream puts each into a message of its own. */
function entryOf(values: SchemaNode): SchemaNode {
  const known = entrySchemas.get(values);
  if (known) return known;
  const value: SchemaNode = values.items ? { properties: { items: values }, protobuf: 'items 1' } : values;
  const schema: SchemaNode = { properties: { key: nodeOf(string()), value }, protobuf: '*key 1, *value 2' };
  entrySchemas.set(values, schema);
  return schema;
}
