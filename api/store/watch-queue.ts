import type { StoreEvent, StoreWatch, WatchHandler } from './store.ts';
import { StoreError } from './store.ts';

/** A piece of a prefix's history: whole transactions, oldest first. */
export interface HistoryPiece {
  readonly events: readonly StoreEvent[];
  /** All events up to this revision are in this piece or before it. */
  readonly revision: number;
  /** Whether there is more after it. */
  readonly more: boolean;
}

/** What a queue needs of its store. */
export interface WatchSource {
  /** The newest revision; everything up to it has been pushed. */
  revision(): number;
  /** History of a prefix after a revision; throws StoreError `compacted` or `future`. */
  history(prefix: string, afterRevision: number): HistoryPiece;
  forget(queue: WatchQueue): void;
}

/**
 * Delivers one watch's events in order, after the writer has returned, so that no handler runs inside a write. A queue
 * that fell behind (it has just begun, or was paused) holds no events: it reads them from history, piece by piece.
 */
export class WatchQueue implements StoreWatch {
  readonly prefix: string;
  readonly #handler: WatchHandler;
  readonly #source: WatchSource;
  #events: StoreEvent[] = [];
  /** Set while behind: what comes after this revision is read from history. */
  #behindFrom: number | undefined;
  #error: StoreError | undefined;
  #isScheduled = false;
  #isPaused = false;
  #isStopped = false;

  constructor(prefix: string, afterRevision: number, handler: WatchHandler, source: WatchSource) {
    this.prefix = prefix;
    this.#handler = handler;
    this.#source = source;
    if (afterRevision === source.revision()) return;
    this.#behindFrom = afterRevision;
    this.#schedule();
  }

  /** Takes over one transaction's events, all of this prefix. */
  push(events: readonly StoreEvent[], revision: number): void {
    if (this.#behindFrom !== undefined) return;
    if (this.#isPaused) {
      this.#behindFrom = revision - 1;
      return;
    }
    this.#events.push(...events);
    this.#schedule();
  }

  progress(): void {
    this.#schedule();
  }

  pause(): void {
    this.#isPaused = true;
    const [first] = this.#events;
    if (!first) return;
    this.#behindFrom = first.revision - 1;
    this.#events = [];
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    if (this.#behindFrom !== undefined) this.#schedule();
  }

  end(error: StoreError): void {
    this.#error = error;
    this.#schedule();
  }

  stop(): void {
    this.#isStopped = true;
    this.#events = [];
    this.#source.forget(this);
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#deliver();
    });
  }

  #deliver(): void {
    this.#isScheduled = false;
    if (this.#isStopped) return;
    if (this.#error) {
      this.#fail(this.#error);
    } else if (this.#behindFrom === undefined) {
      const events = this.#events;
      this.#events = [];
      this.#handler.onBatch({ events, revision: this.#source.revision() });
    } else if (!this.#isPaused) {
      this.#catchUp(this.#behindFrom);
    }
  }

  #catchUp(from: number): void {
    try {
      const { events, revision, more } = this.#source.history(this.prefix, from);
      this.#behindFrom = more ? revision : undefined;
      this.#handler.onBatch({ events, revision });
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#fail(error);
      return;
    }
    // Long histories leave room for others between their pieces.
    if (this.#behindFrom !== undefined) setImmediate(() => this.#schedule());
  }

  #fail(error: StoreError): void {
    const events = this.#events;
    // What happened before the end is told before it.
    if (events.length > 0) this.#handler.onBatch({ events, revision: this.#source.revision() });
    this.stop();
    this.#handler.onEnd(error);
  }
}
