import type { Logger } from 'pino';
import type { Store, StoreWatch } from '../store/store.ts';
import type { Standing } from './bootstrap.ts';

/** How long after a failure the next attempt waits. */
const retryMs = 1_000;

/**
 * Keeps the objects that every cluster has: one that somebody deletes or spoils is back at once, as
 * kube-apiserver's own controllers bring theirs back. Else `kubectl delete service --all` would take the API's and the
 * DNS's names away for good, and another Service could get their addresses.
 */
export class StandingObjects {
  readonly #store: Store;
  readonly #objects: readonly Standing[];
  readonly #log: Logger;
  #watches: StoreWatch[] = [];
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  /** The passes, one after the other. */
  #work = Promise.resolve();
  #wanted = false;

  constructor(store: Store, objects: readonly Standing[], log: Logger) {
    this.#store = store;
    this.#objects = objects;
    this.#log = log;
  }

  /** Makes what is missing, then watches. Rejects with ServerError if the first pass fails. */
  async start(): Promise<void> {
    const from = await this.#store.currentRevision();
    await this.#ensure();
    this.#watches = this.#objects.map(({ key }) => this.#watch(key, from));
  }

  /** Brings them up to date with what is wanted of them now. Rejects with ServerError if that fails. */
  async refresh(): Promise<void> {
    const pass = this.#work.then(() => this.#ensure());
    this.#work = pass.catch(() => undefined);
    await pass;
  }

  /** Resolves when nothing of it runs any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    for (const watch of this.#watches) watch.stop();
    await this.#work;
  }

  #watch(key: string, from: number): StoreWatch {
    return this.#store.watch(key, from, {
      onBatch: ({ events }) => {
        if (events.length > 0) this.#request();
      },
      onEnd: (error) => {
        // Nothing ends a watch that began at the newest revision but the end of the store.
        if (error.code !== 'closed') this.#log.error({ err: error, key }, 'object is no longer kept');
      },
    });
  }

  #request(): void {
    if (this.#wanted || this.#stopped) return;
    this.#wanted = true;
    this.#work = this.#work.then(() => this.#pass());
  }

  async #pass(): Promise<void> {
    this.#wanted = false;
    if (this.#stopped) return;
    try {
      await this.#ensure();
    } catch (error) {
      this.#log.error({ err: error }, 'an object that every cluster has cannot be kept');
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#request(), retryMs);
    }
  }

  async #ensure(): Promise<void> {
    for (const object of this.#objects) await object.ensure();
  }
}
