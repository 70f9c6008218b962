import type { Answer } from './answer.ts';
import type { Apex } from './zone-apex.ts';

/** What was found out about a question: its answer, or that the name has no such records. */
interface KnownAnswer {
  readonly type: number;
  readonly answer: Answer | undefined;
  /** The zone whose SOA proves that there are no such records. */
  readonly apex: Apex;
  /** The same for another type of the name. */
  readonly next: KnownAnswer | undefined;
}

/** What an entry weighs beside its text: objects, strings' heads, places in maps. */
const ENTRY_BYTES = 350;

/**
 * Answers to questions that were asked before, until what they say changes. Bounded by bytes: when they are too many
 * all are forgotten, and those that are in use come again; a change of the zone costs no more than what hangs on it.
 */
export class KnownAnswers {
  readonly #maxBytes: number;
  readonly #byName = new Map<string, KnownAnswer>();
  /** Names by what their answers follow from. */
  readonly #namesOf = new Map<object, Set<string>>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get(name: string, type: number): KnownAnswer | undefined {
    let known = this.#byName.get(name);
    while (known !== undefined && known.type !== type) known = known.next;
    return known;
  }

  /** Keeps an answer, or that there is none, until one of `sources` is forgotten. */
  set(name: string, { type, answer, apex }: Omit<KnownAnswer, 'next'>, sources: readonly object[]): void {
    this.#bytes += bytesOf(answer);
    if (this.#bytes > this.#maxBytes) {
      this.#byName.clear();
      this.#namesOf.clear();
      this.#bytes = bytesOf(answer);
    }
    const next = this.#byName.get(name);
    this.#byName.set(name, { type, answer, apex, next });
    if (next) return;
    for (const source of sources) {
      const names = this.#namesOf.get(source);
      if (names) names.add(name);
      else this.#namesOf.set(source, new Set([name]));
    }
  }

  /** Forgets what followed from `source`. */
  forget(source: object): void {
    for (const name of this.#namesOf.get(source) ?? []) {
      for (let known = this.#byName.get(name); known; known = known.next) {
        this.#bytes -= bytesOf(known.answer);
      }
      this.#byName.delete(name);
    }
    this.#namesOf.delete(source);
  }
}

function bytesOf(answer: Answer | undefined): number {
  return ENTRY_BYTES + (answer?.records.length ?? 0);
}
