import { DecodeError } from '../../kinds/decode.ts';
import { INT_OR_STRING, MICRO_TIME, QUANTITY, type SchemaNode } from '../../kinds/schema.ts';
import { readFields } from './wire.ts';
import type { WireField } from './wire.ts';

/**
 * A value that is no message of ours, as JSON has it; undefined where JSON would have null. Some are small messages in
 * protobuf: times, quantities, numbers that may be names, JSON of any form. Throws DecodeError.
 */
export function decodeScalar(schema: SchemaNode, wire: WireField, path: string): unknown {
  if (schema.$id === QUANTITY) return textOf(readFields(bytesOf(wire, path), path).get(1), path) || '0';
  if (schema.$id === INT_OR_STRING) return decodeIntOrString(readFields(bytesOf(wire, path), path), path);
  switch (schema.type) {
    case 'string':
      if (schema.format === 'date-time')
        return decodeTime(schema, readFields(bytesOf(wire, path), path), path);
      return bytesOf(wire, path).toString(schema.format === 'byte' ? 'base64' : 'utf8');
    case 'integer':
      return integerOf(wire, schema.format === 'int64' ? 64 : 32, path);
    case 'boolean':
      return varintOf(wire, path) !== 0n;
    case 'number':
      if (wire.type !== 'fixed' || wire.value.length !== 8) throw wrongType(path, 'a number');
      return wire.value.readDoubleLE();
    default:
      return decodeAnything(readFields(bytesOf(wire, path), path).get(1), path);
  }
}

export function bytesOf(wire: WireField, path: string): Buffer {
  if (wire.type !== 'bytes') throw wrongType(path, 'text or a message');
  return wire.value;
}

function varintOf(wire: WireField, path: string): bigint {
  if (wire.type !== 'varint') throw wrongType(path, 'a whole number');
  return wire.value;
}

function integerOf(wire: WireField | undefined, bits: 32 | 64, path: string): number {
  return wire ? Number(BigInt.asIntN(bits, varintOf(wire, path))) : 0;
}

export function textOf(wire: WireField | undefined, path: string): string {
  return wire ? bytesOf(wire, path).toString('utf8') : '';
}

/** `type`: 0 a number, 1 a text. */
function decodeIntOrString(fields: ReadonlyMap<number, WireField>, path: string): number | string {
  return integerOf(fields.get(1), 64, path) === 0
    ? integerOf(fields.get(2), 32, path)
    : textOf(fields.get(3), path);
}

/** Seconds since 1970 and nanoseconds. No field at all is Go's zero time, which JSON writes as null. */
function decodeTime(
  schema: SchemaNode,
  fields: ReadonlyMap<number, WireField>,
  path: string,
): string | undefined {
  if (fields.size === 0) return undefined;
  const time = new Date(integerOf(fields.get(1), 64, path) * 1000);
  const nanos = integerOf(fields.get(2), 32, path);
  // RFC 3339 has four digits for the year.
  const isWritable = time.getUTCFullYear() >= 0 && time.getUTCFullYear() <= 9999;
  if (!isWritable || nanos < 0 || nanos >= 1e9) throw new DecodeError(`${path}: the time is out of range`);
  const [seconds = ''] = time.toISOString().split('.');
  const micros = String(Math.floor(nanos / 1000)).padStart(6, '0');
  return schema.$id === MICRO_TIME ? `${seconds}.${micros}Z` : `${seconds}Z`;
}

/** JSON of any form travels as its text. */
function decodeAnything(raw: WireField | undefined, path: string): unknown {
  const text = textOf(raw, path);
  if (text === '') return undefined;
  try {
    return JSON.parse(text) ?? undefined;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new DecodeError(`${path}: couldn't parse the JSON inside: ${error.message}`, { cause: error });
  }
}

function wrongType(path: string, wanted: string): DecodeError {
  return new DecodeError(`${path}: the protobuf field is not ${wanted}`);
}
