/**
 * A JSON document as a protobuf message, by a description of the message: just what the OpenAPI v2 document needs.
 * Wire format: https://protobuf.dev/programming-guides/encoding/
 */

const LENGTH_DELIMITED = 2;
const VARINT = 0;

/** Writes one field of a message; nothing for an absent value. */
export type FieldWriter = (value: unknown) => Buffer;

/** What a message is made of: JSON field name → writer. */
export type MessageFields = Readonly<Record<string, FieldWriter>>;

type Fields = MessageFields | (() => MessageFields);

const NOTHING = Buffer.alloc(0);

export function encodeMessage(fields: Fields, value: unknown): Buffer {
  const known = typeof fields === 'function' ? fields() : fields;
  const object = value as Readonly<Record<string, unknown>>;
  const parts: Buffer[] = [];
  for (const [name, write] of Object.entries(known)) {
    // The pseudo-field `x-` takes all vendor extensions.
    if (name === 'x-') parts.push(write(extensionsOf(object)));
    else if (object[name] !== undefined) parts.push(write(object[name]));
  }
  return Buffer.concat(parts);
}

function extensionsOf(object: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([name]) => name.startsWith('x-')));
}

export function text(number: number): FieldWriter {
  return (value) => delimited(number, Buffer.from(String(value)));
}

export function flag(number: number): FieldWriter {
  return (value) => (value === true ? Buffer.concat([varint((number << 3) | VARINT), varint(1)]) : NOTHING);
}

export function message(number: number, fields: Fields): FieldWriter {
  return (value) => delimited(number, encodeMessage(fields, value));
}

/** A message whose only content is what `inner` writes: oneofs and items of gnostic's documents. */
export function wrapped(number: number, inner: FieldWriter): FieldWriter {
  return (value) => delimited(number, inner(value));
}

/** Different fields for different values. */
export function choice(choose: (value: Readonly<Record<string, unknown>>) => FieldWriter): FieldWriter {
  return (value) => choose(value as Record<string, unknown>)(value);
}

/** A repeated field from a JSON list, or from a single value. */
export function repeated(write: FieldWriter): FieldWriter {
  return (value) => Buffer.concat((Array.isArray(value) ? value : [value]).map(write));
}

/** A JSON object as a repeated `{ name = 1; value = 2 }`. */
export function named(number: number, value: FieldWriter): FieldWriter {
  const name = text(1);
  return (object) =>
    Buffer.concat(
      Object.entries(object as object).map(([key, each]) =>
        delimited(number, Buffer.concat([name(key), value(each)])),
      ),
    );
}

/** gnostic's `Any`: the value as YAML, of which JSON is a part. */
export function anything(number: number): FieldWriter {
  const yaml = text(2);
  return (value) => delimited(number, yaml(JSON.stringify(value)));
}

function delimited(number: number, payload: Buffer): Buffer {
  return Buffer.concat([varint((number << 3) | LENGTH_DELIMITED), varint(payload.length), payload]);
}

/** Base 128, least significant group first; for lengths and tags below 2³¹. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest]);
    bytes.push((rest & 0x7f) | 0x80);
  }
}
