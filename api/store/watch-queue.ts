import type { StoreError, StoreEvent, StoreWatch, WatchHandler } from './store.ts';

/** Delivers one watch's events in order, after the writer has returned, so that no handler runs inside a write. */
export class WatchQueue implements StoreWatch {
  readonly #prefix: string;
  readonly #handler: WatchHandler;
  readonly #onStop: () => void;
  #events: StoreEvent[] = [];
  #revision = 0;
  #error: StoreError | undefined;
  #scheduled = false;
  #stopped = false;

  constructor(prefix: string, handler: WatchHandler, onStop: () => void) {
    this.#prefix = prefix;
    this.#handler = handler;
    this.#onStop = onStop;
  }

  /** Takes over what concerns this prefix; `revision` is how far the caller has looked. */
  push(events: readonly StoreEvent[], revision: number): void {
    this.#revision = revision;
    const before = this.#events.length;
    for (const event of events) {
      const { key } = event.type === 'put' ? event.entry : event.previous;
      if (key.startsWith(this.#prefix)) this.#events.push(event);
    }
    if (this.#events.length > before) this.#schedule();
  }

  progress(): void {
    this.#schedule();
  }

  end(error: StoreError): void {
    this.#error = error;
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    this.#onStop();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#deliver();
    });
  }

  #deliver(): void {
    this.#scheduled = false;
    if (this.#stopped) return;
    const events = this.#events;
    this.#events = [];
    const error = this.#error;
    if (events.length > 0 || !error) this.#handler.onBatch({ events, revision: this.#revision });
    if (!error) return;
    this.stop();
    this.#handler.onEnd(error);
  }
}
