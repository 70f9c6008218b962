import type { KubeObject } from '../../kinds/meta.ts';
import { StoreError } from '../../store/store.ts';
import type { Entry, StoreEvent, StoreWatch } from '../../store/store.ts';
import { expired, internalError, StatusError } from '../status-error.ts';
import { collectionPrefix, decodeEntry, pinnedKey } from './codec.ts';
import { ListReader, wholeList } from './list.ts';
import type { Resource } from './resource.ts';

export interface WatchRequest<T> {
  readonly namespace: string | undefined;
  /** Which objects are followed; absent: all, and none is decoded. */
  readonly matches?: ((object: T) => boolean) | undefined;
  /** The only name that matches; absent: any may. */
  readonly name?: string | undefined;
  /** Events after this revision; undefined: first everything there is, as ADDED. */
  readonly afterRevision: number | undefined;
  /** Without `afterRevision`: what there is must not be older than this. */
  readonly minimumRevision?: number | undefined;
}

export interface WatchSink {
  /** A change: the entry's object (for DELETED as it was last seen) with the change's own revision. */
  event(type: 'ADDED' | 'MODIFIED' | 'DELETED', entry: Entry, revision: number): void;
  /** Some of what was there at the start; resolves when there is room for more. Only without `afterRevision`. */
  initial(entries: readonly Entry[]): Promise<void>;
  /** All that was there at the start has been sent. */
  onInitialEnd(revision: number): void;
  /** The watch has seen everything up to `revision`; answers {@link Watch.requestBookmark}. */
  bookmark(revision: number): void;
  /** Nothing more comes; `error` says why, unless the server just stops. */
  end(error: StatusError | undefined): void;
}

/** A collection being followed. Objects that begin or cease to match appear as ADDED and DELETED. */
export interface Watch {
  requestBookmark(): void;
  /** Sends no event until {@link resume}. */
  pause(): void;
  resume(): void;
  stop(): void;
}

/** Begins to follow a collection. Throws StatusError 504 when `minimumRevision` is not reached. */
export async function watchObjects<T extends KubeObject>(
  resource: Resource<T>,
  request: WatchRequest<T>,
  sink: WatchSink,
): Promise<Watch> {
  const watch = new CollectionWatch(resource, request, sink);
  if (request.afterRevision !== undefined) {
    watch.follow(request.afterRevision);
  } else {
    const { minimumRevision } = request;
    watch.begin(await ListReader.open(resource, { ...wholeList, ...request, minimumRevision }));
  }
  return watch;
}

class CollectionWatch<T extends KubeObject> implements Watch {
  readonly #resource: Resource<T>;
  readonly #request: WatchRequest<T>;
  readonly #sink: WatchSink;
  /** The only key this is about. Longer ones that begin with it come along. */
  readonly #pinned: string | undefined;
  #store: StoreWatch | undefined;
  #isStopped = false;
  #isBookmarkWanted = false;

  constructor(resource: Resource<T>, request: WatchRequest<T>, sink: WatchSink) {
    this.#resource = resource;
    this.#request = request;
    this.#sink = sink;
    this.#pinned = pinnedKey(resource.kind, request);
  }

  /** Sends what there is, then follows. */
  begin(list: ListReader<T>): void {
    this.#sendInitial(list).catch((error: unknown) => {
      if (error instanceof StatusError) this.#sink.end(error);
      else this.#sink.end(error instanceof StoreError ? toStatusError(error, 0) : internalError(error));
    });
  }

  async #sendInitial(list: ListReader<T>): Promise<void> {
    for (let entries = await list.next(); entries && !this.#isStopped; entries = await list.next()) {
      await this.#sink.initial(entries);
    }
    if (this.#isStopped) return;
    this.#sink.onInitialEnd(list.revision);
    this.follow(list.revision);
  }

  follow(after: number): void {
    const { kind, store } = this.#resource;
    const prefix = this.#pinned ?? collectionPrefix(kind, this.#request.namespace);
    this.#store = store.watch(prefix, after, {
      onBatch: ({ events, revision }) => {
        try {
          for (const event of events) this.#sendTransition(event);
          if (this.#isBookmarkWanted) this.#sink.bookmark(revision);
          this.#isBookmarkWanted = false;
        } catch (error) {
          // One object that cannot be shown ends this watch, not the server.
          this.stop();
          this.#sink.end(internalError(error));
        }
      },
      onEnd: (error) => {
        this.#sink.end(toStatusError(error, after));
      },
    });
  }

  requestBookmark(): void {
    this.#isBookmarkWanted = true;
    this.#store?.progress();
  }

  pause(): void {
    this.#store?.pause();
  }

  resume(): void {
    this.#store?.resume();
  }

  stop(): void {
    this.#isStopped = true;
    this.#store?.stop();
  }

  #sendTransition(event: StoreEvent): void {
    const { previous, revision } = event;
    const entry = event.type === 'put' ? event.entry : undefined;
    const matched = this.#matches(previous);
    if (entry && this.#matches(entry)) this.#sink.event(matched ? 'MODIFIED' : 'ADDED', entry, revision);
    // The object as it was last seen, at the revision that took it out of sight.
    else if (matched && previous) this.#sink.event('DELETED', previous, revision);
  }

  #matches(entry: Entry | undefined): boolean {
    if (!entry || (this.#pinned !== undefined && entry.key !== this.#pinned)) return false;
    const { matches } = this.#request;
    return matches === undefined || matches(decodeEntry(this.#resource.kind, entry));
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
