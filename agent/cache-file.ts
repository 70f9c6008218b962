import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Logger } from 'pino';
import type { ReadCache } from '../api/client/cache.ts';
import { isErrno } from '../netns/kernel-error.ts';
import { writePartsDurably } from './durable-file.ts';
import { Runner } from './runner.ts';

/** A change waits so long for others, and for the rules and names that it is about: they go first. */
const minPauseMs = 2_000;
/** Where everything changes all the time, writing it takes at most this share of the time. */
const writeShare = 0.02;
/** A change is on disk so soon in any case: only an API that goes away within that time leaves an older copy behind. */
const maxPauseMs = 15_000;
/** Longest pause between two attempts. */
const maxRetryMs = 60_000;
/** Characters of JSON that are made and written at a time: 10,000 Services and their slices are ten megabytes. */
const partLength = 1 << 16;

/**
 * A copy of a cache on disk, for an agent that starts while the API is away. Written when the cache changed and
 * at the end, and only from a cache that is synced.
 */
export class CacheFile<T> {
  readonly #path: string;
  readonly #log: Logger;
  #stop: () => Promise<void> = () => Promise.resolve();

  constructor(path: string, log: Logger) {
    this.#path = path;
    this.#log = log;
  }

  /** What the last copy says; undefined when there is none that can be read. */
  read(): readonly T[] | undefined {
    try {
      const objects: unknown = JSON.parse(readFileSync(this.#path, 'utf8'));
      if (!Array.isArray(objects)) throw new SyntaxError('no list of objects');
      this.#log.warn(
        { file: this.#path, count: objects.length },
        'the API is away: the last known state stands',
      );
      return objects as T[];
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined;
      this.#log.error({ err: error, file: this.#path }, 'the copy of what the API said cannot be read');
      return undefined;
    }
  }

  /** Keeps the copy in step with `cache` until {@link stop}. */
  follow(cache: ReadCache<T>): void {
    let changed = false;
    let pauseMs = minPauseMs;
    let timer: NodeJS.Timeout | undefined;
    const write = async (): Promise<void> => {
      if (!changed || !cache.synced) return;
      const startMs = performance.now();
      changed = false;
      try {
        mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
        // Listed at once: the cache goes on changing while they are written.
        await writePartsDurably(this.#path, renderParts([...cache.list()]), 0o600);
      } catch (error) {
        changed = true;
        throw error;
      }
      pauseMs = Math.min(Math.max(minPauseMs, (performance.now() - startMs) / writeShare), maxPauseMs);
    };
    const onError = (error: unknown): void => {
      this.#log.error({ err: error, file: this.#path }, 'the copy of what the API said is out of date');
    };
    const runner = new Runner({ run: write, minIntervalMs: 0, maxIntervalMs: maxRetryMs, onError });
    const unsubscribe = cache.subscribe(() => {
      changed = true;
      timer ??= setTimeout(() => {
        timer = undefined;
        runner.request();
      }, pauseMs).unref();
    });
    runner.start();
    this.#stop = async () => {
      unsubscribe();
      clearTimeout(timer);
      await runner.stop();
      try {
        await write();
      } catch (error) {
        onError(error);
      }
    };
  }

  async stop(): Promise<void> {
    await this.#stop();
  }
}

/** Objects as the text of a JSON list, in parts that each take about a millisecond to make. */
function* renderParts(objects: readonly unknown[]): Generator<string> {
  let part = '[';
  for (const [index, object] of objects.entries()) {
    part += (index === 0 ? '' : ',') + JSON.stringify(object);
    if (part.length < partLength) continue;
    yield part;
    part = '';
  }
  yield `${part}]`;
}
