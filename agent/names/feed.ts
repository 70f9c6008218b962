import type { Logger } from 'pino';
import { DnsError } from '../../dns/dns-error.ts';
import { namedService } from '../../dns/named-service.ts';
import type { ClusterZone } from '../../dns/zone.ts';
import { SliceIndex } from '../slice-index.ts';
import type { AgentContext } from '../subsystem.ts';

type Caches = Pick<AgentContext['caches'], 'services' | 'endpointSlices' | 'namespaces'>;

/** Keeps a zone in step with the API: each change of an object changes the names of one Service or namespace. */
export class ZoneFeed {
  readonly #caches: Caches;
  readonly #zone: ClusterZone;
  readonly #log: Logger;
  readonly #slices = new SliceIndex();
  /** Services to look at again, all at once when the events of this turn are in. */
  readonly #dirty = new Set<string>();
  #flush: NodeJS.Immediate | undefined;
  #unsubscribe: (() => void)[] = [];
  #synced = false;

  constructor(caches: Caches, zone: ClusterZone, log: Logger) {
    this.#caches = caches;
    this.#zone = zone;
    this.#log = log;
  }

  /** Whether all names are in the zone: before, a missing name proves nothing. Stays true while the API is away. */
  get synced(): boolean {
    // Restored objects come without a last word; the zone has them when nothing waits any more.
    if (this.#flush === undefined) this.#synced ||= this.#isComplete();
    return this.#synced;
  }

  /** Whether the names are an earlier agent's: the API has not answered yet. */
  get restored(): boolean {
    const { services, endpointSlices, namespaces } = this.#caches;
    return services.restored || endpointSlices.restored || namespaces.restored;
  }

  /** Reads what the caches hold and follows them. */
  start(): void {
    const { services, endpointSlices, namespaces } = this.#caches;
    this.#unsubscribe = [
      services.subscribe((event) => {
        if (event.type !== 'synced') this.#touch(event.key);
      }),
      endpointSlices.subscribe((event) => {
        for (const owner of this.#slices.note(event)) this.#touchOwner(owner);
      }),
      namespaces.subscribe((event) => {
        if (event.type !== 'synced') this.#setNamespace(event.object.metadata.name, event.type !== 'deleted');
      }),
    ];
    for (const namespace of namespaces.list()) this.#setNamespace(namespace.metadata.name, true);
    for (const slice of endpointSlices.list()) this.#touchOwner(this.#slices.add(slice));
    for (const { metadata } of services.list()) this.#touch(keyOf(metadata.namespace, metadata.name));
  }

  stop(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#unsubscribe = [];
    clearImmediate(this.#flush);
  }

  #setNamespace(name: string, exists: boolean): void {
    this.#guard(name, () => this.#zone.setNamespace(name, exists));
  }

  /** Endpoints have names only where the Service is headless, or not known yet. */
  #touchOwner(key: string | undefined): void {
    if (key === undefined) return;
    if ((this.#caches.services.get(key)?.spec.clusterIP ?? 'None') === 'None') this.#touch(key);
  }

  #touch(key: string): void {
    this.#dirty.add(key);
    this.#scheduleFlush();
  }

  #scheduleFlush(): void {
    this.#flush ??= setImmediate(() => {
      this.#flush = undefined;
      for (const key of this.#dirty) this.#update(key);
      this.#dirty.clear();
      this.#synced ||= this.#isComplete();
    });
  }

  #isComplete(): boolean {
    const { services, endpointSlices, namespaces } = this.#caches;
    return [services, endpointSlices, namespaces].every(({ synced, restored }) => synced || restored);
  }

  #update(key: string): void {
    const service = this.#caches.services.get(key);
    this.#guard(key, () =>
      this.#zone.setService(key, service && namedService(service, this.#slices.of(key))),
    );
  }

  /** One object with an impossible name must not keep the others from being served. */
  #guard(key: string, change: () => void): void {
    try {
      change();
    } catch (error) {
      if (!(error instanceof DnsError)) throw error;
      this.#log.warn({ key, err: error }, 'this object has no names: DNS cannot express them');
    }
  }
}

function keyOf(namespace: string | undefined, name: string): string {
  return `${namespace ?? 'default'}/${name}`;
}
