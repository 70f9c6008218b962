import { DnsError } from './dns-error.ts';
import { lowerCase } from './names.ts';
import type { ResourceRecord } from './records.ts';
import { CLASS_IN, FLAG, HEADER_BYTES, MAX_LABEL_BYTES, MAX_NAME_BYTES, TYPE } from './wire.ts';

/** A whole message, as upstream servers send it. */
export interface Message {
  /** Who sent it, where it came from upstream (dns/forward.ts). */
  readonly server?: string;
  readonly id: number;
  readonly flags: number;
  /** With the upper bits from OPT. */
  readonly rcode: number;
  /** The question; names in wire form and lower case. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** Records of class IN, names in them uncompressed; OPT is left out. */
  readonly answer: readonly ResourceRecord[];
  readonly authority: readonly ResourceRecord[];
  readonly additional: readonly ResourceRecord[];
}

/**
 * The data of types that we look into: bytes, then names, which may come compressed (RFC 3597 section 4; a DNAME's
 * should not, but may be read), then bytes.
 */
const layouts = new Map<number, { readonly before: number; readonly names: number; readonly after: number }>([
  [TYPE.A, { before: 4, names: 0, after: 0 }],
  [TYPE.AAAA, { before: 16, names: 0, after: 0 }],
  [TYPE.NS, { before: 0, names: 1, after: 0 }],
  [TYPE.CNAME, { before: 0, names: 1, after: 0 }],
  [TYPE.PTR, { before: 0, names: 1, after: 0 }],
  [TYPE.SOA, { before: 0, names: 2, after: 20 }],
  [TYPE.MX, { before: 2, names: 1, after: 0 }],
  [TYPE.SRV, { before: 6, names: 1, after: 0 }],
  [TYPE.DNAME, { before: 0, names: 1, after: 0 }],
]);

/** A name of 255 bytes has at most 127 labels, and each can be one pointer away from the next. */
const MAX_POINTERS = 127;

/**
 * Decodes a message from a server.
 * The time it takes is bounded: pointers only lead backwards, at most 127 for a name.
 * @throws {DnsError} BadMessage
 */
export function decodeMessage(packet: Buffer): Message {
  const reader = new MessageReader(packet);
  const [id, flags, questions] = [reader.word(), reader.word(), reader.word()];
  const counts = [reader.word(), reader.word(), reader.word()] as const;
  if (questions !== 1) throw new DnsError('BadMessage', `a DNS answer with ${questions} questions`);
  const question = { name: lowerCase(reader.name()), type: reader.word(), class: reader.word() };
  const [answer, authority, additional] = counts.map((count) => reader.records(count)) as [
    ResourceRecord[],
    ResourceRecord[],
    ResourceRecord[],
  ];
  return {
    id,
    flags,
    rcode: (flags & 15) | (reader.extendedRcode << 4),
    ...question,
    answer,
    authority,
    additional,
  };
}

class MessageReader {
  extendedRcode = 0;
  readonly #packet: Buffer;
  #at = 0;

  constructor(packet: Buffer) {
    this.#packet = packet;
  }

  word(): number {
    return (this.#byte() << 8) | this.#byte();
  }

  name(): string {
    const [name, end] = this.#nameAt(this.#at);
    this.#at = end;
    return name;
  }

  records(count: number): ResourceRecord[] {
    const records: ResourceRecord[] = [];
    for (let index = 0; index < count; index += 1) {
      const record = this.#record();
      if (record) records.push(record);
    }
    return records;
  }

  /** The next record; undefined for OPT and for classes other than IN. */
  #record(): ResourceRecord | undefined {
    const name = lowerCase(this.name());
    const [type, recordClass] = [this.word(), this.word()];
    const ttl = this.word() * 0x10000 + this.word();
    const length = this.word();
    const end = this.#at + length;
    if (end > this.#packet.length) throw new DnsError('BadMessage', 'a DNS record is cut off');
    const data = this.#data(type, end);
    this.#at = end;
    if (type === TYPE.OPT) this.extendedRcode = ttl >>> 24;
    if (type === TYPE.OPT || recordClass !== CLASS_IN) return undefined;
    // A TTL with the top bit set counts as 0 (RFC 2181 section 8).
    return { name, type, ttlSeconds: ttl > 0x7fffffff ? 0 : ttl, data };
  }

  #data(type: number, end: number): string {
    const layout = layouts.get(type);
    if (!layout) return this.#bytes(end);
    if (this.#at + layout.before > end) throw new DnsError('BadMessage', 'a record is shorter than its data');
    let data = layout.before > 0 ? this.#bytes(this.#at + layout.before) : '';
    for (let names = 0; names < layout.names; names += 1) data += this.name();
    if (this.#at > end) throw new DnsError('BadMessage', "a name reaches beyond its record's end");
    if (end - this.#at !== layout.after) throw new DnsError('BadMessage', 'a record is longer than its data');
    return data + this.#bytes(end);
  }

  #bytes(end: number): string {
    const bytes = this.#packet.toString('latin1', this.#at, end);
    this.#at = end;
    return bytes;
  }

  /** The name at `start`, pointers followed, and the offset behind it. */
  #nameAt(start: number): [name: string, end: number] {
    let name = '';
    let end: number | undefined;
    let at = start;
    let pointers = 0;
    for (;;) {
      const length = this.#byteAt(at);
      if (length >= 0xc0) {
        const target = ((length & 0x3f) << 8) | this.#byteAt(at + 1);
        pointers += 1;
        if (target >= at || target < HEADER_BYTES || pointers > MAX_POINTERS) {
          throw new DnsError('BadMessage', 'a DNS name points to no name before it');
        }
        end ??= at + 2;
        at = target;
        continue;
      }
      if (length > MAX_LABEL_BYTES) throw new DnsError('BadMessage', 'a DNS label of an unknown kind');
      if (at + 1 + length > this.#packet.length) throw new DnsError('BadMessage', 'a DNS name is cut off');
      name += this.#packet.toString('latin1', at, at + 1 + length);
      if (name.length > MAX_NAME_BYTES) throw new DnsError('BadMessage', 'a DNS name of more than 255 bytes');
      at += 1 + length;
      if (length === 0) return [name, end ?? at];
    }
  }

  #byte(): number {
    const byte = this.#byteAt(this.#at);
    this.#at += 1;
    return byte;
  }

  #byteAt(at: number): number {
    const byte = this.#packet[at];
    if (byte === undefined) throw new DnsError('BadMessage', 'a DNS message is cut off');
    return byte;
  }
}

/** Whether a message is an answer to a query of this kind at all, by its header. */
export function isAnswer(flags: number): boolean {
  return (flags & FLAG.QR) !== 0 && ((flags >> 11) & 15) === 0;
}
