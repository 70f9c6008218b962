import { randomInt } from 'node:crypto';
import type { Answer } from './answer.ts';
import { AnswerMemory, entrySize, UNIT, type Lifetime } from './cached-answer.ts';
import { MAX_MESSAGE_BYTES } from './wire.ts';

/** Where an answer may stand: in one of so many places, which its question's hash names. */
const WAYS = 8;
/** About what the shortest answers take: as many places as there can be answers are enough. */
const LEAST_ENTRY_BYTES = 100;
const PLACE_BYTES = 8;
/** Of a cache's memory, for one answer. */
const MAX_SHARE = 1 / 8;
/** Answers in use that are saved from being overwritten for one new one. */
const MAX_RESCUES = 4;

/**
 * Answers by question in memory of a fixed size, outside of the garbage collector's: a ring in which new answers
 * overwrite the oldest, except those that were asked for meanwhile, and a table of places by hash. Neither time
 * nor memory depends on what is asked: a table with many questions of one hash forgets some. Knows no clock.
 *
 * Offsets are good until the next {@link set}.
 */
export class AnswerCache {
  readonly memory: AnswerMemory;
  /** Offsets in {@link memory}, as multiples of 8 and plus one; 0: free. */
  readonly #places: Int32Array;
  readonly #hashes: Uint32Array;
  readonly #bucketMask: number;
  readonly #capacity: number;
  /** Unknown to others: nobody can ask for names of one hash. */
  readonly #seed = randomInt(2 ** 32);
  /** Where the next answer goes, the oldest one is, and how much is between them. */
  #head = 0;
  #tail = 0;
  #filled = 0;
  #size = 0;

  constructor(maxBytes: number) {
    const places = 2 ** Math.ceil(Math.log2(Math.max(maxBytes / LEAST_ENTRY_BYTES, WAYS)));
    this.#places = new Int32Array(places);
    this.#hashes = new Uint32Array(places);
    this.#bucketMask = places / WAYS - 1;
    this.memory = new AnswerMemory(Math.max(maxBytes - places * PLACE_BYTES, 0));
    this.#capacity = this.memory.bytes.length;
  }

  /** How much memory the answers take. */
  get bytes(): number {
    return this.#filled;
  }

  get size(): number {
    return this.#size;
  }

  /** The answer's offset, however old it is; -1 where there is none. `kind` is what else tells questions apart. */
  find(name: string, kind: number): number {
    const hash = this.#hash(name, kind);
    const first = (hash & this.#bucketMask) * WAYS;
    for (let place = first; place < first + WAYS; place += 1) {
      if (this.#hashes[place] !== hash || this.#places[place] === 0) continue;
      const at = offsetIn(this.#places, place);
      if (this.memory.isOf(at, name, kind)) return at;
    }
    return -1;
  }

  /** Keeps an answer, unless it is too large to. */
  set(name: string, kind: number, answer: Answer, lifetime: Lifetime): void {
    const hash = this.#hash(name, kind);
    const old = this.find(name, kind);
    if (old >= 0) this.#remove(old);
    const size = entrySize(name, answer);
    if (size > this.#capacity * MAX_SHARE || answer.records.length > MAX_MESSAGE_BYTES) return;
    const rescued: Buffer[] = [];
    const at = this.#allocate(size, rescued);
    this.memory.write(at, name, kind, hash, answer, lifetime);
    for (const entry of rescued) {
      const to = this.#allocate(entry.length, undefined);
      entry.copy(this.memory.bytes, to);
      this.memory.forget(to);
      this.#place(to, this.memory.hashAt(to));
    }
    // Last: where a rescued one has the same hash, the new one pushes it out, and not the other way round.
    this.#place(at, hash);
  }

  /** Room at the head. What is in the way goes, or into `rescued` when it was asked for. */
  #allocate(size: number, rescued: Buffer[] | undefined): number {
    for (;;) {
      const isSplit = this.#filled > 0 && this.#head <= this.#tail;
      const end = isSplit ? this.#tail : this.#capacity;
      if (size <= end - this.#head) break;
      if (isSplit) this.#drop(rescued);
      else this.#skipToStart();
    }
    const at = this.#head;
    this.#head = (at + size) % this.#capacity;
    this.#filled += size;
    return at;
  }

  /** Gives up the rest of the memory behind the head. */
  #skipToStart(): void {
    if (this.#filled === 0) this.#tail = 0;
    else {
      this.memory.writeGap(this.#head, this.#capacity - this.#head);
      this.#filled += this.#capacity - this.#head;
    }
    this.#head = 0;
  }

  /** The oldest goes. */
  #drop(rescued: Buffer[] | undefined): void {
    const at = this.#tail;
    const size = this.memory.sizeAt(at);
    if (this.memory.isLive(at)) {
      if (rescued && rescued.length < MAX_RESCUES && this.memory.isUsed(at)) {
        rescued.push(Buffer.from(this.memory.bytes.subarray(at, at + size)));
      }
      this.#remove(at);
    }
    this.#tail = (at + size) % this.#capacity;
    this.#filled -= size;
  }

  #place(at: number, hash: number): void {
    const first = (hash & this.#bucketMask) * WAYS;
    const bucket = this.#places.subarray(first, first + WAYS);
    let way = bucket.indexOf(0);
    if (way < 0) {
      way = Math.max(
        bucket.findIndex((entry) => !this.memory.isUsed((entry - 1) * UNIT)),
        0,
      );
      this.#remove(offsetIn(this.#places, first + way));
    }
    this.#places[first + way] = at / UNIT + 1;
    this.#hashes[first + way] = hash;
    this.#size += 1;
  }

  #remove(at: number): void {
    const first = (this.memory.hashAt(at) & this.#bucketMask) * WAYS;
    const place = this.#places.subarray(first, first + WAYS).indexOf(at / UNIT + 1);
    this.#places[first + place] = 0;
    this.memory.kill(at);
    this.#size -= 1;
  }

  /** FNV-1a from a secret start, its bits mixed at the end as in MurmurHash3. */
  #hash(name: string, kind: number): number {
    let hash = this.#seed ^ kind;
    for (let index = 0; index < name.length; index += 1) {
      hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
    }
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return (hash ^ (hash >>> 16)) >>> 0;
  }
}

function offsetIn(places: Int32Array, place: number): number {
  return ((places[place] ?? 0) - 1) * UNIT;
}
