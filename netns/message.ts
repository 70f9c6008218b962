/**
 * Netlink's wire format (linux/netlink.h; RFC 3549): messages of a 16-byte header and a 4-aligned payload, which
 * is a family's own fixed header followed by type-length-value attributes, some of them nested. Host byte order,
 * little-endian here.
 */

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_DUMP = 0x300;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_ACK_TLVS = 0x200;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

const headerLength = 16;
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;

const align = (length: number): number => (length + 3) & ~3;

/** A message to send. */
export interface Request {
  readonly type: number;
  /** Flags beside REQUEST and ACK, e.g. CREATE and EXCL. */
  readonly flags: number;
  readonly payload: Buffer;
  /** What the request is about, for its error: the message's name and the object's, e.g. `RTM_NEWLINK weft0`. */
  readonly name: string;
  readonly about: string;
}

/** A received message. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Netlink port of the socket that asked for it; in a notification of whoever made the change, 0 for the kernel. */
  readonly port: number;
  readonly payload: Buffer;
}

/** A whole message, 4-aligned. */
export function encodeMessage(type: number, flags: number, sequence: number, payload: Buffer): Buffer {
  const message = Buffer.alloc(align(headerLength + payload.length));
  message.writeUInt32LE(headerLength + payload.length, 0);
  message.writeUInt16LE(type, 4);
  message.writeUInt16LE(flags, 6);
  message.writeUInt32LE(sequence, 8);
  payload.copy(message, headerLength);
  return message;
}

/** The messages of one datagram. The payloads are views into `datagram`. */
export function* decodeMessages(datagram: Buffer): Generator<Message> {
  let offset = 0;
  while (offset + headerLength <= datagram.length) {
    const length = datagram.readUInt32LE(offset);
    if (length < headerLength || offset + length > datagram.length)
      throw new RangeError('truncated netlink message');
    yield {
      type: datagram.readUInt16LE(offset + 4),
      flags: datagram.readUInt16LE(offset + 6),
      sequence: datagram.readUInt32LE(offset + 8),
      port: datagram.readUInt32LE(offset + 12),
      payload: datagram.subarray(offset + headerLength, offset + length),
    };
    offset += align(length);
  }
}

/** One attribute with a raw value. */
export function encodeAttribute(type: number, value: Uint8Array): Buffer {
  const attribute = Buffer.alloc(align(4 + value.length));
  attribute.writeUInt16LE(4 + value.length, 0);
  attribute.writeUInt16LE(type, 2);
  attribute.set(value, 4);
  return attribute;
}

export function encodeU8(type: number, value: number): Buffer {
  return encodeAttribute(type, Buffer.of(value));
}

export function encodeU16BE(type: number, value: number): Buffer {
  return encodeAttribute(type, Buffer.of(value >> 8, value & 0xff));
}

export function encodeU32(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return encodeAttribute(type, bytes);
}

/** A NUL-terminated string. */
export function encodeString(type: number, value: string): Buffer {
  return encodeAttribute(type, Buffer.from(`${value}\0`));
}

/** An attribute whose value is attributes. */
export function encodeNested(type: number, ...children: Buffer[]): Buffer {
  return encodeAttribute(type | NLA_F_NESTED, Buffer.concat(children));
}

/** Attributes by type; a later one of the same type wins. The values are views into `bytes`. */
export type Attributes = ReadonlyMap<number, Buffer>;

/** The attributes that follow a fixed header of `offset` bytes. */
export function decodeAttributes(bytes: Buffer, offset = 0): Attributes {
  const attributes = new Map<number, Buffer>();
  while (offset + 4 <= bytes.length) {
    const length = bytes.readUInt16LE(offset);
    if (length < 4 || offset + length > bytes.length) throw new RangeError('truncated netlink attribute');
    attributes.set(
      bytes.readUInt16LE(offset + 2) & NLA_TYPE_MASK,
      bytes.subarray(offset + 4, offset + length),
    );
    offset += align(length);
  }
  return attributes;
}

/** The attributes nested in one of `attributes`; none when it is absent. */
export function decodeNested(attributes: Attributes, type: number): Attributes {
  const value = attributes.get(type);
  return value === undefined ? new Map<number, Buffer>() : decodeAttributes(value);
}

/** A NUL-terminated string without its end. */
export function decodeString(value: Buffer): string {
  const end = value.indexOf(0);
  return value.toString('utf8', 0, end < 0 ? value.length : end);
}
