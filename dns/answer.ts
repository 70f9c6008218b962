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
  /** All records, answer, authority, additional. */
  readonly records: Buffer;
  /** Where each record ends in {@link records}, and where its TTL is. */
  readonly ends: readonly number[];
  readonly ttlOffsets: readonly number[];
  readonly answerCount: number;
  readonly authorityCount: number;
  /** The last run of answer records of one set, which is rotated: index of its first record, and its length. */
  readonly rotateFrom: number;
  readonly rotateCount: number;
  /** How far the run is rotated next time. Counted for each answer: a shared counter would meet A and AAAA in turns. */
  turn: number;
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
    records: encoder.bytes,
    ends: encoder.ends,
    ttlOffsets: encoder.ttlOffsets,
    answerCount: answer.length,
    authorityCount: authority.length,
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
  readonly ends: number[] = [];
  readonly ttlOffsets: number[] = [];
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

  get bytes(): Buffer {
    return Buffer.from(this.#parts.join(''), 'latin1');
  }

  add(record: ResourceRecord, learn: boolean): void {
    const { name, type, ttlSeconds } = record;
    const owner = this.#name(name, this.#length, learn);
    const ttlOffset = this.#length + owner.length + 4;
    const data = this.#data(record, ttlOffset + 6, learn);
    const fixed =
      word(type) + word(CLASS_IN) + word(ttlSeconds >>> 16) + word(ttlSeconds) + word(data.length);
    this.#parts.push(owner, fixed, data);
    this.#length = ttlOffset + 6 + data.length;
    this.ttlOffsets.push(ttlOffset);
    this.ends.push(this.#length);
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
  query.packet.copy(out, 0, 0, start);
  const whole = answer.records.length <= room;
  let end = start + answer.records.length;
  let count = answer.ends.length;
  if (whole && ageSeconds === 0) copyRotated(answer, out, start);
  else [end, count] = writeRecords(answer, out, start, room, ageSeconds);
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
  query.packet.copy(out, 0, 0, end);
  writeHeader(query, flags, rcode, out);
  writeWord(out, 4, end > HEADER_BYTES ? 1 : 0);
  writeWord(out, 6, 0);
  writeWord(out, 8, 0);
  writeWord(out, 10, query.edns ? 1 : 0);
  return query.edns ? writeOpt(query, rcode, out, end) : end;
}

function writeHeader(query: Query, flags: number, rcode: number, out: Buffer): void {
  // AD only for clients that understand it (RFC 6840 section 5.7).
  const adWanted = query.dnssecOk || (query.flags & FLAG.AD) !== 0;
  const own = adWanted ? flags : flags & ~FLAG.AD;
  const opcode = query.flags & 0x7800;
  writeWord(out, 0, query.id);
  writeWord(out, 2, FLAG.QR | opcode | (query.flags & (FLAG.RD | FLAG.CD)) | own | (rcode & 15));
}

function writeOpt(query: Query, rcode: number, out: Buffer, at: number): number {
  out[at] = 0;
  writeWord(out, at + 1, TYPE.OPT);
  writeWord(out, at + 3, MAX_UDP_BYTES);
  writeWord(out, at + 5, (rcode >> 4) << 8);
  writeWord(out, at + 7, query.dnssecOk ? 0x8000 : 0);
  writeWord(out, at + 9, 0);
  return at + OPT_BYTES;
}

/** All records at once; the rotated run in two pieces. */
function copyRotated(answer: Answer, out: Buffer, start: number): void {
  const { records, turn, rotateFrom, rotateCount } = answer;
  if (turn === 0) {
    records.copy(out, start);
    return;
  }
  const first = startOf(answer, rotateFrom);
  const cut = startOf(answer, rotateFrom + turn);
  const end = startOf(answer, rotateFrom + rotateCount);
  records.copy(out, start, 0, first);
  records.copy(out, start + first, cut, end);
  records.copy(out, start + first + end - cut, first, cut);
  records.copy(out, start + end, end);
}

/** As many records as fit, one by one. Returns where they end and how many they are. */
function writeRecords(
  answer: Answer,
  out: Buffer,
  start: number,
  room: number,
  ageSeconds: number,
): [end: number, count: number] {
  let used = 0;
  for (let position = 0; position < answer.ends.length; position += 1) {
    const index = rotated(answer, position);
    const from = startOf(answer, index);
    const to = startOf(answer, index + 1);
    if (used + to - from > room) return [start + used, position];
    answer.records.copy(out, start + used, from, to);
    if (ageSeconds !== 0) ageTtl(out, start + used + (answer.ttlOffsets[index] ?? 0) - from, ageSeconds);
    used += to - from;
  }
  return [start + used, answer.ends.length];
}

function rotated({ rotateFrom, rotateCount, turn }: Answer, position: number): number {
  const within = position - rotateFrom;
  if (within < 0 || within >= rotateCount) return position;
  return rotateFrom + ((within + turn) % rotateCount);
}

function startOf(answer: Answer, index: number): number {
  return index === 0 ? 0 : (answer.ends[index - 1] ?? 0);
}

function ageTtl(out: Buffer, at: number, ageSeconds: number): void {
  const ttl = out.readUInt32BE(at);
  out.writeUInt32BE(ttl > ageSeconds ? ttl - ageSeconds : STALE_TTL_SECONDS, at);
}

function writeWord(out: Buffer, at: number, value: number): void {
  out[at] = value >> 8;
  out[at + 1] = value;
}
