import type { Logger } from 'pino';
import { eventKind } from '../kinds/event.ts';
import type { KubeObject } from '../kinds/meta.ts';
import type { Store } from '../store/store.ts';
import { deleteObject } from './registry/delete.ts';
import { listObjects, wholeList } from './registry/list.ts';
import { ensureNodeClaims } from './registry/node-claims.ts';
import type { Resource } from './registry/resource.ts';
import type { Resources } from './registry/resources.ts';
import { isRefusal } from './status-error.ts';

const intervalMs = 5 * 60_000;

/** How long Events are kept, as kube-apiserver's --event-ttl. */
const eventLifeMs = 60 * 60_000;

/** Forgets old history and old Events, and claims what two Nodes once shared and one has left; every five minutes. */
export class Maintenance {
  readonly #store: Store;
  readonly #resources: Resources;
  readonly #log: Logger;
  #timer: NodeJS.Timeout | undefined;
  #lastRevision: number | undefined;
  /** Whether a Node has a range that it has no claim on. */
  #isRangeShared: boolean;

  constructor(store: Store, resources: Resources, isRangeShared: boolean, log: Logger) {
    this.#store = store;
    this.#resources = resources;
    this.#isRangeShared = isRangeShared;
    this.#log = log;
  }

  start(): void {
    this.#timer = setInterval(() => void this.#run(), intervalMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #run(): Promise<void> {
    try {
      // Watchers have one interval to catch up before history goes.
      if (this.#lastRevision !== undefined) await this.#store.compact(this.#lastRevision);
      this.#lastRevision = await this.#store.currentRevision();
      if (this.#isRangeShared) this.#isRangeShared = await ensureNodeClaims(this.#store, this.#log);
      await removeOldEvents(this.#resources.of(eventKind), Date.now() - eventLifeMs);
    } catch (error) {
      this.#log.error({ err: error }, 'maintenance failed');
    }
  }
}

/** When an Event happened, in its older and its newer form. */
interface EventTimes {
  lastTimestamp?: string;
  eventTime?: string;
  series?: { lastObservedTime?: string };
}

/** Deletes Events that nobody has repeated since `beforeMs` (Unix time). */
export async function removeOldEvents<T extends KubeObject & EventTimes>(
  events: Resource<T>,
  beforeMs: number,
): Promise<void> {
  const isOld = ({ series, lastTimestamp, eventTime, metadata }: T): boolean => {
    const last = series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata.creationTimestamp;
    return Date.parse(last ?? '') < beforeMs;
  };
  const { items } = await listObjects(events, {
    namespace: undefined,
    matches: isOld,
    ...wholeList,
  });
  for (const { metadata } of items) {
    try {
      await deleteObject(events, { namespace: metadata.namespace, name: metadata.name }, { dryRun: false });
    } catch (error) {
      if (!isRefusal(error, 'NotFound')) throw error;
    }
  }
}
