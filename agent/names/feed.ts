import { DnsError } from '../../dns/dns-error.ts';
import { namedService } from '../../dns/named-service.ts';
import type { CacheEvent } from '../../api/client/cache.ts';
import { objectKey } from '../../api/client/resource.ts';
import type { Pod } from '../../api/kinds/pod.ts';
import { changesAddresses, podChange } from './pod-addresses.ts';
import { SliceIndex } from '../slice-index.ts';
import type { AgentContext } from '../subsystem.ts';
import type { NameChange } from './messages.ts';

type Caches = Pick<AgentContext['caches'], 'services' | 'endpointSlices' | 'namespaces' | 'allPods'>;

export interface FeedListeners {
  /** What changed in this turn of the event loop. */
  readonly onChanges: (changes: readonly NameChange[]) => void;
  /** Told once: all names there are have been told of. */
  readonly onSynced: () => void;
  /** Told once, where pods are followed: the addresses of all pods there are have been told of. */
  readonly onPodsSynced: () => void;
  /** An object has names that DNS cannot express. */
  readonly onBadName: (key: string, error: DnsError) => void;
}

/** A worker takes about a millisecond to read so many. */
const changesAtOnce = 50;

/** Tells of the cluster's names, and of every change: one of an object concerns the names of one Service or namespace. */
export class NamesFeed {
  readonly #caches: Caches;
  readonly #listeners: FeedListeners;
  readonly #slices = new SliceIndex();
  /** What to look at again when the events of this turn are in. */
  readonly #dirtyNamespaces = new Set<string>();
  readonly #dirtyServices = new Set<string>();
  readonly #dirtyPods = new Set<string>();
  readonly #dirty = [
    { keys: this.#dirtyNamespaces, tell: (name: string) => this.#namespace(name) },
    { keys: this.#dirtyServices, tell: (key: string) => this.#service(key) },
    { keys: this.#dirtyPods, tell: (key: string) => this.#pod(key) },
  ];
  #flush: NodeJS.Immediate | undefined;
  #unsubscribe: (() => void)[] = [];
  #synced = false;
  #podsSynced = false;
  #acceptsRestored = false;

  constructor(caches: Caches, listeners: FeedListeners) {
    this.#caches = caches;
    this.#listeners = listeners;
  }

  /** Whether all names have been told of: before, a missing one proves nothing. Stays true while the API is away. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Whether pods' addresses, where they are followed, have been told of, too. */
  get complete(): boolean {
    return this.#synced && (this.#podsSynced || !this.#caches.allPods);
  }

  /** Whether the names are an earlier agent's: the API has not answered yet. */
  get restored(): boolean {
    const { services, endpointSlices, namespaces } = this.#caches;
    return services.restored || endpointSlices.restored || namespaces.restored;
  }

  /** Follows the caches. What they hold already is for {@link all} to tell. */
  start(): void {
    const { services, endpointSlices, namespaces, allPods } = this.#caches;
    for (const slice of endpointSlices.list()) this.#slices.add(slice);
    this.#unsubscribe = [
      services.subscribe((event) => {
        if (event.type !== 'synced') this.#dirtyServices.add(event.key);
        this.#scheduleFlush();
      }),
      endpointSlices.subscribe((event) => {
        for (const owner of this.#slices.note(event)) this.#touchOwner(owner);
        this.#scheduleFlush();
      }),
      namespaces.subscribe((event) => {
        if (event.type !== 'synced') this.#dirtyNamespaces.add(event.object.metadata.name);
        this.#scheduleFlush();
      }),
      ...(allPods ? [allPods.subscribe((event) => this.#notePod(event))] : []),
    ];
    this.check();
  }

  stop(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#unsubscribe = [];
    clearImmediate(this.#flush);
  }

  /** All names there are now, for whoever knows none, in portions. */
  *all(): Iterable<readonly NameChange[]> {
    const { services, namespaces, allPods } = this.#caches;
    const all = [
      ...[...namespaces.list()].map((namespace) => () => this.#namespace(objectKey(namespace))),
      ...[...services.list()].map((service) => () => this.#service(objectKey(service))),
      ...[...(allPods?.list() ?? [])].map((pod) => () => this.#pod(objectKey(pod))),
    ];
    for (let start = 0; start < all.length; start += changesAtOnce) {
      yield all.slice(start, start + changesAtOnce).flatMap((change) => change());
    }
  }

  /** From now on the names of an earlier agent are better than none: the API stays away. */
  acceptRestored(): void {
    this.#acceptsRestored = true;
    this.check();
  }

  /** Restored objects come without a last word: ask now and then whether they are all here. */
  check(): void {
    if (this.#flush !== undefined) return;
    const { services, endpointSlices, namespaces, allPods } = this.#caches;
    const isHere = ({ synced, restored }: { synced: boolean; restored: boolean }): boolean =>
      synced || (restored && this.#acceptsRestored);
    if (!this.#podsSynced && allPods && isHere(allPods)) {
      this.#podsSynced = true;
      this.#listeners.onPodsSynced();
    }
    if (this.#synced || ![services, endpointSlices, namespaces].every(isHere)) return;
    this.#synced = true;
    this.#listeners.onSynced();
  }

  /** Endpoints have names only where the Service is headless, or not known yet. */
  #touchOwner(key: string): void {
    if ((this.#caches.services.get(key)?.spec.clusterIP ?? 'None') === 'None') this.#dirtyServices.add(key);
  }

  #notePod(event: CacheEvent<Pod>): void {
    if (changesAddresses(event) && event.type !== 'synced') this.#dirtyPods.add(event.key);
    if (this.#dirtyPods.size > 0 || event.type === 'synced') this.#scheduleFlush();
  }

  /** Not all at once: who reads them answers queries in between, and so does whoever tells. */
  #scheduleFlush(): void {
    this.#flush ??= setImmediate(() => {
      this.#flush = undefined;
      const changes = [...this.#take()];
      if (changes.length > 0) this.#listeners.onChanges(changes);
      if (this.#dirty.some(({ keys }) => keys.size > 0)) this.#scheduleFlush();
      else this.check();
    });
  }

  /** The next portion of what is to be told, as it is now. */
  *#take(): Iterable<NameChange> {
    let left = changesAtOnce;
    for (const { keys, tell } of this.#dirty) {
      for (const key of keys) {
        if (left === 0) return;
        left -= 1;
        keys.delete(key);
        yield* tell(key);
      }
    }
  }

  #namespace(name: string): NameChange[] {
    return [{ kind: 'namespace', name, exists: this.#caches.namespaces.get(name) !== undefined }];
  }

  #pod(key: string): NameChange[] {
    return [podChange(key, this.#caches.allPods?.get(key))];
  }

  /** One object with an impossible name must not keep the others from being served. */
  #service(key: string): NameChange[] {
    const service = this.#caches.services.get(key);
    try {
      return [{ kind: 'service', key, service: service && namedService(service, this.#slices.of(key)) }];
    } catch (error) {
      if (!(error instanceof DnsError)) throw error;
      this.#listeners.onBadName(key, error);
      return [];
    }
  }
}
