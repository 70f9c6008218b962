/**
 * Protobuf written by hand, for bodies that no kubectl sends: fields as pairs of a number and a value. The numbers in the
 * tests are upstream's generated.proto, typed in by themselves, so that ours are checked against them.
 */
export type Field = readonly [number: number, value: Value];
type Value = string | number | bigint | boolean | Buffer | readonly Field[];

/** A message of such fields; numbers and booleans are varints, all else has a length. */
export function message(...fields: readonly Field[]): Buffer {
  return Buffer.concat(fields.map(([number, value]) => encodeField(number, value)));
}

function encodeField(number: number, value: Value): Buffer {
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') {
    return Buffer.concat([varint(number * 8), varint(value)]);
  }
  const bytes = typeof value === 'string' || Buffer.isBuffer(value) ? Buffer.from(value) : message(...value);
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
}

export function varint(value: number | bigint | boolean): Buffer {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(rest)]);
}

/** A request's body around an object. */
export function envelope(apiVersion: string, kind: string, ...fields: readonly Field[]): Buffer {
  const type: Field = [
    1,
    [
      [1, apiVersion],
      [2, kind],
    ],
  ];
  return Buffer.concat([Buffer.from('k8s\0'), message(type, [2, message(...fields)])]);
}
