import type { ServerResponse } from 'node:http';
import { once } from 'node:events';
import { apiVersionOf } from '../../kinds/kind.ts';
import type { Kind } from '../../kinds/kind.ts';
import type { WatchEvent } from '../../kinds/meta.ts';
import type { Entry } from '../../store/store.ts';
import type { Watch, WatchSink } from '../registry/watch.ts';
import type { StatusError } from '../status-error.ts';
import type { Presenter } from './present.ts';

const bookmarkIntervalMs = 30_000;

/** With so much unread the watch is paused: the client gets the rest from the store's history when it has read. */
const maxBacklogBytes = 1024 * 1024;

/** So many characters of what is there at the start wait for the client at most, give or take one object. */
const maxInitialLength = 256 * 1024;

/** A client that reads nothing at all for so long is dropped, and lists again if it is still there. */
const maxStallMs = 60_000;

interface RunOptions {
  readonly timeoutMs: number;
  readonly wantsBookmarks: boolean;
}

/** The answer to one watch: a JSON event per line. */
export class EventStream implements WatchSink {
  readonly #kind: Kind;
  readonly #presenter: Presenter;
  readonly #response: ServerResponse;
  readonly #marksInitialEnd: boolean;
  readonly #ended = Promise.withResolvers<undefined>();
  #isFirst = true;
  #watch: Watch | undefined;
  #stall: NodeJS.Timeout | undefined;

  constructor(kind: Kind, presenter: Presenter, response: ServerResponse, marksInitialEnd: boolean) {
    this.#kind = kind;
    this.#presenter = presenter;
    this.#response = response;
    this.#marksInitialEnd = marksInitialEnd;
  }

  event(type: 'ADDED' | 'MODIFIED' | 'DELETED', entry: Entry, revision: number): void {
    this.#write(sharedLine(this.#presenter, type, entry, revision, this.#isFirst));
    this.#isFirst = false;
    if (this.#response.writableLength > maxBacklogBytes) this.#pause();
  }

  async initial(entries: readonly Entry[]): Promise<void> {
    let text = '';
    for (const entry of entries) {
      text += renderLine('ADDED', this.#presenter.event(entry, entry.revision, this.#isFirst));
      this.#isFirst = false;
      if (text.length < maxInitialLength) continue;
      await this.#send(text);
      text = '';
    }
    if (text !== '') await this.#send(text);
  }

  /** Writes, and waits until the client has taken it. */
  async #send(text: string): Promise<void> {
    this.#write(Buffer.from(text));
    if (!this.#response.writableNeedDrain) return;
    this.#startStall();
    await Promise.race([once(this.#response, 'drain'), this.#ended.promise]);
    this.#endStall();
  }

  onInitialEnd(revision: number): void {
    if (this.#marksInitialEnd) this.#sendBookmark(revision, { 'k8s.io/initial-events-end': 'true' });
  }

  bookmark(revision: number): void {
    this.#sendBookmark(revision);
  }

  end(error: StatusError | undefined): void {
    if (error) this.#write(Buffer.from(renderLine('ERROR', JSON.stringify(error.toStatus()))));
    this.#ended.resolve(undefined);
  }

  /** Runs until the timeout, the client, or the watch itself ends it. */
  async run(watch: Watch, { timeoutMs, wantsBookmarks }: RunOptions): Promise<void> {
    this.#watch = watch;
    this.#open();
    const end = (): void => {
      this.#ended.resolve(undefined);
    };
    if (this.#response.destroyed) end();
    this.#response.once('close', end);
    const bookmarks = setInterval(() => {
      if (wantsBookmarks) watch.requestBookmark();
    }, bookmarkIntervalMs);
    const timeout = setTimeout(() => {
      if (wantsBookmarks) watch.requestBookmark();
      // After the bookmark, which comes within this turn of the event loop.
      setImmediate(end);
    }, timeoutMs);
    await this.#ended.promise;
    clearInterval(bookmarks);
    clearTimeout(timeout);
    clearTimeout(this.#stall);
    watch.stop();
    this.#response.end();
  }

  #pause(): void {
    if (this.#stall) return;
    this.#watch?.pause();
    this.#startStall();
    this.#response.once('drain', () => {
      this.#endStall();
      this.#watch?.resume();
    });
  }

  #startStall(): void {
    this.#stall = setTimeout(() => this.#response.destroy(), maxStallMs);
  }

  /** The client reads again: the next time it does not, the watch pauses. */
  #endStall(): void {
    clearTimeout(this.#stall);
    this.#stall = undefined;
  }

  /** Sends the head at once: clients take the answer's beginning as the watch's. */
  #open(): void {
    if (this.#response.headersSent) return;
    this.#response.writeHead(200, {
      'Content-Type': 'application/json',
      'Cache-Control': 'no-cache, private',
    });
    this.#response.flushHeaders();
  }

  #write(lines: Buffer): void {
    this.#open();
    if (!this.#response.writableEnded) this.#response.write(lines);
  }

  #sendBookmark(revision: number, annotations?: Record<string, string>): void {
    const metadata = {
      resourceVersion: String(revision),
      creationTimestamp: null,
      ...(annotations ? { annotations } : {}),
    };
    const object = { kind: this.#kind.kind, apiVersion: apiVersionOf(this.#kind), metadata };
    this.#write(Buffer.from(renderLine('BOOKMARK', JSON.stringify(object))));
  }
}

function renderLine(type: WatchEvent<unknown>['type'], object: string): string {
  return `{"type":"${type}","object":${object}}\n`;
}

/** Lines made lately, by the entry they are about and the way they look. */
const lines = new WeakMap<Entry, Map<string, Buffer>>();

/** One change goes to many watchers: they share the bytes, also those that wait to be sent. */
function sharedLine(
  presenter: Presenter,
  type: WatchEvent<unknown>['type'],
  entry: Entry,
  revision: number,
  isFirst: boolean,
): Buffer {
  const known = lines.get(entry) ?? new Map<string, Buffer>();
  lines.set(entry, known);
  const key = `${type} ${revision} ${isFirst} ${presenter.key}`;
  const line = known.get(key) ?? Buffer.from(renderLine(type, presenter.event(entry, revision, isFirst)));
  known.set(key, line);
  return line;
}
