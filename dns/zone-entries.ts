import type { Answer } from './answer.ts';
import type { ResourceRecord } from './records.ts';
import type { RecordSource } from './service-records.ts';

/** The records at one name, and the answers encoded from them so far, by type. */
export interface Entry {
  readonly records: readonly ResourceRecord[];
  answers: Map<number, Answer> | undefined;
}

/**
 * Records by name, replaced owner by owner: a change touches the names of its owner only. Two headless Services may
 * select one pod, whose address then has two PTR records. Of names that nobody asks for only the owner is kept.
 */
export class ZoneEntries {
  /** The names that were asked for since their last change. */
  readonly #entries = new Map<string, Entry>();
  /** Whose records stand at each name; the newest first where there are several. */
  readonly #sources = new Map<string, RecordSource | readonly RecordSource[]>();
  readonly #owners = new Map<string, RecordSource>();

  get(name: string): Entry | undefined {
    const known = this.#entries.get(name);
    if (known) return known;
    if (!this.#sources.has(name)) return undefined;
    const records = this.#sourcesOf(name).flatMap((source) => source.records().get(name) ?? []);
    const entry = { records, answers: undefined };
    this.#entries.set(name, entry);
    return entry;
  }

  has(name: string): boolean {
    return this.#sources.has(name);
  }

  /** Puts an owner's records in place of those it had; undefined, or a source without any, removes the owner. */
  replace(owner: string, source: RecordSource | undefined): void {
    // First of all: what cannot be expressed leaves everything as it was.
    const names = [...(source?.records().keys() ?? [])];
    const before = this.#owners.get(owner);
    for (const name of before?.records().keys() ?? []) {
      this.#setSources(
        name,
        this.#sourcesOf(name).filter((other) => other !== before),
      );
    }
    if (!source || names.length === 0) {
      this.#owners.delete(owner);
      return;
    }
    this.#owners.set(owner, source);
    for (const name of names) this.#setSources(name, [source, ...this.#sourcesOf(name)]);
  }

  #sourcesOf(name: string): readonly RecordSource[] {
    const sources = this.#sources.get(name) ?? [];
    return isList(sources) ? sources : [sources];
  }

  #setSources(name: string, sources: readonly RecordSource[]): void {
    this.#entries.delete(name);
    const [first] = sources;
    if (first === undefined) this.#sources.delete(name);
    else this.#sources.set(name, sources.length === 1 ? first : sources);
  }
}

function isList(sources: RecordSource | readonly RecordSource[]): sources is readonly RecordSource[] {
  return Array.isArray(sources);
}

export function recordsIn(entry: Entry, type: number): ResourceRecord[] {
  return entry.records.filter((record) => record.type === type);
}
