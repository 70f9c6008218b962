import type { NamedService } from './named-service.ts';
import { addressesOf } from './service-records.ts';

/** Services by name and by the addresses that lead to their names; most addresses lead to one. */
export class ServiceIndex {
  readonly #byName = new Map<string, NamedService>();
  readonly #byAddress = new Map<string, NamedService | readonly NamedService[]>();

  /** `labels`: the Service's and its namespace's, in wire form. */
  get(labels: string): NamedService | undefined {
    return this.#byName.get(labels);
  }

  /** The Services of an address, 4 or 16 bytes; the newest first. */
  withAddress(address: string): readonly NamedService[] {
    const services = this.#byAddress.get(address) ?? [];
    return isList(services) ? services : [services];
  }

  /** All Services as they are now. */
  list(): readonly NamedService[] {
    return [...this.#byName.values()];
  }

  /** Puts a Service, or none, in the place of the one of this name. Returns those whose records it changed. */
  set(labels: string, service: NamedService | undefined): ReadonlySet<NamedService> {
    const before = this.#byName.get(labels);
    const changed = new Set(before && [before]);
    const kept = new Set<string>();
    for (const address of service ? addressesOf(service) : []) {
      kept.add(address);
      const others = this.withAddress(address).filter((other) => other !== before && other !== service);
      for (const other of others) changed.add(other);
      this.#setAddress(address, service ? [service, ...others] : others);
    }
    for (const address of before ? addressesOf(before) : []) {
      if (kept.has(address)) continue;
      const others = this.withAddress(address).filter((other) => other !== before);
      for (const other of others) changed.add(other);
      this.#setAddress(address, others);
    }
    if (service) this.#byName.set(labels, service);
    else this.#byName.delete(labels);
    return changed;
  }

  #setAddress(address: string, services: readonly NamedService[]): void {
    const [first] = services;
    if (first === undefined) this.#byAddress.delete(address);
    else this.#byAddress.set(address, services.length === 1 ? first : services);
  }
}

function isList(services: NamedService | readonly NamedService[]): services is readonly NamedService[] {
  return Array.isArray(services);
}
