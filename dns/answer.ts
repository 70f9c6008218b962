import { ROOT } from './names.ts';
import type { Query } from './question.ts';
import { nameLength, type ResourceRecord } from './records.ts';
import { CLASS_IN, FLAG, HEADER_BYTES, MAX_UDP_BYTES, OPT_BYTES, TYPE } from './wire.ts';

/**
 * An answer encoded once and written many times: everything behind the question, with name pointers that hold
 * for every question of the length it was encoded for. Writing it is a copy of bytes; only id, flags, counts,
 * the question as it was asked, the order of records, ages and OPT differ from one query to the next.
 */
export interface Answer {
  readonly rcode: number;
  /** Header flags beside QR, RD and TC: AA, RA, AD. */
  readonly flags: number;
  /**
   * All records, answer, authority, additional; one character per byte: a string takes half of a buffer's memory, and
   * many small ones leave no holes.
   */
  readonly records: string;
  readonly answerCount: number;
  readonly authorityCount: number;
  readonly additionalCount: number;
  /** The last run of answer records of one set, which is rotated: index of its first record, and its length. */
  readonly rotateFrom: number;
  readonly rotateCount: number;
  /** How far the run is rotated next time. Counted for each answer: a shared counter would meet A and AAAA in turns. */
  turn: number;
  /**
   * Where the last record is the SOA of a zone that changes: the zone's serial, which is written as it is then. A new
   * serial would otherwise mean new negative answers a hundred times a second.
   */
  readonly serial?: { readonly value: number } | undefined;
  /** The name outside of our zones that the answer's last CNAME leads to: its records are still to be found. */
  readonly alias?: string;
}

/** What goes into an {@link Answer}. */
export interface AnswerContent {
  readonly rcode: number;
  readonly flags: number;
  readonly answer?: readonly ResourceRecord[];
  readonly authority?: readonly ResourceRecord[];
  readonly additional?: readonly ResourceRecord[];
}

/** The questions an answer is encoded for: all whose name has this length and ends so (wire form). */
export interface QuestionShape {
  readonly nameBytes: number;
  readonly suffix: string;
}

/** RFC 8767 section 4: what a record says whose time is over. */
const STALE_TTL_SECONDS = 30;
/** What follows the names in an SOA record: serial, refresh, retry, expire, minimum (RFC 1035 section 3.3.13). */
const SOA_NUMBERS_BYTES = 20;
/** Fourteen bits of a pointer (RFC 1035 section 4.1.4). */
const MAX_POINTER = 0x3fff;

export function encodeAnswer(content: AnswerContent, shape: QuestionShape): Answer {
  const { answer = [], authority = [], additional = [], rcode, flags } = content;
  const rotateFrom = rotationStart(answer);
  const encoder = new RecordEncoder(shape);
  const all = [...answer, ...authority, ...additional];
  all.forEach((record, index) => {
    // No pointer may lead into a record that moves.
    encoder.add(record, index < rotateFrom || index >= answer.length);
  });
  return {
    rcode,
    flags,
    records: encoder.records,
    answerCount: answer.length,
    authorityCount: authority.length,
    additionalCount: additional.length,
    rotateFrom,
    rotateCount: answer.length - rotateFrom,
    turn: 0,
  };
}

/** The index of the first record of the set that ends the answer; CNAMEs before it keep their order. */
function rotationStart(answer: readonly ResourceRecord[]): number {
  const last = answer.at(-1);
  if (!last || last.type === TYPE.CNAME) return answer.length;
  let start = answer.length - 1;
  while (answer[start - 1]?.type === last.type && answer[start - 1]?.name === last.name) start -= 1;
  return start;
}

class RecordEncoder {
  readonly #parts: string[] = [];
  /** Where the next record starts, counted from the end of the question. */
  #length = 0;
  readonly #questionEnd: number;
  /** Offsets in the message of names that pointers may lead to. */
  readonly #known = new Map<string, number>();

  constructor({ nameBytes, suffix }: QuestionShape) {
    this.#questionEnd = HEADER_BYTES + nameBytes + 4;
    this.#learn(suffix, HEADER_BYTES + nameBytes - suffix.length);
  }

  get records(): string {
    return this.#parts.join('');
  }

  add(record: ResourceRecord, learn: boolean): void {
    const { name, type, ttlSeconds } = record;
    const owner = this.#name(name, this.#length, learn);
    const dataAt = this.#length + owner.length + 10;
    const data = this.#data(record, dataAt, learn);
    const fixed =
      word(type) + word(CLASS_IN) + word(ttlSeconds >>> 16) + word(ttlSeconds) + word(data.length);
    this.#parts.push(owner, fixed, data);
    this.#length = dataAt + data.length;
  }

  /** Only the types of RFC 1035 may have compressed names in their data (RFC 3597 section 4). */
  #data({ type, data }: ResourceRecord, at: number, learn: boolean): string {
    switch (type) {
      case TYPE.NS:
      case TYPE.CNAME:
      case TYPE.PTR:
        return this.#name(data, at, learn);
      case TYPE.SOA: {
        const mailboxAt = nameLength(data, 0);
        const numbersAt = mailboxAt + nameLength(data, mailboxAt);
        const primary = this.#name(data.slice(0, mailboxAt), at, learn);
        const mailbox = this.#name(data.slice(mailboxAt, numbersAt), at + primary.length, learn);
        return primary + mailbox + data.slice(numbersAt);
      }
      default:
        return data;
    }
  }

  /** The name as it stands at offset `at`: labels, then a pointer to its longest known suffix. */
  #name(name: string, at: number, learn: boolean): string {
    let labels = 0;
    while (name[labels] !== ROOT && !this.#known.has(name.slice(labels))) {
      labels += 1 + name.charCodeAt(labels);
    }
    const pointer = this.#known.get(name.slice(labels));
    if (learn) this.#learn(name, this.#questionEnd + at);
    return name.slice(0, labels) + (pointer === undefined ? ROOT : word(0xc000 | pointer));
  }

  #learn(name: string, offset: number): void {
    for (let at = 0; name.charCodeAt(at) > 0; at += 1 + name.charCodeAt(at)) {
      const rest = name.slice(at);
      if (this.#known.has(rest) || offset + at > MAX_POINTER) return;
      this.#known.set(rest, offset + at);
    }
  }
}

function word(value: number): string {
  return String.fromCharCode((value >> 8) & 0xff, value & 0xff);
}

/**
 * Writes the answer to `query` into `out` and returns its length, never more than `query.limit`: records that
 * do not fit are left out and TC says so, except for additional ones (RFC 2181 section 9).
 * `ageSeconds` is taken off every TTL; one that is over becomes 30 seconds (RFC 8767).
 */
export function writeAnswer(query: Query, answer: Answer, out: Buffer, ageSeconds = 0): number {
  const start = query.questionEnd;
  const room = query.limit - start - (query.edns ? OPT_BYTES : 0);
  copyQuestion(query, out);
  let end = start + answer.records.length;
  let count = answer.answerCount + answer.authorityCount + answer.additionalCount;
  if (answer.records.length <= room) {
    writeAll(answer, out, start);
    if (answer.serial) out.writeUInt32BE(answer.serial.value, end - SOA_NUMBERS_BYTES);
  } else [end, count] = writeSome(answer, out, start, room);
  if (ageSeconds > 0) ageTtls(out, start, end, ageSeconds);
  const answerCount = Math.min(count, answer.answerCount);
  const authorityCount = Math.min(count - answerCount, answer.authorityCount);
  const truncated = count < answer.answerCount + answer.authorityCount;
  writeHeader(query, answer.flags | (truncated ? FLAG.TC : 0), answer.rcode, out);
  writeWord(out, 4, 1);
  writeWord(out, 6, answerCount);
  writeWord(out, 8, authorityCount);
  writeWord(out, 10, count - answerCount - authorityCount + (query.edns ? 1 : 0));
  if (answer.rotateCount > 1) answer.turn = (answer.turn + 1) % answer.rotateCount;
  return query.edns ? writeOpt(query, answer.rcode, out, end) : end;
}

/** {@link writeAnswer} into bytes of its own. */
export function renderAnswer(query: Query, answer: Answer, ageSeconds = 0): Uint8Array {
  const out = Buffer.allocUnsafe(
    Math.min(query.limit, query.questionEnd + answer.records.length + OPT_BYTES),
  );
  return out.subarray(0, writeAnswer(query, answer, out, ageSeconds));
}

/** Writes an answer without records: an error, or a refusal of a message whose question could not be read. */
export function writeError(query: Query, rcode: number, flags: number, out: Buffer): number {
  const end = query.questionEnd;
  copyQuestion(query, out);
  writeHeader(query, flags, rcode, out);
  writeWord(out, 4, end > HEADER_BYTES ? 1 : 0);
  writeWord(out, 6, 0);
  writeWord(out, 8, 0);
  writeWord(out, 10, query.edns ? 1 : 0);
  return query.edns ? writeOpt(query, rcode, out, end) : end;
}

/** The message up to the question's end, unless the answer is written over it, where it is already. */
export function copyQuestion({ packet, questionEnd }: Query, out: Buffer): void {
  if (packet.byteOffset === out.byteOffset && packet.buffer === out.buffer) return;
  packet.copy(out, 0, 0, questionEnd);
}

export function writeHeader(query: Query, flags: number, rcode: number, out: Buffer): void {
  // AD only for clients that understand it (RFC 6840 section 5.7).
  const adWanted = query.dnssecOk || (query.flags & FLAG.AD) !== 0;
  const own = adWanted ? flags : flags & ~FLAG.AD;
  const opcode = query.flags & 0x7800;
  writeWord(out, 0, query.id);
  writeWord(out, 2, FLAG.QR | opcode | (query.flags & (FLAG.RD | FLAG.CD)) | own | (rcode & 15));
}

export function writeOpt(query: Query, rcode: number, out: Buffer, at: number): number {
  out[at] = 0;
  writeWord(out, at + 1, TYPE.OPT);
  writeWord(out, at + 3, MAX_UDP_BYTES);
  writeWord(out, at + 5, (rcode >> 4) << 8);
  writeWord(out, at + 7, query.dnssecOk ? 0x8000 : 0);
  writeWord(out, at + 9, 0);
  return at + OPT_BYTES;
}

/** All records at once; the rotated run in two pieces. */
function writeAll({ records, turn, rotateFrom, rotateCount }: Answer, out: Buffer, start: number): void {
  if (turn === 0) {
    out.write(records, start, 'latin1');
    return;
  }
  const first = skipRecords(records, 0, rotateFrom);
  const cut = skipRecords(records, first, turn);
  const end = skipRecords(records, cut, rotateCount - turn);
  if (first > 0) out.write(records.slice(0, first), start, 'latin1');
  out.write(records.slice(cut, end), start + first, 'latin1');
  out.write(records.slice(first, cut), start + first + end - cut, 'latin1');
  if (end < records.length) out.write(records.slice(end), start + end, 'latin1');
}

/** As many records as fit, one by one. Returns where they end and how many they are. */
function writeSome(answer: Answer, out: Buffer, start: number, room: number): [end: number, count: number] {
  const { records } = answer;
  const starts = [0];
  for (let at = 0; at < records.length; starts.push(at)) at = skipRecords(records, at, 1);
  let used = 0;
  for (let position = 0; position < starts.length - 1; position += 1) {
    const index = rotated(answer, position);
    const record = records.slice(starts[index], starts[index + 1]);
    if (used + record.length > room) return [start + used, position];
    out.write(record, start + used, 'latin1');
    used += record.length;
  }
  return [start + used, starts.length - 1];
}

function rotated({ rotateFrom, rotateCount, turn }: Answer, position: number): number {
  const within = position - rotateFrom;
  if (within < 0 || within >= rotateCount) return position;
  return rotateFrom + ((within + turn) % rotateCount);
}

/** Where `count` records end that start at `start`. */
function skipRecords(records: string, start: number, count: number): number {
  let at = start;
  for (let skipped = 0; skipped < count; skipped += 1) {
    let length = records.charCodeAt(at);
    while (length > 0 && length < 0xc0) {
      at += 1 + length;
      length = records.charCodeAt(at);
    }
    at += length === 0 ? 1 : 2;
    at += 10 + ((records.charCodeAt(at + 8) << 8) | records.charCodeAt(at + 9));
  }
  return at;
}

/** Takes the age off the TTLs of the records from `start` to `end`. */
function ageTtls(out: Buffer, start: number, end: number, ageSeconds: number): void {
  for (let at = start; at < end;) {
    let length = out[at] ?? 0;
    while (length > 0 && length < 0xc0) {
      at += 1 + length;
      length = out[at] ?? 0;
    }
    at += (length === 0 ? 1 : 2) + 4;
    const ttl = out.readUInt32BE(at);
    out.writeUInt32BE(ttl > ageSeconds ? ttl - ageSeconds : STALE_TTL_SECONDS, at);
    at += 6 + out.readUInt16BE(at + 4);
  }
}

function writeWord(out: Buffer, at: number, value: number): void {
  out[at] = value >> 8;
  out[at + 1] = value;
}
