import type { AddressPool } from '../../address-pool.ts';
import type { CacheEvent } from '../../client/cache.ts';
import { isConflict, isNotFound } from '../../client/api-error.ts';
import { objectKey } from '../../client/resource.ts';
import { services } from '../../client/resources.ts';
import type { Service } from '../../kinds/service.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { renderTime } from '../event-recorder.ts';
import { addressesOf, allocate, renderStatus, wantsAddress } from './load-balancer.ts';
import type { Allocation } from './load-balancer.ts';
import { WorkQueue } from '../work-queue.ts';
import { WriteFence } from '../write-fence.ts';

/**
 * Gives Services of type LoadBalancer their addresses. Which are given away stands in the Services alone, so that a
 * restart forgets nothing; one pass at a time, each after the cache shows the one before, gives none twice. Nothing
 * outside the API has to be cleaned up, so there is no finalizer: who goes or changes type frees its address with
 * that very write. Keys: namespace/name.
 */
export class LoadBalancerController implements Controller {
  readonly #ctx: ControllerContext;
  readonly #pools: readonly AddressPool[];
  readonly #queue: WorkQueue;
  readonly #fence: WriteFence<Service>;
  /** Which Services show an address, by address and key. */
  readonly #holders = new Map<string, Map<string, Service>>();
  /** Those that wait for an address. */
  readonly #waiting = new Set<string>();
  /** Those whose turn came before the cache showed the last write. */
  readonly #behindFence: string[] = [];
  #unsubscribe: (() => void) | undefined;

  constructor(ctx: ControllerContext, pools: readonly AddressPool[]) {
    this.#ctx = ctx;
    this.#pools = pools;
    const log = ctx.log.child({ controller: 'load-balancer' });
    this.#queue = new WorkQueue({ log, process: (key) => this.#sync(key) });
    this.#fence = new WriteFence(ctx.caches.services);
  }

  start(): void {
    const { services: cache } = this.#ctx.caches;
    this.#unsubscribe = cache.subscribe((event) => this.#note(event));
    for (const service of cache.list()) this.#hold(objectKey(service), service);
    for (const service of cache.list()) this.#queue.add(objectKey(service));
    this.#queue.start();
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.();
    await this.#queue.stop();
  }

  #note(event: CacheEvent<Service>): void {
    if (event.type === 'synced') return;
    const { key } = event;
    const before =
      event.type === 'added' ? undefined : event.type === 'updated' ? event.previous : event.object;
    const freed = before ? this.#release(key, before) : false;
    if (event.type !== 'deleted') this.#hold(key, event.object);
    this.#queue.add(key);
    if (freed) for (const waiting of this.#waiting) this.#queue.add(waiting);
    // Our own writes come back here: whoever waited for the cache to show them goes on.
    for (const waiting of this.#behindFence.splice(0)) this.#queue.add(waiting);
  }

  #hold(key: string, service: Service): void {
    if (service.spec.type !== 'LoadBalancer') return;
    for (const address of addressesOf(service)) {
      const holders = this.#holders.get(address) ?? new Map<string, Service>();
      this.#holders.set(address, holders.set(key, service));
    }
  }

  /** Whether the Service had any address. */
  #release(key: string, service: Service): boolean {
    const addresses = addressesOf(service);
    for (const address of addresses) {
      const holders = this.#holders.get(address);
      holders?.delete(key);
      if (holders?.size === 0) this.#holders.delete(address);
    }
    return addresses.length > 0;
  }

  async #sync(key: string): Promise<void> {
    const service = this.#ctx.caches.services.get(key);
    if (!service || !wantsAddress(service)) {
      this.#waiting.delete(key);
      return;
    }
    if (!this.#fence.isPassed()) {
      this.#behindFence.push(key);
      return;
    }
    const others = (address: string): Service[] =>
      [...(this.#holders.get(address) ?? [])].flatMap(([holder, other]) => (holder === key ? [] : [other]));
    const allocation = allocate(service, this.#pools, others);
    if (allocation.shortage) this.#waiting.add(key);
    else this.#waiting.delete(key);
    await this.#write(service, allocation);
  }

  async #write(service: Service, allocation: Allocation): Promise<void> {
    const status = renderStatus(service, allocation, renderTime(new Date()));
    if (status === service.status) return;
    try {
      // With the resourceVersion of what was decided on: an update that changed it meanwhile wins.
      this.#fence.wrote(
        await this.#ctx.client.updateStatus(services, { ...service, ...(status && { status }) }),
      );
    } catch (error) {
      // The event of what changed brings the key back.
      if (isNotFound(error) || isConflict(error)) return;
      throw error;
    }
    this.#tell(service, allocation);
  }

  #tell(service: Service, { addresses, shortage }: Allocation): void {
    const about = { component: 'service-controller', apiVersion: 'v1', kind: 'Service', object: service };
    const before = addressesOf(service);
    const gained = addresses.filter((address) => !before.includes(address));
    if (gained.length > 0) {
      const message = `Assigned ${gained.join(', ')}`;
      this.#ctx.events.record({ ...about, type: 'Normal', reason: 'AddressAllocated', message });
    }
    if (shortage) this.#ctx.events.record({ ...about, type: 'Warning', ...shortage });
  }
}
