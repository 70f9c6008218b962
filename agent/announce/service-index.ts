import type { AddressPool } from '../../api/address-pool.ts';
import type { CacheEvent } from '../../api/client/cache.ts';
import { objectKey } from '../../api/client/resource.ts';
import type { EndpointSlice } from '../../api/kinds/endpoint-slice.ts';
import type { Service } from '../../api/kinds/service.ts';
import { SliceIndex } from '../slice-index.ts';
import type { AgentContext } from '../subsystem.ts';
import { announcedAddresses, listCandidates, listWanted } from './wanted.ts';
import type { Candidate, WantedAddress } from './wanted.ts';

type Caches = Pick<AgentContext['caches'], 'services' | 'endpointSlices' | 'nodes'>;

/** Follows the few Services that have addresses to announce: changes of all others lead to nothing. */
export class ServiceIndex {
  readonly #caches: Caches;
  readonly #pools: readonly AddressPool[];
  readonly #onChange: () => void;
  readonly #services = new Map<string, Service>();
  readonly #slices = new SliceIndex();
  #nodes: readonly Candidate[] = [];
  #wanted: readonly WantedAddress[] | undefined;
  #unsubscribe: (() => void)[] = [];

  constructor(caches: Caches, pools: readonly AddressPool[], onChange: () => void) {
    this.#caches = caches;
    this.#pools = pools;
    this.#onChange = onChange;
  }

  start(): void {
    const { services, endpointSlices, nodes } = this.#caches;
    for (const slice of endpointSlices.list()) this.#slices.add(slice);
    for (const service of services.list()) this.#take(objectKey(service), service);
    this.#nodes = listCandidates(nodes.list());
    this.#unsubscribe = [
      services.subscribe((event) => this.#noteService(event)),
      endpointSlices.subscribe((event) => this.#noteSlice(event)),
      nodes.subscribe(() => this.#noteNodes()),
    ];
  }

  stop(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#unsubscribe = [];
  }

  /** Whether what it says is complete and the API's own word: only then anything may be concluded from what is not there. */
  get synced(): boolean {
    const { services, endpointSlices, nodes } = this.#caches;
    return services.synced && endpointSlices.synced && nodes.synced;
  }

  list(): readonly WantedAddress[] {
    const services = this.#services
      .entries()
      .map(([key, service]) => ({ key, service, slices: this.#slices.of(key) }));
    return (this.#wanted ??= listWanted(services, this.#nodes, this.#pools));
  }

  #noteService(event: CacheEvent<Service>): void {
    if (event.type === 'synced') {
      this.#changed();
      return;
    }
    const before = this.#services.has(event.key);
    this.#take(event.key, event.type === 'deleted' ? undefined : event.object);
    if (before || this.#services.has(event.key)) this.#changed();
  }

  #take(key: string, service: Service | undefined): void {
    if (service && announcedAddresses(service, this.#pools).length > 0) this.#services.set(key, service);
    else this.#services.delete(key);
  }

  #noteSlice(event: CacheEvent<EndpointSlice>): void {
    const owners = this.#slices.note(event);
    if (event.type === 'synced' || owners.some((owner) => this.#services.has(owner))) this.#changed();
  }

  /** Nodes change with every heartbeat; what matters of them does not. */
  #noteNodes(): void {
    const nodes = listCandidates(this.#caches.nodes.list());
    const isSame = JSON.stringify(nodes) === JSON.stringify(this.#nodes);
    this.#nodes = nodes;
    if (!isSame) this.#changed();
  }

  #changed(): void {
    this.#wanted = undefined;
    this.#onChange();
  }
}
