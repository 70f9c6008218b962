import { isDeepStrictEqual } from 'node:util';
import { ignoreMissing } from '../../client/api-error.ts';
import { objectKey, parseKey } from '../../client/resource.ts';
import { endpoints } from '../../client/resources.ts';
import type { EndpointSlice } from '../../kinds/endpoint-slice.ts';
import type { Endpoints } from '../../kinds/endpoints.ts';
import type { Pod } from '../../kinds/pod.ts';
import type { Service } from '../../kinds/service.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { diffSlices, groupEndpoints, managedBy, serviceKeyOf } from './endpoint-slices.ts';
import {
  endpointsManagedByLabel,
  headlessLabel,
  isHeadless,
  isManaged,
  renderSubsets,
  selectPods,
} from './endpoints.ts';
import { applySlices } from './slice-writes.ts';
import { GroupIndex } from '../group-index.ts';
import { matchesLabels } from '../pod-conditions.ts';
import { WorkQueue } from '../work-queue.ts';
import { KeyedFences, WriteFence } from '../write-fence.ts';

/** What Endpoints of ours say of their manager. */
const endpointsManagedBy = 'endpoint-controller';

interface Fences {
  readonly endpoints: WriteFence<Endpoints>;
  readonly slices: WriteFence<EndpointSlice>;
}

/** Writes Endpoints and EndpointSlices of Services with a selector. Keys: namespace/name of the Service. */
export class EndpointsController implements Controller {
  readonly #ctx: ControllerContext;
  readonly #queue: WorkQueue;
  readonly #slices: GroupIndex<EndpointSlice>;
  readonly #fences: KeyedFences<Fences>;
  #unsubscribe: (() => void)[] = [];

  constructor(ctx: ControllerContext) {
    this.#ctx = ctx;
    const log = ctx.log.child({ controller: 'endpoints' });
    this.#queue = new WorkQueue({ log, workers: 5, process: (key) => this.#sync(key) });
    this.#slices = new GroupIndex(ctx.caches.endpointSlices, ownerKey);
    this.#fences = new KeyedFences(() => ({
      endpoints: new WriteFence(ctx.caches.endpoints),
      slices: new WriteFence(ctx.caches.endpointSlices),
    }));
  }

  start(): void {
    const { services, pods, endpoints: endpointsCache, endpointSlices: sliceCache } = this.#ctx.caches;
    this.#unsubscribe = [
      services.subscribe((event) => {
        if (event.type !== 'synced') this.#queue.add(event.key);
      }),
      pods.subscribe((event) => {
        if (event.type === 'synced') return;
        this.#addServicesOf(event.object);
        if (event.type === 'updated') this.#addServicesOf(event.previous);
      }),
      endpointsCache.subscribe((event) => {
        if (event.type !== 'synced') this.#queue.add(event.key);
      }),
      sliceCache.subscribe((event) => {
        const key = event.type === 'synced' ? undefined : ownerKey(event.object);
        if (key !== undefined) this.#queue.add(key);
      }),
    ];
    for (const service of services.list()) this.#queue.add(objectKey(service));
    // What a Service left behind that went while nobody looked.
    for (const left of endpointsCache.list()) this.#queue.add(objectKey(left));
    for (const key of this.#slices.groups()) this.#queue.add(key);
    this.#queue.start();
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    await this.#queue.stop();
  }

  #addServicesOf(pod: Pod): void {
    for (const service of this.#ctx.index.servicesByNamespace.in(pod.metadata.namespace)) {
      if (matchesLabels(service.spec.selector, pod.metadata.labels)) this.#queue.add(objectKey(service));
    }
  }

  async #sync(key: string): Promise<void> {
    const service = this.#ctx.caches.services.get(key);
    if (!service) return this.#removeAll(key);
    if (!isManaged(service)) return;
    if (!this.#fences.arePassed(key)) return;
    const fences = this.#fences.of(key);
    const pods = selectPods(service, this.#ctx.index.podsByNamespace.in(service.metadata.namespace));
    await this.#applySlices(key, service, pods, fences.slices);
    await this.#applyEndpoints(key, service, pods, fences.endpoints);
  }

  async #applySlices(
    key: string,
    service: Service,
    pods: readonly Pod[],
    fence: WriteFence<EndpointSlice>,
  ): Promise<void> {
    const { client, caches } = this.#ctx;
    const zoneOf = (node: string): string | undefined =>
      caches.nodes.get(node)?.metadata.labels?.['topology.kubernetes.io/zone'];
    const diff = diffSlices(service, groupEndpoints(service, pods, zoneOf), [...this.#slices.in(key)]);
    await applySlices(client, diff, fence);
  }

  async #applyEndpoints(
    key: string,
    service: Service,
    pods: readonly Pod[],
    fence: WriteFence<Endpoints>,
  ): Promise<void> {
    const { client, caches } = this.#ctx;
    const subsets = renderSubsets(service, pods);
    const labels = {
      ...service.metadata.labels,
      ...(isHeadless(service) && { [headlessLabel]: '' }),
      [endpointsManagedByLabel]: endpointsManagedBy,
    };
    const current = caches.endpoints.get(key);
    if (!current) {
      const { name, namespace, deletionTimestamp } = service.metadata;
      if (deletionTimestamp !== undefined) return;
      const metadata = { name, ...(namespace !== undefined && { namespace }), labels };
      fence.wrote(await client.create(endpoints, { apiVersion: 'v1', kind: 'Endpoints', metadata, subsets }));
      return;
    }
    const same = isDeepStrictEqual([current.subsets ?? [], current.metadata.labels], [subsets, labels]);
    if (same) return;
    fence.wrote(
      await client.update(endpoints, { ...current, metadata: { ...current.metadata, labels }, subsets }),
    );
  }

  /** The Service is gone: so must be what we wrote for it. */
  async #removeAll(key: string): Promise<void> {
    const fences = this.#fences.of(key);
    this.#fences.forget(key);
    const { client } = this.#ctx;
    const ours = [...this.#slices.in(key)];
    await applySlices(client, { create: [], update: [], remove: ours }, fences.slices);
    const left = this.#ctx.caches.endpoints.get(key);
    if (left?.metadata.labels?.[endpointsManagedByLabel] !== endpointsManagedBy) return;
    await ignoreMissing(client.delete(endpoints, parseKey(key)));
  }
}

/** The key of the Service a slice of ours belongs to. */
function ownerKey(slice: EndpointSlice): string | undefined {
  return serviceKeyOf(slice, managedBy);
}
