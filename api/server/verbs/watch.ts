import type { ServerResponse } from 'node:http';
import { randomInt } from 'node:crypto';
import { apiVersionOf } from '../../kinds/kind.ts';
import type { KubeObject } from '../../kinds/meta.ts';
import { watchObjects } from '../registry/watch.ts';
import type { Watch, WatchSink } from '../registry/watch.ts';
import { badRequest } from '../status-error.ts';
import { queryFlag, queryNumber } from './call.ts';
import type { ResourceCall } from './call.ts';
import { presenterFor } from './present.ts';
import { selectionOf } from './select.ts';

const bookmarkIntervalMs = 30_000;

/** A client that reads so slowly is dropped: it lists again, and costs nobody else memory. */
const maxBacklogBytes = 32 * 1024 * 1024;

/** Bounds of a watch that names no timeout, as kube-apiserver's --min-request-timeout spreads them. */
const defaultTimeoutSeconds = { first: 1800, last: 3600 };

/** GET with `watch=true`: one JSON event per line until the timeout, the client, or lost history ends it. */
export async function watchVerb(call: ResourceCall): Promise<void> {
  const { exchange, resource, path } = call;
  const query = exchange.url.searchParams;
  const revision = queryNumber(query, 'resourceVersion') ?? 0;
  const wantsBookmarks = queryFlag(query, 'allowWatchBookmarks');
  const wantsInitial = initialEvents(query, revision);
  const stream = new EventStream(call);
  const watch = await watchObjects(
    resource,
    {
      namespace: path.namespace,
      ...selectionOf(resource.kind, query),
      afterRevision: wantsInitial ? undefined : revision,
    },
    stream.sink(!wantsInitial, queryFlag(query, 'sendInitialEvents') && wantsBookmarks),
  );
  const timeoutSeconds =
    queryNumber(query, 'timeoutSeconds') ||
    randomInt(defaultTimeoutSeconds.first, defaultTimeoutSeconds.last);
  await stream.run(watch, { timeoutMs: timeoutSeconds * 1000, wantsBookmarks });
}

/** Whether the watch begins with all there is: https://kubernetes.io/docs/reference/using-api/api-concepts/#streaming-lists */
function initialEvents(query: URLSearchParams, revision: number): boolean {
  const asked = query.get('sendInitialEvents');
  const match = query.get('resourceVersionMatch') ?? '';
  if (asked !== null && asked !== '') {
    if (match !== 'NotOlderThan') {
      throw badRequest(
        'resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
      );
    }
    return queryFlag(query, 'sendInitialEvents') || revision === 0;
  }
  if (match !== '') {
    throw badRequest(
      'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
    );
  }
  return revision === 0;
}

class EventStream {
  readonly #call: ResourceCall;
  readonly #response: ServerResponse;
  #end: () => void = () => undefined;
  readonly #ended = new Promise<void>((resolve) => (this.#end = resolve));

  constructor(call: ResourceCall) {
    this.#call = call;
    this.#response = call.exchange.response;
  }

  sink(isLive: boolean, marksInitialEnd: boolean): WatchSink<KubeObject> {
    const presenter = presenterFor(this.#call.resource.kind, this.#call.exchange);
    let live = isLive;
    return {
      event: (type, object) => {
        if (live && this.#response.writableLength > maxBacklogBytes) this.#response.destroy();
        this.#send(type, presenter.event(object));
      },
      onInitialEnd: (revision) => {
        live = true;
        if (marksInitialEnd) this.#sendBookmark(revision, { 'k8s.io/initial-events-end': 'true' });
      },
      bookmark: (revision) => this.#sendBookmark(revision),
      end: (error) => {
        if (error) this.#send('ERROR', error.toStatus());
        this.#end();
      },
    };
  }

  /** Runs until the timeout or the client ends it. */
  async run(watch: Watch, options: { timeoutMs: number; wantsBookmarks: boolean }): Promise<void> {
    this.#open();
    this.#response.once('close', this.#end);
    const bookmarks = options.wantsBookmarks
      ? setInterval(() => watch.requestBookmark(), bookmarkIntervalMs)
      : undefined;
    const timeout = setTimeout(() => {
      if (options.wantsBookmarks) watch.requestBookmark();
      // After the bookmark, which comes within this turn of the event loop.
      setImmediate(this.#end);
    }, options.timeoutMs);
    await this.#ended;
    clearInterval(bookmarks);
    clearTimeout(timeout);
    watch.stop();
    this.#response.end();
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

  #send(type: string, object: unknown): void {
    this.#open();
    if (!this.#response.writableEnded) this.#response.write(`${JSON.stringify({ type, object })}\n`);
  }

  #sendBookmark(revision: number, annotations?: Record<string, string>): void {
    const { kind } = this.#call.resource;
    const metadata = {
      resourceVersion: String(revision),
      creationTimestamp: null,
      ...(annotations ? { annotations } : {}),
    };
    this.#send('BOOKMARK', { kind: kind.kind, apiVersion: apiVersionOf(kind), metadata });
  }
}
