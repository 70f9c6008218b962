import type { Logger } from 'pino';
import type { ApiClient } from '../../api/client/client.ts';
import { events } from '../../api/client/resources.ts';
import type { Event } from '../../api/kinds/event.ts';
import type { Pod } from '../../api/kinds/pod.ts';

/** Something worth telling the user about a pod. */
export interface PodEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
  /** The container's field path, e.g. `spec.containers{nginx}`. */
  readonly fieldPath?: string;
}

interface Told {
  readonly name: string;
  count: number;
}

/** How many different Events are remembered so that a repetition only raises a count. */
const mostRemembered = 1000;

/** Writes Events, in order, without making anybody wait. One that cannot be written is logged and dropped. */
export class EventRecorder {
  readonly #client: Pick<ApiClient, 'create' | 'patch'>;
  readonly #host: string;
  readonly #log: Logger;
  readonly #told = new Map<string, Told>();
  #queue: Promise<void> = Promise.resolve();

  constructor(client: Pick<ApiClient, 'create' | 'patch'>, host: string, log: Logger) {
    this.#client = client;
    this.#host = host;
    this.#log = log;
  }

  record(pod: Pod, event: PodEvent): void {
    const now = new Date();
    this.#queue = this.#queue
      .then(() => this.#write(pod, event, now))
      .catch((error: unknown) => {
        this.#log.warn({ err: error, pod: pod.metadata.name, reason: event.reason }, 'event not written');
      });
  }

  /** Resolves when everything recorded so far is written or dropped. */
  flush(): Promise<void> {
    return this.#queue;
  }

  async #write(pod: Pod, event: PodEvent, now: Date): Promise<void> {
    const { uid = '', namespace } = pod.metadata;
    const key = [uid, event.type, event.reason, event.fieldPath, event.message].join('\n');
    const told = this.#told.get(key);
    if (told === undefined) {
      const created = renderEvent(pod, event, this.#host, now);
      await this.#client.create(events, created);
      this.#remember(key, { name: created.metadata.name, count: 1 });
      return;
    }
    told.count += 1;
    const patch = { count: told.count, lastTimestamp: renderTime(now) };
    await this.#client.patch(events, { namespace, name: told.name }, patch, 'merge');
  }

  #remember(key: string, told: Told): void {
    const [oldest] = this.#told.keys();
    if (this.#told.size >= mostRemembered && oldest !== undefined) this.#told.delete(oldest);
    this.#told.set(key, told);
  }
}

let sequence = 0;

function renderEvent(pod: Pod, event: PodEvent, host: string, now: Date): Event {
  const { name, namespace = '', uid = '', resourceVersion = '' } = pod.metadata;
  sequence += 1;
  const suffix = `${now.getTime().toString(16)}${(sequence % 0x10000).toString(16).padStart(4, '0')}`;
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: `${name}.${suffix}`, namespace },
    involvedObject: {
      kind: 'Pod',
      apiVersion: 'v1',
      namespace,
      name,
      uid,
      resourceVersion,
      ...(event.fieldPath === undefined ? {} : { fieldPath: event.fieldPath }),
    },
    type: event.type,
    reason: event.reason,
    message: event.message,
    source: { component: 'weft', host },
    firstTimestamp: renderTime(now),
    lastTimestamp: renderTime(now),
    count: 1,
    reportingComponent: 'weft',
    reportingInstance: host,
  };
}

/** RFC 3339 in seconds, as the API's times are. */
export function renderTime(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}
