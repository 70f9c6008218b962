import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { StoreError } from './store.ts';
import type { Entry, StoreEvent } from './store.ts';
import type { HistoryPiece } from './watch-queue.ts';

interface Row {
  readonly key: string;
  readonly revision: number;
  readonly create_revision: number;
  readonly value: string | null;
}

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
    return row && hasValue(row) ? toEntry(row) : undefined;
  }

  /** Entries after a key, in order; at most `limit`, or all with -1. Without a revision the newest state. */
  list(prefix: string, after: string, limit: number, revision: number | undefined): Entry[] {
    const range = [prefix, prefixEnd(prefix), after];
    const rows =
      revision === undefined
        ? this.#rows(listNewest, [...range, limit])
        : this.#rows(listAtRevision, [...range, revision, revision, limit]);
    return rows.filter(hasValue).map(toEntry);
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
    const last = rows.at(-1)?.revision ?? 0;
    const before = rows.filter((row) => row.revision < last);
    const whole = before.length > 0 ? before : this.#rows(selectTransaction, [...range, last]);
    const events = whole.map((row) => this.#toEvent(row));
    return { events, revision: whole.at(-1)?.revision ?? last, more: true };
  }

  #toEvent(row: Row): StoreEvent {
    const before = this.#rows(selectSuperseded, [row.key, row.revision])[0];
    const previous = before && hasValue(before) ? toEntry(before) : undefined;
    if (hasValue(row)) return { type: 'put', revision: row.revision, entry: toEntry(row), previous };
    if (!previous) throw new StoreError('unavailable', `the history of ${row.key} is broken`);
    return { type: 'delete', revision: row.revision, previous };
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
}

/** The first text after every key that starts with `prefix`: SQLite compares text as UTF-8 bytes. */
function prefixEnd(prefix: string): string {
  return `${prefix}\u{10ffff}`;
}

function toEntry(row: Row & { readonly value: string }): Entry {
  return { key: row.key, value: row.value, createRevision: row.create_revision, revision: row.revision };
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
