import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { openDatabase, toStoreError } from './sqlite-schema.ts';
import { StoreError } from './store.ts';
import type {
  Entry,
  ListOptions,
  Page,
  Store,
  StoreEvent,
  StoreWatch,
  WatchHandler,
  Write,
} from './store.ts';
import { WatchQueue } from './watch-queue.ts';

interface Row {
  readonly key: string;
  readonly revision: number;
  readonly create_revision: number;
  readonly value: string | null;
}

interface Waiting {
  readonly writes: readonly Write[];
  readonly resolve: (revision: number) => void;
  readonly reject: (error: StoreError) => void;
}

/** The first text after every key that starts with `prefix`: SQLite compares text as UTF-8 bytes. */
function prefixEnd(prefix: string): string {
  return `${prefix}\u{10ffff}`;
}

function toEntry(row: Row & { readonly value: string }): Entry {
  return { key: row.key, value: row.value, createRevision: row.create_revision, revision: row.revision };
}

/**
 * The embedded store: one SQLite file, one process. SQLite's calls are synchronous, so each method is one
 * indivisible step and transactions need no lock of ours.
 */
export class SqliteStore implements Store {
  readonly #file: string;
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #watches = new Set<WatchQueue>();
  #waiting: Waiting[] = [];
  #revision: number;
  #compacted: number;
  #closed = false;

  /** Opens or makes the file. Throws StoreError `locked` when another process has it. */
  static open(file: string): SqliteStore {
    return new SqliteStore(file);
  }

  private constructor(file: string) {
    this.#file = file;
    this.#database = openDatabase(file);
    this.#compacted = this.#number('SELECT revision AS number FROM compaction');
    // Compaction may have removed the newest row (a deletion), never anything after it.
    this.#revision = Math.max(this.#compacted, this.#number('SELECT max(revision) AS number FROM versions'));
  }

  currentRevision(): Promise<number> {
    return this.#attempt(() => this.#revision);
  }

  get(key: string): Promise<Entry | undefined> {
    return this.#attempt(() => this.#newest(key));
  }

  list(prefix: string, options: ListOptions = {}): Promise<Page> {
    return this.#attempt(() => {
      const revision = options.revision ?? this.#revision;
      this.#checkReadable(revision);
      const limit = options.limit ?? -1;
      const after = options.startAfter ?? '';
      // One more than asked for tells whether there is more.
      const rows = this.#rows(
        revision === this.#revision ? listNewest : listAtRevision,
        revision === this.#revision
          ? [prefix, prefixEnd(prefix), after, limit < 0 ? -1 : limit + 1]
          : [prefix, prefixEnd(prefix), after, revision, revision, limit < 0 ? -1 : limit + 1],
      );
      const more = limit >= 0 && rows.length > limit;
      if (more) rows.length = limit;
      return { entries: rows.filter(hasValue).map(toEntry), revision, more };
    });
  }

  count(prefix: string): Promise<number> {
    return this.#attempt(() => this.#number(countNewest, [prefix, prefixEnd(prefix)]));
  }

  /** Transactions that arrive together share one commit, so that many writers wait for one fsync, not each other's. */
  write(writes: readonly Write[]): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) setImmediate(() => this.#commitWaiting());
      this.#waiting.push({ writes, resolve, reject });
    });
  }

  watch(prefix: string, afterRevision: number, handler: WatchHandler): StoreWatch {
    const queue = new WatchQueue(prefix, handler, () => this.#watches.delete(queue));
    try {
      this.#checkOpen();
      this.#checkReadable(afterRevision);
      queue.push(this.#history(prefix, afterRevision), this.#revision);
      this.#watches.add(queue);
    } catch (error) {
      queue.end(toStoreError(error, this.#file));
    }
    return queue;
  }

  compact(revision: number): Promise<void> {
    return this.#attempt(() => {
      if (revision > this.#revision)
        throw new StoreError('future', `revision ${revision} does not exist yet`);
      if (revision <= this.#compacted) return;
      this.#database.exec('BEGIN IMMEDIATE');
      try {
        this.#statement('DELETE FROM versions WHERE superseded <= ?').run(revision);
        this.#statement('UPDATE compaction SET revision = ?').run(revision);
        this.#database.exec('COMMIT');
      } catch (error) {
        if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
        throw error;
      }
      this.#compacted = revision;
    });
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#commitWaiting();
    this.#closed = true;
    for (const watch of this.#watches) watch.end(new StoreError('closed', 'the store is closed'));
    this.#watches.clear();
    this.#database.close();
    return Promise.resolve();
  }

  #commitWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    if (waiting.length === 0) return;
    const settled: (() => void)[] = [];
    const committed: { readonly events: readonly StoreEvent[]; readonly revision: number }[] = [];
    try {
      this.#checkOpen();
      this.#database.exec('BEGIN IMMEDIATE');
      let revision = this.#revision;
      for (const { writes, resolve, reject } of waiting) {
        const result = this.#applyAll(writes, revision + 1);
        if (result instanceof StoreError) {
          settled.push(() => reject(result));
          continue;
        }
        if (result.length > 0) committed.push({ events: result, revision: (revision += 1) });
        const reached = revision;
        settled.push(() => resolve(reached));
      }
      this.#database.exec('COMMIT');
      this.#revision = revision;
    } catch (error) {
      if (this.#database.isOpen && this.#database.isTransaction) this.#database.exec('ROLLBACK');
      const failure = toStoreError(error, this.#file);
      for (const { reject } of waiting) reject(failure);
      return;
    }
    for (const settle of settled) settle();
    for (const { events, revision } of committed) {
      for (const watch of this.#watches) watch.push(events, revision);
    }
  }

  /** One transaction within the commit: all of it, or its error and nothing of it. */
  #applyAll(writes: readonly Write[], revision: number): StoreEvent[] | StoreError {
    this.#database.exec('SAVEPOINT one');
    try {
      const events = writes
        .map((write) => this.#apply(write, revision))
        .filter((event) => event !== undefined);
      this.#database.exec('RELEASE one');
      return events;
    } catch (error) {
      this.#database.exec('ROLLBACK TO one; RELEASE one');
      return toStoreError(error, this.#file);
    }
  }

  #apply(write: Write, revision: number): StoreEvent | undefined {
    const { key } = write;
    const previous = this.#newest(key);
    if (write.type === 'create') {
      if (previous) throw new StoreError('exists', `${key} exists`, { key });
      return this.#put({ key, value: write.value, createRevision: revision, revision }, undefined);
    }
    if (write.expectedRevision !== undefined && previous?.revision !== write.expectedRevision) {
      throw new StoreError('conflict', `${key} is not at revision ${write.expectedRevision}`, { key });
    }
    if (!previous) return undefined;
    if (write.type === 'update') {
      return this.#put(
        { key, value: write.value, createRevision: previous.createRevision, revision },
        previous,
      );
    }
    this.#statement(supersede).run(revision, key, previous.revision);
    this.#statement(insert).run(key, revision, previous.createRevision, revision, null);
    return { type: 'delete', revision, previous };
  }

  #put(entry: Entry, previous: Entry | undefined): StoreEvent {
    if (previous) this.#statement(supersede).run(entry.revision, entry.key, previous.revision);
    this.#statement(insert).run(entry.key, entry.revision, entry.createRevision, null, entry.value);
    return { type: 'put', revision: entry.revision, entry, previous };
  }

  #newest(key: string): Entry | undefined {
    const row = this.#rows(selectNewest, [key])[0];
    return row && hasValue(row) ? toEntry(row) : undefined;
  }

  /** Events after a revision, oldest first, with what each replaced. */
  #history(prefix: string, afterRevision: number): StoreEvent[] {
    if (afterRevision >= this.#revision) return [];
    return this.#rows(selectHistory, [prefix, prefixEnd(prefix), afterRevision]).map((row) => {
      const before = this.#rows(selectSuperseded, [row.key, row.revision])[0];
      const previous = before && hasValue(before) ? toEntry(before) : undefined;
      if (hasValue(row)) return { type: 'put', revision: row.revision, entry: toEntry(row), previous };
      if (!previous) throw new StoreError('unavailable', `${this.#file}: history of ${row.key} is broken`);
      return { type: 'delete', revision: row.revision, previous };
    });
  }

  #checkReadable(revision: number): void {
    if (revision > this.#revision) {
      throw new StoreError('future', `revision ${revision} does not exist yet`, { revision: this.#revision });
    }
    if (revision < this.#compacted) {
      throw new StoreError('compacted', `revision ${revision} is compacted`, { revision: this.#compacted });
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new StoreError('closed', 'the store is closed');
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #rows(sql: string, parameters: readonly SQLInputValue[]): Row[] {
    // The statements below select exactly these columns.
    return this.#statement(sql).all(...parameters) as unknown as Row[];
  }

  #number(sql: string, parameters: readonly SQLInputValue[] = []): number {
    return Number(this.#statement(sql).get(...parameters)?.['number'] ?? 0);
  }

  #attempt<T>(step: () => T): Promise<T> {
    try {
      this.#checkOpen();
      return Promise.resolve(step());
    } catch (error) {
      return Promise.reject(toStoreError(error, this.#file));
    }
  }
}

function hasValue(row: Row): row is Row & { readonly value: string } {
  return row.value !== null;
}

const columns = 'key, revision, create_revision, value';
const insert =
  'INSERT INTO versions (key, revision, create_revision, superseded, value) VALUES (?, ?, ?, ?, ?)';
const supersede = 'UPDATE versions SET superseded = ? WHERE key = ? AND revision = ?';
const selectNewest = `SELECT ${columns} FROM versions WHERE key = ? AND superseded IS NULL`;
const selectSuperseded = `SELECT ${columns} FROM versions WHERE key = ? AND superseded = ? AND revision < superseded`;
const selectHistory = `SELECT ${columns} FROM versions INDEXED BY versions_by_revision
  WHERE key >= ?1 AND key < ?2 AND revision > ?3 ORDER BY revision, key`;
const listNewest = `SELECT ${columns} FROM versions INDEXED BY versions_newest
  WHERE key >= ? AND key < ? AND key > ? AND superseded IS NULL ORDER BY key LIMIT ?`;
const listAtRevision = `SELECT ${columns} FROM versions
  WHERE key >= ? AND key < ? AND key > ? AND revision <= ? AND (superseded IS NULL OR superseded > ?)
  ORDER BY key LIMIT ?`;
const countNewest =
  'SELECT count(*) AS number FROM versions WHERE key >= ? AND key < ? AND superseded IS NULL';
