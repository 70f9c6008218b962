import { randomInt } from 'node:crypto';
import { watchObjects } from '../registry/watch.ts';
import { queryFlag, queryNumber } from './call.ts';
import type { ResourceCall } from './call.ts';
import { EventStream } from './event-stream.ts';
import { readWatchStart } from './list-options.ts';
import { collectionPresenterFor } from './present.ts';
import { selectionOf } from './select.ts';

/** Bounds of a watch that names no timeout, as kube-apiserver's --min-request-timeout spreads them. */
const defaultTimeoutSeconds = { first: 1800, last: 3600 };

/** Timers that are set for longer go off at once. */
const maxTimerMs = 2 ** 31 - 1;

/** GET with `watch=true`: one JSON event per line until the timeout, the client, or lost history ends it. */
export async function watchVerb({ exchange, resource, path }: ResourceCall): Promise<void> {
  const query = exchange.url.searchParams;
  const { marksInitialEnd, ...start } = readWatchStart(query, await resource.store.currentRevision());
  const timeoutSeconds =
    queryNumber(query, 'timeoutSeconds') ||
    randomInt(defaultTimeoutSeconds.first, defaultTimeoutSeconds.last);
  const presenter = collectionPresenterFor(resource.kind, exchange);
  const stream = new EventStream(resource.kind, presenter, exchange.response, marksInitialEnd);
  const selection = selectionOf(resource.kind, query, presenter.shown);
  const request = { namespace: path.namespace, ...selection, ...start };
  const watch = await watchObjects(resource, request, stream);
  await stream.run(watch, {
    timeoutMs: Math.min(timeoutSeconds * 1000, maxTimerMs),
    wantsBookmarks: queryFlag(query, 'allowWatchBookmarks'),
  });
}
