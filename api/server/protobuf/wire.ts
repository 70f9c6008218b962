import { DecodeError } from '../../kinds/decode.ts';

/**
 * The wire format of protobuf: a message is a row of fields, each a number, a wire type and a value.
 * Source: https://protobuf.dev/programming-guides/encoding/
 */
export type WireField =
  | { readonly number: number; readonly type: 'varint'; readonly value: bigint }
  | { readonly number: number; readonly type: 'fixed' | 'bytes'; readonly value: Buffer };

/** What a field's value is in the wire's own words, by wire type. Groups (3, 4) nobody sends. */
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** All fields of a message by number, for messages that need no schema; the last of a number counts. */
export function readFields(bytes: Buffer, path: string): ReadonlyMap<number, WireField> {
  const fields = new Map<number, WireField>();
  const reader = new WireReader(bytes, path);
  while (!reader.isAtEnd()) {
    const field = reader.field();
    fields.set(field.number, field);
  }
  return fields;
}

/** Reads one message from front to back. Throws {@link DecodeError} on bytes that are no message. */
export class WireReader {
  readonly #bytes: Buffer;
  readonly #path: string;
  #at = 0;

  /** `path` is what the message is in its object, for people. */
  constructor(bytes: Buffer, path: string) {
    this.#bytes = bytes;
    this.#path = path;
  }

  isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** The next field; there must be one. */
  field(): WireField {
    const tag = Number(this.varint());
    const number = Math.floor(tag / 8);
    if (number < 1 || number >= 2 ** 29) throw this.#malformed(`the field number ${number}`);
    switch (tag % 8) {
      case VARINT:
        return { number, type: 'varint', value: this.varint() };
      case FIXED64:
        return { number, type: 'fixed', value: this.#take(8) };
      case BYTES:
        return { number, type: 'bytes', value: this.#take(Number(this.varint())) };
      case FIXED32:
        return { number, type: 'fixed', value: this.#take(4) };
      default:
        throw this.#malformed(`the wire type ${tag % 8}`);
    }
  }

  /** An integer of up to 64 bits, unsigned. */
  varint(): bigint {
    let low = 0;
    // Most numbers are short: four bytes stay within 28 bits.
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte();
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt(low);
    }
    let value = BigInt(low);
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw this.#malformed('a number of more than 64 bits');
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw this.#malformed('the end within a number');
    this.#at += 1;
    return byte;
  }

  #take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw this.#malformed('the end within a value');
    const value = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return value;
  }

  #malformed(met: string): DecodeError {
    return new DecodeError(
      `${this.#path === '' ? 'the object' : this.#path}: not valid protobuf: met ${met}`,
    );
  }
}
