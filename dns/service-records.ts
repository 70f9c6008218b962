import { dashAddress, encodeLabel } from './names.ts';
import type { NamedEndpoint, NamedPort, NamedService } from './named-service.ts';
import { serviceData } from './records.ts';
import { TYPE } from './wire.ts';

/*
 * What stands at `service.namespace.svc.zone` and below (Kubernetes DNS-Based Service Discovery 1.1.0), found in the
 * Service when somebody asks: nothing is made in advance, so nothing has to be made again when the Service changes.
 *
 * `name` is the Service's own name in wire form. `below` are the labels in front of it: none for the Service itself,
 * `_http`, `_tcp` for a port, the hostname or dashed address for an endpoint.
 */

/** Types of records at the names of a Service. */
const serviceTypes = [TYPE.CNAME, TYPE.A, TYPE.AAAA, TYPE.SRV];

/** The data of the records of one type; empty where the name has none, undefined where there is no such name. */
export function serviceRecordData(
  service: NamedService,
  name: string,
  below: readonly string[],
  type: number,
): readonly string[] | undefined {
  if (!hasNames(service)) return undefined;
  const [first, second] = below;
  if (first === undefined) return ownData(service, name, type);
  if (second === undefined) {
    return first.startsWith('_')
      ? namedPorts(service).some(({ protocol }) => first === `_${protocol}`)
        ? []
        : undefined
      : endpointData(service, name, first, type);
  }
  return below.length === 2 ? portData(service, name, first, second, type) : undefined;
}

/** The names that a PTR record of this address of the Service leads to. */
export function pointersTo(service: NamedService, name: string, address: string): readonly string[] {
  if (service.clusterIPs.includes(address)) return [name];
  const endpoints = service.slices.flatMap((slice) => slice.endpoints);
  return distinct(
    endpoints
      .filter((endpoint) => endpoint.address === address)
      .map((endpoint) => endpointName(endpoint, name)),
  );
}

/** All addresses that lead to names of the Service; one may come more than once. */
export function* addressesOf({ clusterIPs, slices }: NamedService): Generator<string> {
  yield* clusterIPs;
  for (const { endpoints } of slices) for (const { address } of endpoints) yield address;
}

/** All sets of records of the Service: the labels in front of its name, type and data. */
export function* serviceRecordSets(
  service: NamedService,
  name: string,
): Generator<{ below: readonly string[]; type: number; data: readonly string[] }> {
  for (const below of listNames(service)) {
    for (const type of serviceTypes) {
      const data = serviceRecordData(service, name, below, type) ?? [];
      if (data.length > 0) yield { below, type, data };
    }
  }
}

function* listNames(service: NamedService): Generator<readonly string[]> {
  yield [];
  const ports = namedPorts(service).map((port) => `_${port.name}._${port.protocol}`);
  for (const port of new Set(ports)) yield port.split('.');
  const endpoints = service.slices.flatMap((slice) => slice.endpoints);
  for (const label of new Set(endpoints.map(endpointLabel))) yield [label];
}

/** An ExternalName that leads nowhere, and a headless Service without endpoints, do not exist. */
function hasNames({ alias, clusterIPs, slices }: NamedService): boolean {
  return alias !== undefined || clusterIPs.length > 0 || slices.length > 0;
}

function ownData(service: NamedService, name: string, type: number): readonly string[] {
  const { alias } = service;
  if (alias !== undefined) return type === TYPE.CNAME ? [alias] : [];
  if (type === TYPE.A || type === TYPE.AAAA) return addressData(addressesOf(service), type);
  // Clients that know no port's name ask for all ports (Go's `LookupSRV("", "", name)`; CoreDNS answers so).
  return type === TYPE.SRV ? targetData(listTargets(service, name)) : [];
}

function portData(
  service: NamedService,
  name: string,
  portLabel: string,
  protocolLabel: string,
  type: number,
): readonly string[] | undefined {
  const targets = listTargets(service, name).filter(
    ({ port }) => port.name !== '' && portLabel === `_${port.name}` && protocolLabel === `_${port.protocol}`,
  );
  if (targets.length === 0) return undefined;
  return type === TYPE.SRV ? targetData(targets) : [];
}

function endpointData(
  service: NamedService,
  name: string,
  label: string,
  type: number,
): readonly string[] | undefined {
  const found = endpointsByLabel(service).get(label);
  if (!found) return undefined;
  if (type === TYPE.SRV) {
    const target = encodeLabel(label) + name;
    return targetData(found.flatMap(({ ports }) => ports.map((port) => ({ port, target }))));
  }
  return addressData(
    found.map(({ endpoint }) => endpoint.address),
    type,
  );
}

interface CalledEndpoint {
  readonly endpoint: NamedEndpoint;
  readonly ports: readonly NamedPort[];
}

/** The one Service whose endpoints were asked for last: an SRV answer asks for each of them, one after the other. */
let indexed:
  | {
      readonly service: NamedService;
      readonly byLabel: ReadonlyMap<string, readonly CalledEndpoint[]>;
    }
  | undefined;

/** A Service's endpoints by what they are called: an address by one label only, as CoreDNS compares labels. */
function endpointsByLabel(service: NamedService): ReadonlyMap<string, readonly CalledEndpoint[]> {
  if (indexed?.service === service) return indexed.byLabel;
  const byLabel = Map.groupBy(
    service.slices.flatMap(({ endpoints, ports }) => endpoints.map((endpoint) => ({ endpoint, ports }))),
    ({ endpoint }) => endpointLabel(endpoint),
  );
  indexed = { service, byLabel };
  return byLabel;
}

function addressData(addresses: Iterable<string>, type: number): readonly string[] {
  const length = type === TYPE.A ? 4 : type === TYPE.AAAA ? 16 : 0;
  return distinct([...addresses].filter((address) => address.length === length));
}

/** What an SRV record leads to. */
interface Target {
  readonly port: NamedPort;
  readonly target: string;
}

/** One SRV record per target, all of one priority and equal weights that sum up to 100 at most, as CoreDNS's. */
function targetData(targets: readonly Target[]): readonly string[] {
  const ends = distinct(targets.map(({ port, target }) => serviceData(0, 0, port.port, target).slice(4)));
  const weight = Math.max(1, Math.floor(100 / ends.length));
  const start = serviceData(0, weight, 0, '').slice(0, 4);
  return ends.map((end) => start + end);
}

/** Every port of the Service's address, or of each of its endpoints. */
function listTargets({ ports, slices }: NamedService, name: string): readonly Target[] {
  if (slices.length === 0) return ports.map((port) => ({ port, target: name }));
  return slices.flatMap((slice) =>
    slice.endpoints.flatMap((endpoint) => {
      const target = endpointName(endpoint, name);
      return slice.ports.map((port) => ({ port, target }));
    }),
  );
}

function namedPorts({ ports, slices }: NamedService): readonly NamedPort[] {
  return [...ports, ...slices.flatMap((slice) => slice.ports)].filter(({ name }) => name !== '');
}

function endpointName(endpoint: NamedEndpoint, name: string): string {
  return encodeLabel(endpointLabel(endpoint)) + name;
}

function endpointLabel({ address, hostname }: NamedEndpoint): string {
  return hostname === '' ? dashAddress(address) : hostname;
}

function distinct(values: readonly string[]): readonly string[] {
  return values.length < 2 ? values : [...new Set(values)];
}
