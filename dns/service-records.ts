import type { Endpoint, EndpointPort, EndpointSlice } from '../api/kinds/endpoint-slice.ts';
import type { Service } from '../api/kinds/service.ts';
import { addressBytes, dashAddress, encodeLabel, encodeName, lowerCase, reverseName } from './names.ts';
import { serviceData, type ResourceRecord } from './records.ts';
import { MAX_LABEL_BYTES, TYPE } from './wire.ts';

/** Records by owner. A name with no records exists all the same: another name lies below it (RFC 8020). */
export type RecordsByName = ReadonlyMap<string, readonly ResourceRecord[]>;

/** Where an owner's records come from, always the same ones. Those that follow from an object need not be kept. */
export interface RecordSource {
  records(): RecordsByName;
}

export interface RecordSettings {
  /** The cluster's zone in wire form. */
  readonly zone: string;
  readonly ttlSeconds: number;
}

/**
 * All names that one Service gives rise to, PTR names included (Kubernetes DNS-Based Service Discovery 1.1.0).
 * `slices` are the Service's EndpointSlices; only a headless Service's names depend on them.
 * @throws {DnsError} BadName, which only objects that no API server admits can bring about.
 */
export function serviceRecords(
  service: Service,
  slices: readonly EndpointSlice[],
  { zone, ttlSeconds }: RecordSettings,
): RecordsByName {
  const { name: serviceName, namespace = 'default' } = service.metadata;
  const name = lowerCase(encodeLabel(serviceName) + encodeLabel(namespace) + encodeLabel('svc')) + zone;
  const builder = new RecordBuilder(name, ttlSeconds);
  if (service.spec.type === 'ExternalName') addExternalName(builder, service.spec.externalName ?? '');
  else if (service.spec.clusterIP === 'None') addEndpoints(builder, service, slices);
  else addClusterIPs(builder, service);
  return builder.records;
}

/** Records that are kept. */
export function fixedSource(records: RecordsByName): RecordSource {
  return { records: () => records };
}

/**
 * A Service's records, made when they are asked for: its object, which is in memory anyway, takes a tenth of their
 * place. A headless Service's are kept: it can have thousands, and each would be made for each name that is asked for.
 */
export function serviceSource(
  service: Service,
  slices: readonly EndpointSlice[],
  settings: RecordSettings,
): RecordSource {
  if (service.spec.clusterIP === 'None') return fixedSource(serviceRecords(service, slices, settings));
  return new ServiceSource(service, settings);
}

class ServiceSource implements RecordSource {
  readonly #service: Service;
  readonly #settings: RecordSettings;

  constructor(service: Service, settings: RecordSettings) {
    this.#service = service;
    this.#settings = settings;
  }

  records(): RecordsByName {
    return serviceRecords(this.#service, [], this.#settings);
  }
}

/** Collects records, each once. */
class RecordBuilder {
  readonly records = new Map<string, ResourceRecord[]>();
  readonly name: string;
  readonly #ttlSeconds: number;
  readonly #seen = new Set<string>();

  constructor(name: string, ttlSeconds: number) {
    this.name = name;
    this.#ttlSeconds = ttlSeconds;
  }

  add(name: string, type: number, data: string): void {
    const identity = `${type} ${name} ${data}`;
    if (this.#seen.has(identity)) return;
    this.#seen.add(identity);
    this.addName(name).push({ name, type, ttlSeconds: this.#ttlSeconds, data });
  }

  /** Makes the name exist. */
  addName(name: string): ResourceRecord[] {
    let records = this.records.get(name);
    if (!records) this.records.set(name, (records = []));
    return records;
  }

  addAddress(name: string, bytes: string): void {
    this.add(name, bytes.length === 4 ? TYPE.A : TYPE.AAAA, bytes);
  }
}

function addExternalName(builder: RecordBuilder, externalName: string): void {
  // An address is no canonical name; CoreDNS does not answer it either.
  if (externalName === '' || addressBytes(externalName) !== undefined) return;
  builder.add(builder.name, TYPE.CNAME, encodeName(externalName));
}

function addClusterIPs(builder: RecordBuilder, { spec }: Service): void {
  const addresses = (spec.clusterIPs ?? [spec.clusterIP ?? '']).flatMap(
    (address) => addressBytes(address) ?? [],
  );
  if (addresses.length === 0) return;
  for (const bytes of addresses) {
    builder.addAddress(builder.name, bytes);
    builder.add(reverseName(bytes), TYPE.PTR, builder.name);
  }
  addServiceRecords(
    builder,
    (spec.ports ?? []).map((port) => ({ ...port, target: builder.name })),
  );
}

/** One target of SRV records. */
interface Target {
  readonly name?: string;
  readonly protocol?: string;
  readonly port: number;
  readonly target: string;
}

/**
 * SRV records under `_port._protocol` for named ports, and of every port at the Service's own name, which
 * clients that know no port name ask for (Go's `LookupSRV("", "", name)`; CoreDNS answers so).
 */
function addServiceRecords(builder: RecordBuilder, targets: readonly Target[]): void {
  const byName = new Map<string, Target[]>();
  for (const target of targets) {
    if (!target.name) continue;
    const protocolName = encodeLabel(`_${(target.protocol ?? 'TCP').toLowerCase()}`) + builder.name;
    builder.addName(protocolName);
    const name = lowerCase(encodeLabel(`_${target.name}`)) + protocolName;
    byName.set(name, [...(byName.get(name) ?? []), target]);
  }
  byName.set(builder.name, [...targets]);
  for (const [name, group] of byName) addTargets(builder, name, group);
}

/** One SRV record per target, all of one priority and equal weights that sum up to 100 at most, as CoreDNS's. */
function addTargets(builder: RecordBuilder, name: string, targets: readonly Target[]): void {
  const distinct = new Set(targets.map(({ port, target }) => `${port} ${target}`)).size;
  const weight = Math.max(1, Math.floor(100 / distinct));
  for (const { port, target } of targets) builder.add(name, TYPE.SRV, serviceData(0, weight, port, target));
}

function addEndpoints(builder: RecordBuilder, { spec }: Service, slices: readonly EndpointSlice[]): void {
  const targets: Target[] = [];
  for (const { addressType, endpoints, ports } of slices) {
    if (addressType === 'FQDN') continue;
    for (const endpoint of endpoints) {
      // An unknown readiness counts as ready (discovery.k8s.io/v1, EndpointConditions).
      if (!spec.publishNotReadyAddresses && endpoint.conditions?.ready === false) continue;
      for (const address of endpoint.addresses)
        targets.push(...addEndpoint(builder, endpoint, address, ports ?? []));
    }
  }
  if (targets.length > 0) addServiceRecords(builder, targets);
}

/** Adds an endpoint's own names; returns what SRV records of the Service shall lead to. */
function addEndpoint(
  builder: RecordBuilder,
  endpoint: Endpoint,
  address: string,
  ports: readonly EndpointPort[],
): Target[] {
  const bytes = addressBytes(address);
  if (bytes === undefined) return [];
  const target = lowerCase(encodeLabel(endpointLabel(endpoint.hostname, bytes))) + builder.name;
  builder.addAddress(builder.name, bytes);
  builder.addAddress(target, bytes);
  builder.add(reverseName(bytes), TYPE.PTR, target);
  const targets = ports.flatMap(({ port, ...rest }) =>
    port === undefined ? [] : [{ ...rest, port, target }],
  );
  addTargets(builder, target, targets);
  return targets;
}

function endpointLabel(hostname: string | undefined, bytes: string): string {
  return hostname && hostname.length <= MAX_LABEL_BYTES ? hostname : dashAddress(bytes);
}
