import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { StoreError } from './store.ts';
import type { Entry, StoreEvent } from './store.ts';
import type { HistoryPiece } from './watch-queue.ts';

/** The columns of `columns`: as arrays they cost a fifth less than as objects. */
type Row = readonly [key: string, revision: number, createRevision: number, value: string | null];

/** So many events of history are read at once. */
const historyPiece = 500;

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

  /** Entries after a key, in order; at most `limit`, or all with -1. Without a revision the newest state. */
  list(prefix: string, after: string, limit: number, revision: number | undefined): Entry[] {
    const range = [prefix, prefixEnd(prefix), after];
    const rows =
      revision === undefined
        ? this.#rows(listNewest, [...range, limit])
        : this.#rows(listAtRevision, [...range, revision, revision, limit]);
    return rows.map(toEntry).filter((entry) => entry !== undefined);
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
    const rows = this.#rows(selectHistory, [...range, afterRevision, historyPiece]);
    if (rows.length < historyPiece) {
      return { events: rows.map((row) => this.#toEvent(row)), revision: newest, more: false };
    }
    // The limit may have cut through the last transaction: it comes whole with the next piece, or alone.
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
