import { objectKey } from '../../client/resource.ts';
import type { EndpointSlice } from '../../kinds/endpoint-slice.ts';
import type { Endpoints } from '../../kinds/endpoints.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { countSkipped, diffMirror, isMirrored, maxAddresses, mirroredBy } from './endpoint-mirror.ts';
import { applySlices } from './slice-writes.ts';
import { serviceKeyOf } from './endpoint-slices.ts';
import { GroupIndex } from '../group-index.ts';
import { WorkQueue } from '../work-queue.ts';
import { WriteFence } from '../write-fence.ts';

/**
 * Shows Endpoints that people write for Services without a selector as EndpointSlices, which is what the nodes read.
 * Slices of Services with a selector are the EndpointsController's. Keys: namespace/name of the Service.
 */
export class EndpointMirroring implements Controller {
  readonly #ctx: ControllerContext;
  readonly #queue: WorkQueue;
  readonly #slices: GroupIndex<EndpointSlice>;
  readonly #fences = new Map<string, WriteFence<EndpointSlice>>();
  #unsubscribe: (() => void)[] = [];

  constructor(ctx: ControllerContext) {
    this.#ctx = ctx;
    const log = ctx.log.child({ controller: 'endpoint-slice-mirroring' });
    this.#queue = new WorkQueue({ log, workers: 5, process: (key) => this.#sync(key) });
    this.#slices = new GroupIndex(ctx.caches.endpointSlices, mirrorKey);
  }

  start(): void {
    const { services, endpoints, endpointSlices: slices } = this.#ctx.caches;
    this.#unsubscribe = [
      services.subscribe((event) => {
        if (event.type !== 'synced') this.#queue.add(event.key);
      }),
      endpoints.subscribe((event) => {
        if (event.type !== 'synced') this.#queue.add(event.key);
      }),
      slices.subscribe((event) => {
        const key = event.type === 'synced' ? undefined : mirrorKey(event.object);
        if (key !== undefined) this.#queue.add(key);
      }),
    ];
    for (const one of endpoints.list()) this.#queue.add(objectKey(one));
    // Those of Endpoints that went while nobody looked.
    for (const key of this.#slices.groups()) this.#queue.add(key);
    this.#queue.start();
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    await this.#queue.stop();
  }

  async #sync(key: string): Promise<void> {
    const endpoints = this.#mirrored(key);
    const existing = [...this.#slices.in(key)];
    if (!endpoints && existing.length === 0) {
      this.#fences.delete(key);
      return;
    }
    const fence = this.#fences.get(key) ?? new WriteFence(this.#ctx.caches.endpointSlices);
    this.#fences.set(key, fence);
    // The events of our own writes bring the key back.
    if (!fence.isPassed()) return;
    const diff = endpoints ? diffMirror(endpoints, existing) : { create: [], update: [], remove: existing };
    await applySlices(this.#ctx.client, diff, fence);
    if (endpoints && diff.create.length + diff.update.length > 0) this.#tellSkipped(endpoints);
  }

  /** The Endpoints to show, if there are any and they are not the EndpointsController's. */
  #mirrored(key: string): Endpoints | undefined {
    const endpoints = this.#ctx.caches.endpoints.get(key);
    const service = this.#ctx.caches.services.get(key);
    if (!endpoints || !service || endpoints.metadata.deletionTimestamp !== undefined) return undefined;
    const selects = Object.keys(service.spec.selector ?? {}).length > 0;
    return !selects && isMirrored(endpoints) ? endpoints : undefined;
  }

  #tellSkipped(endpoints: Endpoints): void {
    const skipped = countSkipped(endpoints);
    if (skipped === 0) return;
    this.#ctx.events.record({
      component: 'endpoint-slice-mirroring-controller',
      apiVersion: 'v1',
      kind: 'Endpoints',
      object: endpoints,
      type: 'Warning',
      reason: 'TooManyAddressesToMirror',
      message:
        `A max of ${maxAddresses} addresses can be mirrored to EndpointSlices per Endpoints subset. ` +
        `${skipped} addresses were skipped`,
    });
  }
}

/** The key of the Endpoints that a slice mirrors. */
function mirrorKey(slice: EndpointSlice): string | undefined {
  return serviceKeyOf(slice, mirroredBy);
}
