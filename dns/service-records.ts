import { dashAddress, encodeLabel, reverseName } from './names.ts';
import type { NamedEndpoint, NamedPort, NamedService } from './named-service.ts';
import { serviceData, type ResourceRecord } from './records.ts';
import { TYPE } from './wire.ts';

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

/** All names that one Service gives rise to, PTR names included (Kubernetes DNS-Based Service Discovery 1.1.0). */
function serviceRecords(service: NamedService, { zone, ttlSeconds }: RecordSettings): RecordsByName {
  const { alias, clusterIPs } = service;
  const name = encodeLabel(service.name) + encodeLabel(service.namespace) + encodeLabel('svc') + zone;
  const builder = new RecordBuilder(name, ttlSeconds);
  if (alias !== undefined) builder.add(builder.name, TYPE.CNAME, alias);
  else if (clusterIPs.length > 0) addClusterIPs(builder, service);
  else addEndpoints(builder, service);
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
export function serviceSource(service: NamedService, settings: RecordSettings): RecordSource {
  if (service.slices.length > 0) return fixedSource(serviceRecords(service, settings));
  return new ServiceSource(service, settings);
}

class ServiceSource implements RecordSource {
  readonly #service: NamedService;
  readonly #settings: RecordSettings;

  constructor(service: NamedService, settings: RecordSettings) {
    this.#service = service;
    this.#settings = settings;
  }

  records(): RecordsByName {
    return serviceRecords(this.#service, this.#settings);
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

function addClusterIPs(builder: RecordBuilder, { clusterIPs, ports }: NamedService): void {
  for (const bytes of clusterIPs) {
    builder.addAddress(builder.name, bytes);
    builder.add(reverseName(bytes), TYPE.PTR, builder.name);
  }
  addServiceRecords(
    builder,
    ports.map((port) => ({ ...port, target: builder.name })),
  );
}

/** One target of SRV records. */
interface Target extends NamedPort {
  readonly target: string;
}

/**
 * SRV records under `_port._protocol` for named ports, and of every port at the Service's own name, which
 * clients that know no port name ask for (Go's `LookupSRV("", "", name)`; CoreDNS answers so).
 */
function addServiceRecords(builder: RecordBuilder, targets: readonly Target[]): void {
  const byName = new Map<string, Target[]>();
  for (const target of targets) {
    if (target.name === '') continue;
    const protocolName = encodeLabel(`_${target.protocol}`) + builder.name;
    builder.addName(protocolName);
    const name = encodeLabel(`_${target.name}`) + protocolName;
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

function addEndpoints(builder: RecordBuilder, { slices }: NamedService): void {
  const targets = slices.flatMap(({ endpoints, ports }) =>
    endpoints.flatMap((endpoint) => addEndpoint(builder, endpoint, ports)),
  );
  if (targets.length > 0) addServiceRecords(builder, targets);
}

/** Adds an endpoint's own names; returns what SRV records of the Service shall lead to. */
function addEndpoint(
  builder: RecordBuilder,
  { address, hostname }: NamedEndpoint,
  ports: readonly NamedPort[],
): Target[] {
  const target = encodeLabel(hostname === '' ? dashAddress(address) : hostname) + builder.name;
  builder.addAddress(builder.name, address);
  builder.addAddress(target, address);
  builder.add(reverseName(address), TYPE.PTR, target);
  const targets = ports.map((port) => ({ ...port, target }));
  addTargets(builder, target, targets);
  return targets;
}
