import type { Logger } from 'pino';
import { ApiError, isAway } from '../../api/client/api-error.ts';
import type { ApiClient } from '../../api/client/client.ts';
import { events } from '../../api/client/resources.ts';
import type { Event } from '../../api/kinds/event.ts';
import { Runner } from '../runner.ts';

/** So many Events wait for an API that is away or slow; the log has those that find no place. */
const mostWaiting = 1000;

/** Longest pause between two attempts. */
const maxRetryMs = 60_000;

/** Sends Events one after another without making anybody wait. While the API is away they wait for it. */
export class EventQueue {
  readonly #client: Pick<ApiClient, 'create'>;
  readonly #log: Logger;
  readonly #runner: Runner;
  readonly #waiting: Event[] = [];

  constructor(client: Pick<ApiClient, 'create'>, log: Logger) {
    this.#client = client;
    this.#log = log;
    this.#runner = new Runner({
      run: () => this.#send(),
      minIntervalMs: 0,
      maxIntervalMs: maxRetryMs,
      onError: (error, nextMs) => {
        this.#log.debug({ err: error, nextMs, waiting: this.#waiting.length }, 'events wait for the API');
      },
    });
  }

  start(): void {
    this.#runner.start();
  }

  /** What waits still is dropped. */
  async stop(): Promise<void> {
    await this.#runner.stop();
  }

  add(event: Event): void {
    if (this.#waiting.length >= mostWaiting) {
      this.#log.warn(
        { reason: event.reason, about: event.involvedObject.name },
        'event dropped: too many wait',
      );
      return;
    }
    this.#waiting.push(event);
    this.#runner.request();
  }

  async #send(): Promise<void> {
    for (let event = this.#waiting[0]; event; event = this.#waiting[0]) {
      try {
        await this.#client.create(events, event);
      } catch (error) {
        if (isWorthAnotherTry(error)) throw error;
        this.#log.warn({ err: error, reason: event.reason }, 'event not written');
      }
      this.#waiting.shift();
    }
  }
}

/** Whether the API was away or overloaded: what it refuses it refuses again. */
function isWorthAnotherTry(error: unknown): boolean {
  return isAway(error) || (error instanceof ApiError && error.code === 429);
}
