import type { Answer } from './answer.ts';

/** An answer and its times, in seconds of the caller's clock. */
export interface CachedAnswer {
  readonly answer: Answer;
  readonly storedAt: number;
  readonly expiresAt: number;
  /** How often it was asked for since it was stored. */
  hits: number;
}

/** What an entry weighs beside its bytes: keys, objects, arrays. */
const ENTRY_BYTES = 400;

/** Answers by question, bounded by bytes: those that were not asked for longest go first. Knows no clock. */
export class AnswerCache {
  readonly #maxBytes: number;
  /** In the order of their last use. */
  readonly #entries = new Map<string, CachedAnswer>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** About how much memory the answers take. */
  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The answer, however old. */
  get(key: string): CachedAnswer | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    entry.hits += 1;
    return entry;
  }

  set(key: string, answer: Answer, storedAt: number, expiresAt: number): void {
    this.remove(key);
    const entry = { answer, storedAt, expiresAt, hits: 0 };
    const bytes = entryBytes(key, answer);
    if (bytes > this.#maxBytes) return;
    this.#entries.set(key, entry);
    this.#bytes += bytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.remove(oldest);
    }
  }

  remove(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    this.#bytes -= entryBytes(key, entry.answer);
  }
}

function entryBytes(key: string, { records }: Answer): number {
  return ENTRY_BYTES + key.length + records.length;
}
