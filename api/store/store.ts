/** One stored version of one key. Entries are shared between readers and never change. */
export interface Entry {
  readonly key: string;
  readonly value: string;
  /** The revision that created the key (again after a deletion). */
  readonly createRevision: number;
  /** The revision that wrote this version. */
  readonly revision: number;
}

/** One page of a list: every entry as it was at `revision`, ordered by key. */
export interface Page {
  readonly entries: readonly Entry[];
  readonly revision: number;
  /** True if the page was cut short; go on with `startAfter` and the same `revision`. */
  readonly more: boolean;
}

export interface ListOptions {
  /** At most this many entries, and fewer where they are large; absent: all. */
  readonly limit?: number;
  /** Only keys greater than this one. */
  readonly startAfter?: string;
  /** The state at this revision instead of the newest. Older than the compaction: `compacted`; in the future: `future`. */
  readonly revision?: number;
}

/** One step of a transaction. A key may appear once in a transaction. */
export type Write =
  /** Fails with `exists` when the key is there. */
  | { readonly type: 'create'; readonly key: string; readonly value: string }
  /** Fails with `conflict` unless the key's newest version is `expectedRevision`. */
  | {
      readonly type: 'update';
      readonly key: string;
      readonly value: string;
      readonly expectedRevision: number;
    }
  /** Fails with `conflict` unless the key's newest version is `expectedRevision`; without it a missing key is fine. */
  | { readonly type: 'delete'; readonly key: string; readonly expectedRevision?: number };

/** What happened to one key. */
export type StoreEvent =
  | {
      readonly type: 'put';
      readonly revision: number;
      readonly entry: Entry;
      readonly previous: Entry | undefined;
    }
  | { readonly type: 'delete'; readonly revision: number; readonly previous: Entry };

/** A group of events, whole transactions in order of revision; `revision` says how far the watch has seen. */
export interface WatchBatch {
  readonly events: readonly StoreEvent[];
  readonly revision: number;
}

export interface WatchHandler {
  /** Called in order, never twice for one revision. Empty batches answer {@link StoreWatch.progress}. */
  onBatch(batch: WatchBatch): void;
  /** The watch has ended by itself: `compacted` when history is gone, `closed` with the store, `unavailable` else. */
  onEnd(error: StoreError): void;
}

/** A running watch. */
export interface StoreWatch {
  /** Asks for a batch (possibly empty) that says how far the watch is. */
  progress(): void;
  /** Delivers nothing until {@link resume}; meanwhile the watch costs no memory, however much happens. */
  pause(): void;
  /** Goes on where {@link pause} broke off; ends with `compacted` if that is too long ago. */
  resume(): void;
  stop(): void;
}

/**
 * The cluster's only memory: an ordered map of keys to text with one global revision, multi-version so that lists
 * page through one snapshot and watches resume. Semantics are etcd's (https://etcd.io/docs/v3.5/learning/api/).
 * A promise that resolved is durable: neither a crash of the process nor of the machine loses it.
 * Every method rejects with {@link StoreError}.
 */
export interface Store {
  /** The newest revision; 0 for an empty store. Grows by one with each transaction that changed something. */
  currentRevision(): Promise<number>;
  get(key: string): Promise<Entry | undefined>;
  list(prefix: string, options?: ListOptions): Promise<Page>;
  /** The number of keys with this prefix now. */
  count(prefix: string): Promise<number>;
  /** All or nothing; resolves with the transaction's revision. */
  write(writes: readonly Write[]): Promise<number>;
  /** Events with a revision greater than `afterRevision`; ends with `compacted` if those are gone. */
  watch(prefix: string, afterRevision: number, handler: WatchHandler): StoreWatch;
  /** Forgets versions that were superseded at or before `revision`. */
  compact(revision: number): Promise<void>;
  close(): Promise<void>;
}

export type StoreErrorCode =
  'exists' | 'conflict' | 'compacted' | 'future' | 'closed' | 'locked' | 'unavailable';

/** Why the store refused. `key` names the write that failed, `revision` the oldest readable one after `compacted`. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: StoreErrorCode;
  readonly key: string | undefined;
  readonly revision: number | undefined;

  constructor(
    code: StoreErrorCode,
    message: string,
    details: { readonly key?: string; readonly revision?: number; readonly cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.key = details.key;
    this.revision = details.revision;
  }
}
