import type { Status } from '../kinds/meta.ts';
import { ApiError } from './api-error.ts';
import { statusError } from './http.ts';
import type { HttpConnection } from './http.ts';
import type { ApiObject } from './resource.ts';

export interface WatchOptions {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Changes after this revision; without it the present objects come first, as ADDED. */
  readonly resourceVersion?: string | undefined;
  /**
   * All there is first, as ADDED, then a BOOKMARK that {@link isInitialEnd} knows, then what changes. Servers before
   * Kubernetes 1.32, and those that do not like it, refuse it with 422 Invalid.
   */
  readonly initialEvents?: boolean | undefined;
  /** Ask for BOOKMARK events, which carry nothing but a newer resourceVersion. */
  readonly bookmarks?: boolean | undefined;
  /** The server ends the watch after this long. */
  readonly timeoutSeconds?: number | undefined;
  /** A watch without a single event for this long counts as dead and throws `Stale`. Default: never. */
  readonly idleMs?: number | undefined;
  /** The server has taken the watch: whatever changes from now on will be told. */
  readonly onOpen?: () => void;
  readonly signal?: AbortSignal | undefined;
}

export interface WatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  /** For DELETED the last state; for BOOKMARK only metadata.resourceVersion counts. */
  readonly object: T;
}

/** Whether an event says that all there was at the start has been sent. */
export function isInitialEnd({ type, object }: WatchEvent<ApiObject>): boolean {
  return type === 'BOOKMARK' && object.metadata.annotations?.['k8s.io/initial-events-end'] === 'true';
}

interface RawEvent {
  readonly type: string;
  readonly object: unknown;
}

/** Reads one watch of the collection at `path`, event by event. */
export async function* readWatch<T extends ApiObject>(
  http: HttpConnection,
  path: string,
  options: WatchOptions,
): AsyncGenerator<WatchEvent<T>> {
  using idle = new IdleLimit(options.idleMs);
  const signal = options.signal ? AbortSignal.any([options.signal, idle.signal]) : idle.signal;
  const query = {
    watch: 'true',
    labelSelector: options.labelSelector,
    fieldSelector: options.fieldSelector,
    resourceVersion: options.resourceVersion,
    ...(options.initialEvents === true
      ? { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' }
      : {}),
    allowWatchBookmarks: options.bookmarks === true ? 'true' : undefined,
    timeoutSeconds: options.timeoutSeconds?.toString(),
  };
  try {
    const response = await http.open({ method: 'GET', path, query, signal });
    options.onOpen?.();
    for await (const line of readLines(response)) {
      idle.touch();
      const event = JSON.parse(line) as RawEvent;
      if (event.type === 'ERROR') throw errorOfEvent(event.object as Status, path);
      yield event as WatchEvent<T>;
    }
  } catch (cause) {
    if (idle.signal.aborted) {
      throw new ApiError(`watch of ${path} fell silent`, { code: 0, reason: 'Stale', cause });
    }
    if (options.signal?.aborted === true)
      throw new ApiError('aborted', { code: 0, reason: 'Aborted', cause });
    if (cause instanceof ApiError) throw cause;
    throw new ApiError(`watch of ${path} broke off: ${(cause as Error).message}`, {
      code: 0,
      reason: 'Unreachable',
      cause,
    });
  }
}

function errorOfEvent(status: Status, path: string): ApiError {
  // client-go, too, takes an ERROR event without a code as an internal error.
  return statusError(status.code ?? 500, status, `watch ${path}`);
}

async function* readLines(chunks: AsyncIterable<unknown>): AsyncGenerator<string> {
  // A long object arrives in many chunks: they are joined once, when the line ends.
  let pending: Buffer[] = [];
  for await (const chunk of chunks as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      pending.push(chunk.subarray(start, end));
      start = end + 1;
      const line = Buffer.concat(pending).toString('utf8');
      pending = [];
      if (line.trim() !== '') yield line;
    }
    if (start < chunk.length) pending.push(chunk.subarray(start));
  }
}

/** Aborts its signal when {@link touch} was not called for `ms`. */
class IdleLimit implements Disposable {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(ms: number | undefined) {
    if (ms === undefined) return;
    this.#timer = setTimeout(() => {
      this.#controller.abort();
    }, ms);
    this.#timer.unref();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  touch(): void {
    this.#timer?.refresh();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
