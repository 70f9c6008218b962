import type { ApiClient } from '../../api/client/client.ts';
import { endpointSlices, services } from '../../api/client/resources.ts';
import type { EndpointSlice } from '../../api/kinds/endpoint-slice.ts';
import type { Service } from '../../api/kinds/service.ts';
import { noName, type ZoneHistory } from './zone-history.ts';

const namespace = 'default';

/** Service names of which every other one comes and goes, and the rest stay and get other endpoints. */
export class ZoneChanges {
  readonly names: readonly string[];
  readonly #client: ApiClient;
  readonly #history: ZoneHistory;
  #made = 0;
  #addresses = 0;

  constructor(client: ApiClient, history: ZoneHistory, count: number) {
    this.#client = client;
    this.#history = history;
    this.names = Array.from({ length: count }, (_, index) => `soak-${index}`);
  }

  get made(): number {
    return this.#made;
  }

  /** Makes the Services that stay. */
  async prepare(): Promise<void> {
    for (const [index, name] of this.names.entries()) {
      if (index % 2 === 0) continue;
      this.#history.change(index, noName);
      await this.#client.create(services, headless(name));
      const address = this.#nextAddress('10.200');
      this.#history.change(index, address);
      await this.#client.create(endpointSlices, slice(name, address));
    }
  }

  /** Changes the next name. */
  async next(): Promise<void> {
    const index = this.#made % this.names.length;
    const name = this.names[index] ?? '';
    this.#made += 1;
    if (index % 2 === 1) {
      const address = this.#nextAddress('10.200');
      this.#history.change(index, address);
      await this.#client.update(endpointSlices, slice(name, address));
    } else if (this.#history.last(index) === noName) {
      const address = this.#nextAddress('10.96');
      this.#history.change(index, address);
      await this.#client.create(services, withAddress(name, address));
    } else {
      this.#history.change(index, noName);
      await this.#client.delete(services, { namespace, name });
    }
  }

  /** Never the same twice: an old answer is known by it. */
  #nextAddress(prefix: string): string {
    this.#addresses += 1;
    return `${prefix}.${100 + (this.#addresses >> 8)}.${this.#addresses & 255}`;
  }
}

function headless(name: string): Service {
  return { metadata: { name, namespace }, spec: { clusterIP: 'None', ports: [{ port: 80 }] } };
}

function withAddress(name: string, clusterIP: string): Service {
  return { metadata: { name, namespace }, spec: { clusterIP, ports: [{ port: 80 }] } };
}

function slice(name: string, address: string): EndpointSlice {
  return {
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
    ports: [{ port: 80, protocol: 'TCP' }],
  };
}
