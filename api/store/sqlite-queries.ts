import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { StoreError } from './store.ts';
import type { Entry, Page, StoreEvent } from './store.ts';
import type { HistoryPiece } from './watch-queue.ts';

/** The columns of `columns`: as arrays they cost a fifth less than as objects. */
type Row = readonly [key: string, revision: number, createRevision: number, value: string | null];

/** So many events of history are read at once. */
const historyPiece = 500;

/** What is read in pieces is read in pieces of so many characters, give or take one value: values may be large. */
const pieceLength = 1024 * 1024;

/** Rows in order, and whether more than these may follow. */
interface Rows {
  readonly rows: Row[];
  readonly more: boolean;
}

/** What the store reads and writes, in SQL. Each method is one step; transactions are the caller's. */
export class SqliteQueries {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** The newest revision of all, and the one that history begins after. */
  revisions(): { readonly newest: number; readonly compacted: number } {
    const compacted = this.#number('SELECT revision AS number FROM compaction');
    // Compaction may have removed the newest row (a deletion), never anything after it.
    const newest = Math.max(compacted, this.#number('SELECT max(revision) AS number FROM versions'));
    return { newest, compacted };
  }

  newest(key: string): Entry | undefined {
    const row = this.#rows(selectNewest, [key])[0];
    return row && toEntry(row);
  }

  /** Entries after a key, in order: a page of at most `limit`, or all. Without a revision the newest state. */
  list(
    prefix: string,
    after: string,
    limit: number | undefined,
    revision: number | undefined,
  ): Pick<Page, 'entries' | 'more'> {
    const range = [prefix, prefixEnd(prefix), after];
    const sql = revision === undefined ? listNewest : listAtRevision;
    const parameters = revision === undefined ? range : [...range, revision, revision];
    const { rows, more } =
      limit === undefined
        ? { rows: this.#rows(sql, [...parameters, -1]), more: false }
        : this.#piece(sql, parameters, limit);
    return { entries: rows.map(toEntry).filter((entry) => entry !== undefined), more };
  }

  count(prefix: string): number {
    return this.#number(countNewest, [prefix, prefixEnd(prefix)]);
  }

  put(entry: Entry, previous: Entry | undefined): void {
    if (previous) this.#statement(supersede).run(entry.revision, entry.key, previous.revision);
    this.#statement(insert).run(entry.key, entry.revision, entry.createRevision, null, entry.value);
  }

  remove(previous: Entry, revision: number): void {
    this.#statement(supersede).run(revision, previous.key, previous.revision);
    this.#statement(insert).run(previous.key, revision, previous.createRevision, revision, null);
  }

  /** Forgets what was superseded at or before a revision. */
  compact(revision: number): void {
    this.#statement('DELETE FROM versions WHERE superseded <= ?').run(revision);
    this.#statement('UPDATE compaction SET revision = ?').run(revision);
  }

  /** Events after a revision, oldest first, with what each replaced. `newest` is the newest revision there is. */
  history(prefix: string, afterRevision: number, newest: number): HistoryPiece {
    const range = [prefix, prefixEnd(prefix)];
    const { rows, more } = this.#piece(selectHistory, [...range, afterRevision], historyPiece);
    if (!more) return { events: rows.map((row) => this.#toEvent(row)), revision: newest, more };
    // The piece may end within the last transaction: that comes whole with the next piece, or alone.
    const last = rows.at(-1)?.[1] ?? 0;
    const before = rows.filter(([, revision]) => revision < last);
    const whole = before.length > 0 ? before : this.#rows(selectTransaction, [...range, last]);
    const events = whole.map((row) => this.#toEvent(row));
    return { events, revision: whole.at(-1)?.[1] ?? last, more: true };
  }

  #toEvent(row: Row): StoreEvent {
    const [key, revision] = row;
    const before = this.#rows(selectSuperseded, [key, revision])[0];
    const previous = before && toEntry(before);
    const entry = toEntry(row);
    if (entry) return { type: 'put', revision, entry, previous };
    if (!previous) throw new StoreError('unavailable', `the history of ${key} is broken`);
    return { type: 'delete', revision, previous };
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
    const statement = this.#statement(sql);
    statement.setReturnArrays(true);
    // The statements below select exactly these columns.
    return statement.all(...parameters) as unknown as Row[];
  }

  /** At most `limit` rows of a statement whose last parameter is its limit, fewer of large values. */
  #piece(sql: string, parameters: readonly SQLInputValue[], limit: number): Rows {
    const statement = this.#statement(sql);
    statement.setReturnArrays(true);
    const rows: Row[] = [];
    let length = 0;
    // One more than wanted tells whether there is more.
    for (const each of statement.iterate(...parameters, limit + 1)) {
      if (rows.length === limit || length > pieceLength) return { rows, more: true };
      // The statements below select exactly these columns.
      const row = each as unknown as Row;
      rows.push(row);
      length += row[3]?.length ?? 0;
    }
    return { rows, more: false };
  }

  #number(sql: string, parameters: readonly SQLInputValue[] = []): number {
    return Number(this.#statement(sql).get(...parameters)?.['number'] ?? 0);
  }
}

/** The first text after every key that starts with `prefix`: SQLite compares text as UTF-8 bytes. */
function prefixEnd(prefix: string): string {
  return `${prefix}\u{10ffff}`;
}

/** Undefined for a deletion. */
function toEntry([key, revision, createRevision, value]: Row): Entry | undefined {
  return value === null ? undefined : { key, value, createRevision, revision };
}

const columns = 'key, revision, create_revision, value';
const insert =
  'INSERT INTO versions (key, revision, create_revision, superseded, value) VALUES (?, ?, ?, ?, ?)';
const supersede = 'UPDATE versions SET superseded = ? WHERE key = ? AND revision = ?';
const selectNewest = `SELECT ${columns} FROM versions WHERE key = ? AND superseded IS NULL`;
const selectSuperseded = `SELECT ${columns} FROM versions WHERE key = ? AND superseded = ? AND revision < superseded`;
const selectHistory = `SELECT ${columns} FROM versions INDEXED BY versions_by_revision
  WHERE key >= ?1 AND key < ?2 AND revision > ?3 ORDER BY revision, key LIMIT ?4`;
const selectTransaction = `SELECT ${columns} FROM versions INDEXED BY versions_by_revision
  WHERE key >= ?1 AND key < ?2 AND revision = ?3 ORDER BY key`;
const listNewest = `SELECT ${columns} FROM versions INDEXED BY versions_newest
  WHERE key >= ? AND key < ? AND key > ? AND superseded IS NULL ORDER BY key LIMIT ?`;
const listAtRevision = `SELECT ${columns} FROM versions
  WHERE key >= ? AND key < ? AND key > ? AND revision <= ? AND (superseded IS NULL OR superseded > ?)
  ORDER BY key LIMIT ?`;
const countNewest =
  'SELECT count(*) AS number FROM versions WHERE key >= ? AND key < ? AND superseded IS NULL';
