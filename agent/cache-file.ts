import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Logger } from 'pino';
import type { ReadCache } from '../api/client/cache.ts';
import { isErrno } from '../netns/kernel-error.ts';
import { writeFileDurably } from './durable-file.ts';
import { Runner } from './runner.ts';

/** A change is on disk so soon; only an API that goes away within that time leaves an older copy behind. */
const minIntervalMs = 2_000;
/** Nothing is written that did not change: this only bounds the back-off. */
const maxIntervalMs = 60_000;

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
    const write = (): void => {
      if (!changed || !cache.synced) return;
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      writeFileDurably(this.#path, JSON.stringify([...cache.list()]), 0o600);
      changed = false;
    };
    const onError = (error: unknown): void => {
      this.#log.error({ err: error, file: this.#path }, 'the copy of what the API said is out of date');
    };
    const run = (): Promise<void> => {
      write();
      return Promise.resolve();
    };
    const runner = new Runner({ run, minIntervalMs, maxIntervalMs, onError });
    const unsubscribe = cache.subscribe(() => {
      changed = true;
      runner.request();
    });
    runner.start();
    this.#stop = async () => {
      unsubscribe();
      await runner.stop();
      try {
        write();
      } catch (error) {
        onError(error);
      }
    };
  }

  async stop(): Promise<void> {
    await this.#stop();
  }
}
