import type { DatabaseSync } from 'node:sqlite';
import { SqliteQueries } from './sqlite-queries.ts';
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
import type { HistoryPiece } from './watch-queue.ts';

interface Waiting {
  readonly writes: readonly Write[];
  readonly resolve: (revision: number) => void;
  readonly reject: (error: StoreError) => void;
}

/**
 * The embedded store: one SQLite file, one process. SQLite's calls are synchronous, so each method is one
 * indivisible step and transactions need no lock of ours.
 */
export class SqliteStore implements Store {
  readonly #file: string;
  readonly #database: DatabaseSync;
  readonly #queries: SqliteQueries;
  /** By prefix: however many watch a collection, an event is compared with its prefix once. */
  readonly #watches = new Map<string, Set<WatchQueue>>();
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
    this.#queries = new SqliteQueries(this.#database);
    const { newest, compacted } = this.#queries.revisions();
    this.#revision = newest;
    this.#compacted = compacted;
  }

  currentRevision(): Promise<number> {
    return this.#attempt(() => this.#revision);
  }

  get(key: string): Promise<Entry | undefined> {
    return this.#attempt(() => this.#queries.newest(key));
  }

  list(prefix: string, options: ListOptions = {}): Promise<Page> {
    return this.#attempt(() => {
      const revision = options.revision ?? this.#revision;
      this.#checkReadable(revision);
      const at = revision === this.#revision ? undefined : revision;
      const page = this.#queries.list(prefix, options.startAfter ?? '', options.limit, at);
      return { ...page, revision };
    });
  }

  count(prefix: string): Promise<number> {
    return this.#attempt(() => this.#queries.count(prefix));
  }

  /** Transactions that arrive together share one commit, so that many writers wait for one fsync, not each other's. */
  write(writes: readonly Write[]): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) setImmediate(() => this.#commitWaiting());
      this.#waiting.push({ writes, resolve, reject });
    });
  }

  watch(prefix: string, afterRevision: number, handler: WatchHandler): StoreWatch {
    const queue = new WatchQueue(prefix, afterRevision, handler, {
      revision: () => this.#revision,
      history: (prefix, after) => this.#history(prefix, after),
      forget: (queue) => this.#forget(queue),
    });
    try {
      this.#checkOpen();
      this.#checkReadable(afterRevision);
      const watches = this.#watches.get(prefix) ?? new Set();
      this.#watches.set(prefix, watches.add(queue));
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
        this.#queries.compact(revision);
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
    for (const watches of this.#watches.values()) {
      for (const watch of watches) watch.end(new StoreError('closed', 'the store is closed'));
    }
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
    for (const { events, revision } of committed) this.#tellWatches(events, revision);
  }

  #tellWatches(events: readonly StoreEvent[], revision: number): void {
    for (const [prefix, watches] of this.#watches) {
      const concerned = events.filter((event) => keyOf(event).startsWith(prefix));
      if (concerned.length > 0) for (const watch of watches) watch.push(concerned, revision);
    }
  }

  #forget(queue: WatchQueue): void {
    const watches = this.#watches.get(queue.prefix);
    watches?.delete(queue);
    if (watches?.size === 0) this.#watches.delete(queue.prefix);
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
    const previous = this.#queries.newest(key);
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
    this.#queries.remove(previous, revision);
    return { type: 'delete', revision, previous };
  }

  #put(entry: Entry, previous: Entry | undefined): StoreEvent {
    this.#queries.put(entry, previous);
    return { type: 'put', revision: entry.revision, entry, previous };
  }

  #history(prefix: string, afterRevision: number): HistoryPiece {
    try {
      this.#checkReadable(afterRevision);
      return this.#queries.history(prefix, afterRevision, this.#revision);
    } catch (error) {
      throw toStoreError(error, this.#file);
    }
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

  #attempt<T>(step: () => T): Promise<T> {
    try {
      this.#checkOpen();
      return Promise.resolve(step());
    } catch (error) {
      return Promise.reject(toStoreError(error, this.#file));
    }
  }
}

function keyOf(event: StoreEvent): string {
  return event.type === 'put' ? event.entry.key : event.previous.key;
}
