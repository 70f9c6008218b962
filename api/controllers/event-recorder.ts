import type { Logger } from 'pino';
import { ignoreMissing, isNamespaceTerminating } from '../client/api-error.ts';
import type { ApiClient } from '../client/client.ts';
import { events } from '../client/resources.ts';
import type { Event } from '../kinds/event.ts';
import type { KubeObject } from '../kinds/meta.ts';

export interface EventNote {
  readonly component: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly object: KubeObject;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

/** How many different events are remembered for counting. */
const memory = 1000;

/**
 * Writes core/v1 Events. The same event again raises the count of the first one, as client-go's recorder does. An
 * event that cannot be written is logged and forgotten: no controller waits for it.
 */
export class EventRecorder {
  readonly #client: Pick<ApiClient, 'create' | 'patch'>;
  readonly #log: Logger;
  readonly #known = new Map<string, { readonly name: string; count: number }>();
  #last: Promise<void> = Promise.resolve();

  constructor(client: Pick<ApiClient, 'create' | 'patch'>, log: Logger) {
    this.#client = client;
    this.#log = log;
  }

  record(note: EventNote): void {
    // One after the other: the second of two equal events must find the first one.
    this.#last = this.#last.then(async () => {
      try {
        await this.#write(note);
      } catch (error) {
        if (!isNamespaceTerminating(error))
          this.#log.warn(
            { err: error, reason: note.reason, object: note.object.metadata.name },
            'event lost',
          );
      }
    });
  }

  /** Resolves when all events recorded so far are written. */
  flush(): Promise<void> {
    return this.#last;
  }

  async #write(note: EventNote): Promise<void> {
    const key = [note.component, note.object.metadata.uid, note.reason, note.message].join(' ');
    const namespace = note.object.metadata.namespace ?? 'default';
    const known = this.#known.get(key);
    if (known && (await this.#recount(namespace, known))) return;
    const created = await this.#client.create(events, renderEvent(note, new Date()));
    this.#known.set(key, { name: created.metadata.name, count: 1 });
    const oldest = this.#known.keys().next();
    if (this.#known.size > memory && oldest.done !== true) this.#known.delete(oldest.value);
  }

  async #recount(namespace: string, known: { readonly name: string; count: number }): Promise<boolean> {
    const patch = { count: known.count + 1, lastTimestamp: renderTime(new Date()) };
    const at = { namespace, name: known.name };
    // Events expire.
    if (!(await ignoreMissing(this.#client.patch(events, at, patch, 'merge')))) return false;
    known.count += 1;
    return true;
  }
}

function renderEvent(note: EventNote, now: Date): Event {
  const { name, namespace, uid, resourceVersion } = note.object.metadata;
  const time = renderTime(now);
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: {
      // client-go's way to a unique name: the object's, then the time in hexadecimal.
      name: `${name}.${(now.getTime() * 1e6 + Math.floor(Math.random() * 1e6)).toString(16)}`,
      namespace: namespace ?? 'default',
    },
    involvedObject: {
      apiVersion: note.apiVersion,
      kind: note.kind,
      name,
      ...(namespace !== undefined && { namespace }),
      ...(uid !== undefined && { uid }),
      ...(resourceVersion !== undefined && { resourceVersion }),
    },
    type: note.type,
    reason: note.reason,
    message: note.message,
    source: { component: note.component },
    reportingComponent: note.component,
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
  };
}

/** metav1.Time: RFC 3339 in whole seconds. */
export function renderTime(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z');
}
