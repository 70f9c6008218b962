import type { Answer } from './answer.ts';
import type { ResourceRecord } from './records.ts';
import type { RecordsByName } from './service-records.ts';

/** One owner's records at a name: two headless Services may select one pod, whose address then has two PTR records. */
interface Part {
  readonly owner: string;
  readonly records: readonly ResourceRecord[];
  readonly next: Part | undefined;
}

/** The records at one name, and the answers encoded from them so far, by type. Kept small: there are many. */
export interface Entry {
  readonly part: Part;
  answers: Map<number, Answer> | undefined;
}

/** Records by name, replaced owner by owner: a change touches the names of its owner only. */
export class ZoneEntries {
  readonly #entries = new Map<string, Entry>();
  /** The names that each owner's records stand at. */
  readonly #owned = new Map<string, RecordsByName>();

  get(name: string): Entry | undefined {
    return this.#entries.get(name);
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** Puts an owner's records in place of those it had; none removes the owner. */
  replace(owner: string, records: RecordsByName): void {
    for (const name of this.#owned.get(owner)?.keys() ?? []) {
      if (!records.has(name)) this.#setPart(name, owner, undefined);
    }
    for (const [name, part] of records) this.#setPart(name, owner, part);
    if (records.size > 0) this.#owned.set(owner, records);
    else this.#owned.delete(owner);
  }

  #setPart(name: string, owner: string, records: readonly ResourceRecord[] | undefined): void {
    const others = withoutOwner(this.#entries.get(name)?.part, owner);
    const part = records ? { owner, records, next: others } : others;
    if (part) this.#entries.set(name, { part, answers: undefined });
    else this.#entries.delete(name);
  }
}

export function recordsIn(entry: Entry, type: number): ResourceRecord[] {
  const found: ResourceRecord[] = [];
  for (let part: Part | undefined = entry.part; part; part = part.next) {
    for (const record of part.records) if (record.type === type) found.push(record);
  }
  return found;
}

function withoutOwner(part: Part | undefined, owner: string): Part | undefined {
  if (!part) return undefined;
  const next = withoutOwner(part.next, owner);
  if (part.owner === owner) return next;
  return next === part.next ? part : { ...part, next };
}
