import type { Kind } from '../../kinds/kind.ts';
import type { KubeObject, WatchEvent } from '../../kinds/meta.ts';
import type { StoreError, StoreEvent, StoreWatch } from '../../store/store.ts';
import { expired, internalError } from '../status-error.ts';
import type { StatusError } from '../status-error.ts';
import { collectionPrefix, decodeEntry, pinnedKey, withRevision } from './codec.ts';
import { listObjects, wholeList } from './list.ts';
import type { Resource } from './resource.ts';

export interface WatchRequest<T> {
  readonly namespace: string | undefined;
  readonly matches: (object: T) => boolean;
  /** The only name that matches; absent: any may. */
  readonly name?: string | undefined;
  /** Events after this revision; undefined: first everything there is, as ADDED. */
  readonly afterRevision: number | undefined;
}

export interface WatchSink<T> {
  event(type: WatchEvent<T>['type'], object: T): void;
  /** All that was there at the start has been sent. Only without `afterRevision`. */
  onInitialEnd(revision: number): void;
  /** The watch has seen everything up to `revision`; answers {@link Watch.requestBookmark}. */
  bookmark(revision: number): void;
  /** Nothing more comes; `error` says why, unless the server just stops. */
  end(error: StatusError | undefined): void;
}

export interface Watch {
  requestBookmark(): void;
  stop(): void;
}

/** Follows a collection. Objects that begin or cease to match appear as ADDED and DELETED. */
export async function watchObjects<T extends KubeObject>(
  resource: Resource<T>,
  request: WatchRequest<T>,
  sink: WatchSink<T>,
): Promise<Watch> {
  let after = request.afterRevision;
  if (after === undefined) {
    const { items, revision } = await listObjects(resource, { ...request, ...wholeList });
    for (const item of items) sink.event('ADDED', item);
    sink.onInitialEnd(revision);
    after = revision;
  }
  // Longer keys that begin with a pinned one come along, and match nothing.
  const prefix = pinnedKey(resource.kind, request) ?? collectionPrefix(resource.kind, request.namespace);
  let bookmarkWanted = false;
  const follow: StoreWatch = resource.store.watch(prefix, after, {
    onBatch: ({ events, revision }) => {
      for (const event of events) sendTransition(resource.kind, event, request.matches, sink);
      if (bookmarkWanted) sink.bookmark(revision);
      bookmarkWanted = false;
    },
    onEnd: (error) => sink.end(toStatusError(error, after)),
  });
  return {
    requestBookmark: () => {
      bookmarkWanted = true;
      follow.progress();
    },
    stop: () => follow.stop(),
  };
}

function sendTransition<T extends KubeObject>(
  kind: Kind<T>,
  event: StoreEvent,
  matches: (object: T) => boolean,
  sink: WatchSink<T>,
): void {
  const previous = event.previous ? decodeEntry(kind, event.previous) : undefined;
  const matched = previous !== undefined && matches(previous);
  const object = event.type === 'put' ? decodeEntry(kind, event.entry) : undefined;
  if (object && matches(object)) {
    sink.event(matched ? 'MODIFIED' : 'ADDED', object);
  } else if (matched) {
    // The object as it was last seen, at the revision that took it out of sight.
    sink.event('DELETED', withRevision(previous, event.revision));
  }
}

function toStatusError(error: StoreError, after: number): StatusError | undefined {
  switch (error.code) {
    case 'compacted':
      return expired(`too old resource version: ${after} (${error.revision ?? 0})`);
    case 'future':
      // A store that was put back from a copy: the client must list again.
      return expired(`resource version ${after} is newer than the newest (${error.revision ?? 0})`);
    case 'closed':
      return undefined;
    default:
      return internalError(error);
  }
}
