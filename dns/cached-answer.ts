import { copyQuestion, writeAnswer, writeOpt, writeHeader, type Answer } from './answer.ts';
import type { Query } from './question.ts';
import { OPT_BYTES } from './wire.ts';

/*
 * One cached answer in the cache's memory, in this machine's byte order:
 *
 *   0 size, 4 state, 6 hits, 8 stored at, 16 expires at, 24 kept until (seconds), 32 kind, 36 hash,
 *   40 ten words, see WORD; 60 the name; at the next even offset the records' ends, their TTLs' offsets,
 *   the records; filled up to a multiple of 8.
 */

/** Words of an entry, in 16-bit steps from its start. */
const WORD = {
  state: 2,
  hits: 3,
  rcode: 20,
  flags: 21,
  records: 22,
  count: 23,
  answers: 24,
  authorities: 25,
  rotateFrom: 26,
  rotateCount: 27,
  turn: 28,
  name: 29,
} as const;
const NAME_AT = 60;
/** Offsets and sizes are multiples of this. */
export const UNIT = 8;
const LIVE = 1;
const USED = 2;
const MAX_HITS = 0xffff;
/** RFC 8767 section 4: what a record says whose time is over. */
const STALE_TTL_SECONDS = 30;

/** When an answer came, until when it holds, in seconds of the caller's clock. */
export interface Lifetime {
  readonly storedAt: number;
  readonly expiresAt: number;
}

/** How much memory an answer takes. */
export function entrySize(name: string, answer: Answer): number {
  const bytes = NAME_AT + name.length + (name.length & 1) + countOf(answer) * 4 + answer.records.length;
  return Math.ceil(bytes / UNIT) * UNIT;
}

function countOf({ answerCount, authorityCount, additionalCount }: Answer): number {
  return answerCount + authorityCount + additionalCount;
}

/** Memory that holds cached answers by their offset, a multiple of 8; it does not know which there are. */
export class AnswerMemory {
  readonly bytes: Buffer;
  readonly #words: Uint16Array;
  readonly #doubleWords: Uint32Array;
  readonly #seconds: Float64Array;

  constructor(bytes: number) {
    this.bytes = Buffer.allocUnsafeSlow(Math.floor(bytes / UNIT) * UNIT);
    const { buffer } = this.bytes;
    this.#words = new Uint16Array(buffer);
    this.#doubleWords = new Uint32Array(buffer);
    this.#seconds = new Float64Array(buffer);
  }

  write(at: number, name: string, kind: number, hash: number, answer: Answer, lifetime: Lifetime): void {
    const { records } = answer;
    const count = countOf(answer);
    const words = this.#words;
    const word = at >> 1;
    this.#doubleWords[at >> 2] = entrySize(name, answer);
    words[word + WORD.state] = LIVE;
    words[word + WORD.hits] = 0;
    this.#seconds[(at >> 3) + 1] = lifetime.storedAt;
    this.#seconds[(at >> 3) + 2] = lifetime.expiresAt;
    this.#seconds[(at >> 3) + 3] = lifetime.expiresAt;
    this.#doubleWords[(at >> 2) + 8] = kind;
    this.#doubleWords[(at >> 2) + 9] = hash;
    words[word + WORD.rcode] = answer.rcode;
    words[word + WORD.flags] = answer.flags;
    words[word + WORD.records] = records.length;
    words[word + WORD.count] = count;
    words[word + WORD.answers] = answer.answerCount;
    words[word + WORD.authorities] = answer.authorityCount;
    words[word + WORD.rotateFrom] = answer.rotateFrom;
    words[word + WORD.rotateCount] = answer.rotateCount;
    words[word + WORD.turn] = 0;
    words[word + WORD.name] = name.length;
    this.bytes.write(name, at + NAME_AT, 'latin1');
    const table = this.#tableAt(at);
    this.bytes.write(records, (table + count * 2) * 2, 'latin1');
    let offset = 0;
    for (let index = 0; index < count; index += 1) {
      const ttlAt = skipName(records, offset) + 4;
      offset = ttlAt + 6 + ((records.charCodeAt(ttlAt + 4) << 8) | records.charCodeAt(ttlAt + 5));
      words[table + index] = offset;
      words[table + count + index] = ttlAt;
    }
  }

  /** Memory without an answer in it. */
  writeGap(at: number, size: number): void {
    this.#doubleWords[at >> 2] = size;
    this.#words[(at >> 1) + WORD.state] = 0;
  }

  sizeAt(at: number): number {
    return this.#doubleWords[at >> 2] ?? 0;
  }

  isLive(at: number): boolean {
    return ((this.#words[(at >> 1) + WORD.state] ?? 0) & LIVE) !== 0;
  }

  /** Whether it was asked for since it came here; `forget` starts anew. */
  isUsed(at: number): boolean {
    return ((this.#words[(at >> 1) + WORD.state] ?? 0) & USED) !== 0;
  }

  forget(at: number): void {
    this.#words[(at >> 1) + WORD.state] = LIVE;
  }

  kill(at: number): void {
    this.#words[(at >> 1) + WORD.state] = 0;
  }

  hashAt(at: number): number {
    return this.#doubleWords[(at >> 2) + 9] ?? 0;
  }

  isOf(at: number, name: string, kind: number): boolean {
    if (this.#doubleWords[(at >> 2) + 8] !== kind) return false;
    if (this.#words[(at >> 1) + WORD.name] !== name.length) return false;
    const start = at + NAME_AT;
    for (let index = 0; index < name.length; index += 1) {
      if (this.bytes[start + index] !== name.charCodeAt(index)) return false;
    }
    return true;
  }

  countHit(at: number): void {
    const word = at >> 1;
    const hits = this.#words[word + WORD.hits] ?? 0;
    if (hits < MAX_HITS) this.#words[word + WORD.hits] = hits + 1;
    this.#words[word + WORD.state] = LIVE | USED;
  }

  hitsAt(at: number): number {
    return this.#words[(at >> 1) + WORD.hits] ?? 0;
  }

  storedAt(at: number): number {
    return this.#seconds[(at >> 3) + 1] ?? 0;
  }

  expiresAt(at: number): number {
    return this.#seconds[(at >> 3) + 2] ?? 0;
  }

  /** Until when it is given without asking anew; later than its end where asking has failed. */
  keptUntil(at: number): number {
    return this.#seconds[(at >> 3) + 3] ?? 0;
  }

  keep(at: number, until: number): void {
    this.#seconds[(at >> 3) + 3] = until;
  }

  rcodeAt(at: number): number {
    return this.#words[(at >> 1) + WORD.rcode] ?? 0;
  }

  isPositive(at: number): boolean {
    return this.#words[(at >> 1) + WORD.answers] !== 0;
  }

  /** Writes the answer to `query`, as {@link writeAnswer} does. */
  answer(at: number, query: Query, out: Buffer, ageSeconds: number): number {
    const words = this.#words;
    const word = at >> 1;
    const length = words[word + WORD.records] ?? 0;
    const start = query.questionEnd;
    if (length > query.limit - start - (query.edns ? OPT_BYTES : 0)) {
      return writeAnswer(query, this.read(at), out, ageSeconds);
    }
    copyQuestion(query, out);
    this.#copyRecords(at, out, start, ageSeconds);
    const rcode = words[word + WORD.rcode] ?? 0;
    const count = words[word + WORD.count] ?? 0;
    const answers = words[word + WORD.answers] ?? 0;
    const authorities = words[word + WORD.authorities] ?? 0;
    writeHeader(query, words[word + WORD.flags] ?? 0, rcode, out);
    writeWord(out, 4, 1);
    writeWord(out, 6, answers);
    writeWord(out, 8, authorities);
    writeWord(out, 10, count - answers - authorities + (query.edns ? 1 : 0));
    return query.edns ? writeOpt(query, rcode, out, start + length) : start + length;
  }

  /** The answer as it was written, in memory of its own. */
  read(at: number): Answer {
    const word = at >> 1;
    const [table, count] = [this.#tableAt(at), this.#words[word + WORD.count] ?? 0];
    const records = (table + count * 2) * 2;
    const [answerCount, authorityCount] = [
      this.#words[word + WORD.answers] ?? 0,
      this.#words[word + WORD.authorities] ?? 0,
    ];
    return {
      rcode: this.#words[word + WORD.rcode] ?? 0,
      flags: this.#words[word + WORD.flags] ?? 0,
      records: this.bytes.toString('latin1', records, records + (this.#words[word + WORD.records] ?? 0)),
      answerCount,
      authorityCount,
      additionalCount: count - answerCount - authorityCount,
      rotateFrom: this.#words[word + WORD.rotateFrom] ?? 0,
      rotateCount: this.#words[word + WORD.rotateCount] ?? 0,
      turn: this.#words[word + WORD.turn] ?? 0,
    };
  }

  /** The records, those of the last set rotated by one more than last time, all TTLs aged. */
  #copyRecords(at: number, out: Buffer, start: number, ageSeconds: number): void {
    const words = this.#words;
    const word = at >> 1;
    const count = words[word + WORD.count] ?? 0;
    const table = this.#tableAt(at);
    const records = (table + count * 2) * 2;
    const length = words[word + WORD.records] ?? 0;
    const turn = words[word + WORD.turn] ?? 0;
    const rotateCount = words[word + WORD.rotateCount] ?? 0;
    const from = words[word + WORD.rotateFrom] ?? 0;
    const first = from === 0 ? 0 : (words[table + from - 1] ?? 0);
    const cut = turn === 0 ? first : (words[table + from + turn - 1] ?? 0);
    const end = turn === 0 ? first : (words[table + from + rotateCount - 1] ?? 0);
    this.bytes.copy(out, start, records, records + length);
    if (turn > 0) {
      this.bytes.copy(out, start + first, records + cut, records + end);
      this.bytes.copy(out, start + first + end - cut, records + first, records + cut);
    }
    if (rotateCount > 1) words[word + WORD.turn] = turn + 1 === rotateCount ? 0 : turn + 1;
    if (ageSeconds === 0) return;
    for (let index = 0; index < count; index += 1) {
      const ttlAt = words[table + count + index] ?? 0;
      let moved = ttlAt;
      if (ttlAt >= first && ttlAt < end) moved += ttlAt < cut ? end - cut : first - cut;
      ageTtl(out, start + moved, ageSeconds);
    }
  }

  /** Where the records' ends begin, in words. */
  #tableAt(at: number): number {
    return (at + NAME_AT + (this.#words[(at >> 1) + WORD.name] ?? 0) + 1) >> 1;
  }
}

/** The offset behind the name at `start`; a pointer ends it. */
function skipName(records: string, start: number): number {
  let at = start;
  for (let length = records.charCodeAt(at); length > 0; length = records.charCodeAt(at)) {
    if (length >= 0xc0) return at + 2;
    at += 1 + length;
  }
  return at + 1;
}

function ageTtl(out: Buffer, at: number, ageSeconds: number): void {
  const ttl =
    (((out[at] ?? 0) << 24) | ((out[at + 1] ?? 0) << 16) | ((out[at + 2] ?? 0) << 8) | (out[at + 3] ?? 0)) >>>
    0;
  const left = ttl > ageSeconds ? ttl - ageSeconds : STALE_TTL_SECONDS;
  out[at] = left >>> 24;
  out[at + 1] = left >>> 16;
  out[at + 2] = left >>> 8;
  out[at + 3] = left;
}

function writeWord(out: Buffer, at: number, value: number): void {
  out[at] = value >> 8;
  out[at + 1] = value;
}
