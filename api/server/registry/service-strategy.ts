import { isDeepStrictEqual } from 'node:util';
import { invalid as invalidField } from '../../kinds/field-error.ts';
import { serviceKind } from '../../kinds/service.ts';
import type { Service, ServicePort, ServiceSpec } from '../../kinds/service.ts';
import type { Store, Write } from '../../store/store.ts';
import type { ClusterConfig } from '../../cluster.ts';
import { invalid } from '../status-error.ts';
import { AddressRange, canonicalAddress } from './address-range.ts';
import { chooseFree, claimChanges, claimKey } from './claims.ts';
import { completeFamilies } from './service-families.ts';
import type { Strategy } from './strategy.ts';

/** Gives Services their addresses and node ports, and takes them back. */
export class ServiceStrategy implements Strategy<Service> {
  readonly #store: Store;
  readonly #ranges: readonly AddressRange[];
  readonly #nodePorts: ClusterConfig['nodePortRange'];

  constructor(store: Store, cluster: ClusterConfig) {
    this.#store = store;
    this.#ranges = cluster.serviceCIDRs.map((cidr) => new AddressRange(cidr));
    this.#nodePorts = cluster.nodePortRange;
  }

  claimForCreate(service: Service): Promise<Write[]> {
    return this.#claim(service, new Set());
  }

  prepare(service: Service, old?: Service): void {
    agreeAddresses(service.spec, old?.spec);
    if (old) keepAllocated(service.spec, old.spec);
  }

  claimForUpdate(service: Service, old: Service): Promise<Write[]> {
    return this.#claim(service, claimsOf(old));
  }

  release(service: Service): Write[] {
    return claimChanges(claimsOf(service), new Set(), '');
  }

  async #claim(service: Service, held: ReadonlySet<string>): Promise<Write[]> {
    const { spec, metadata } = service;
    if (hasFamilies(spec)) {
      const families = this.#ranges.map((range) => range.family);
      const mistakes = completeFamilies(spec, families);
      if (mistakes.length > 0) throw invalid(serviceKind, metadata.name, mistakes);
    }
    if (needsAddresses(spec)) await this.#claimAddresses(service, held);
    await this.#claimPorts(service, held);
    return claimChanges(held, claimsOf(service), `${metadata.namespace ?? ''}/${metadata.name}`);
  }

  async #claimAddresses({ spec, metadata }: Service, held: ReadonlySet<string>): Promise<void> {
    const addresses: string[] = [];
    for (const [i, family] of (spec.ipFamilies ?? []).entries()) {
      const range = this.#ranges.find((each) => each.family === family);
      if (!range) continue;
      const requested = spec.clusterIPs?.[i];
      if (requested === undefined) {
        addresses.push(await this.#freeAddress(range));
        continue;
      }
      const why = await this.#whyNotAddress(requested, range, held);
      if (why !== undefined) {
        const mistake = invalidField(
          'spec.clusterIPs',
          spec.clusterIPs,
          `failed to allocate IP ${requested}: ${why}`,
        );
        throw invalid(serviceKind, metadata.name, [mistake]);
      }
      addresses.push(canonicalAddress(requested));
    }
    spec.clusterIPs = addresses;
    if (addresses[0] !== undefined) spec.clusterIP = addresses[0];
  }

  async #freeAddress(range: AddressRange): Promise<string> {
    const offset = await chooseFree(this.#store, 'service-address', {
      range: { first: range.dynamicFrom, last: range.greatest },
      fallback: { first: range.lowest, last: range.greatest },
      render: (number) => range.at(number),
      taken: new Set(),
    });
    return range.at(offset);
  }

  async #whyNotAddress(
    address: string,
    range: AddressRange,
    held: ReadonlySet<string>,
  ): Promise<string | undefined> {
    if (!range.contains(address)) {
      return `the provided IP (${address}) is not in the valid range. The range of valid IPs is ${range.cidr}`;
    }
    const key = claimKey('service-address', canonicalAddress(address));
    return held.has(key) || (await this.#store.get(key)) === undefined
      ? undefined
      : 'provided IP is already allocated';
  }

  async #claimPorts(service: Service, held: ReadonlySet<string>): Promise<void> {
    const { spec } = service;
    if (!mayHaveNodePorts(spec)) return;
    const chosen = new Set<string>();
    for (const [i, port] of (spec.ports ?? []).entries()) {
      if (port.nodePort) await this.#checkNodePort(service, `spec.ports[${i}].nodePort`, port.nodePort, held);
      if (port.nodePort) chosen.add(claimKey('node-port', port.nodePort));
    }
    for (const port of spec.ports ?? []) {
      if (port.nodePort || spec.allocateLoadBalancerNodePorts === false) continue;
      port.nodePort = sibling(spec.ports, port)?.nodePort ?? (await this.#freeNodePort(chosen));
      chosen.add(claimKey('node-port', port.nodePort));
    }
    if (!needsHealthCheckPort(spec)) {
      delete spec.healthCheckNodePort;
    } else if (spec.healthCheckNodePort) {
      if (chosen.has(claimKey('node-port', spec.healthCheckNodePort))) {
        const mistake = invalidField('spec.healthCheckNodePort', spec.healthCheckNodePort, allocated);
        throw invalid(serviceKind, service.metadata.name, [mistake]);
      }
      await this.#checkNodePort(service, 'spec.healthCheckNodePort', spec.healthCheckNodePort, held);
    } else {
      spec.healthCheckNodePort = await this.#freeNodePort(chosen);
    }
  }

  #freeNodePort(taken: ReadonlySet<string>): Promise<number> {
    const range = this.#nodePorts;
    return chooseFree(this.#store, 'node-port', { range, fallback: range, render: String, taken });
  }

  async #checkNodePort(
    service: Service,
    field: string,
    port: number,
    held: ReadonlySet<string>,
  ): Promise<void> {
    const { first, last } = this.#nodePorts;
    const key = claimKey('node-port', port);
    let why: string | undefined;
    if (port < first || port > last)
      why = `provided port is not in the valid range. The range of valid ports is ${first}-${last}`;
    else if (!held.has(key) && (await this.#store.get(key))) why = allocated;
    if (why !== undefined)
      throw invalid(serviceKind, service.metadata.name, [invalidField(field, port, why)]);
  }
}

const allocated = 'provided port is already allocated';

/** The claims of a stored Service. */
function claimsOf({ spec }: Service): Set<string> {
  const addresses = (spec.clusterIPs ?? []).filter((address) => address !== 'None');
  const ports = (spec.ports ?? []).map((port) => port.nodePort);
  return new Set([
    ...addresses.map((address) => claimKey('service-address', address)),
    ...[...ports, spec.healthCheckNodePort]
      .filter((port) => !!port)
      .map((port) => claimKey('node-port', port ?? 0)),
  ]);
}

function hasFamilies(spec: ServiceSpec): boolean {
  return spec.type !== 'ExternalName';
}

function needsAddresses(spec: ServiceSpec): boolean {
  return hasFamilies(spec) && spec.clusterIP !== 'None';
}

function mayHaveNodePorts(spec: ServiceSpec): boolean {
  return spec.type === 'NodePort' || spec.type === 'LoadBalancer';
}

function needsHealthCheckPort(spec: ServiceSpec): boolean {
  return spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';
}

/** Another port of the same number and another protocol (DNS over TCP and UDP) shares its node port. */
function sibling(ports: readonly ServicePort[] | undefined, port: ServicePort): ServicePort | undefined {
  return ports?.find((each) => each.port === port.port && each.protocol !== port.protocol && each.nodePort);
}

/** clusterIP is the first of clusterIPs, whichever of them the request set or changed. */
function agreeAddresses(spec: ServiceSpec, old: ServiceSpec | undefined): void {
  if (!hasFamilies(spec)) {
    // A patch that only changes the type leaves behind what an ExternalName has not.
    if (isDeepStrictEqual(spec.ipFamilies, old?.ipFamilies)) delete spec.ipFamilies;
    if (spec.ipFamilyPolicy === old?.ipFamilyPolicy) delete spec.ipFamilyPolicy;
    return;
  }
  const isChanged = old !== undefined && spec.clusterIP !== old.clusterIP;
  const isListChanged = !isDeepStrictEqual(spec.clusterIPs, old?.clusterIPs);
  if (isChanged && !isListChanged) delete spec.clusterIPs;
  if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
  const [first] = spec.clusterIPs ?? [];
  if (first !== undefined && (!spec.clusterIP || (isListChanged && !isChanged))) spec.clusterIP = first;
  if (!old || old.ipFamilyPolicy === 'SingleStack' || spec.ipFamilyPolicy !== 'SingleStack') return;
  // Back to one family: the second of what was there goes, unless the request says itself what stays.
  if (isDeepStrictEqual(spec.ipFamilies, old.ipFamilies))
    spec.ipFamilies = (spec.ipFamilies ?? []).slice(0, 1);
  if (!isListChanged) spec.clusterIPs = (spec.clusterIPs ?? []).slice(0, 1);
}

/** A replacement that leaves out what was allocated keeps it. */
function keepAllocated(spec: ServiceSpec, old: ServiceSpec): void {
  if (needsAddresses(spec) && needsAddresses(old) && !spec.clusterIP && !spec.clusterIPs?.length) {
    if (old.clusterIP !== undefined) spec.clusterIP = old.clusterIP;
    if (old.clusterIPs !== undefined) spec.clusterIPs = [...old.clusterIPs];
  }
  if (!mayHaveNodePorts(spec) || !mayHaveNodePorts(old)) return;
  const wanted = new Set(spec.ports?.map((port) => port.nodePort));
  for (const port of spec.ports ?? []) {
    const before = old.ports?.find((each) => each.port === port.port && each.protocol === port.protocol);
    if (!port.nodePort && before?.nodePort && !wanted.has(before.nodePort)) port.nodePort = before.nodePort;
  }
  if (needsHealthCheckPort(spec) && !spec.healthCheckNodePort && old.healthCheckNodePort) {
    spec.healthCheckNodePort = old.healthCheckNodePort;
  }
}
