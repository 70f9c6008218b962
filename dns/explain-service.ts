import type { Endpoint, EndpointSlice } from '../api/kinds/endpoint-slice.ts';
import type { Service } from '../api/kinds/service.ts';
import type { NamePlace } from './cluster-name.ts';
import type { Explanation } from './explain.ts';
import { addressBytes, dashAddress } from './names.ts';
import { MAX_LABEL_BYTES, TYPE, typeName } from './wire.ts';

/** One address of an endpoint of a headless Service. */
interface NamedEndpoint {
  readonly address: string;
  readonly bytes: string;
  /** Its label below the Service's name. */
  readonly label: string;
  readonly ready: boolean;
  readonly ports: NonNullable<EndpointSlice['ports']>;
}

const families = [
  { type: TYPE.A, name: 'IPv4', bytes: 4 },
  { type: TYPE.AAAA, name: 'IPv6', bytes: 16 },
] as const;

/** More than this many of a kind are only counted. */
const MOST_NAMED = 5;

/** Why `S.N.svc.Z` is answered as it is. */
export function explainService(
  service: Service,
  slices: readonly EndpointSlice[],
  type: number,
): Explanation {
  const external = explainExternal(service, service.spec.externalName ?? '');
  if (external) return external;
  const key = keyOf(service);
  if (service.spec.clusterIP === 'None') return explainHeadless(service, slices, type);
  const addresses = (service.spec.clusterIPs ?? [service.spec.clusterIP ?? '']).flatMap(
    (address) => addressBytes(address) ?? [],
  );
  if (addresses.length === 0) return noName(`Service ${key} has no clusterIP yet`);
  const family = families.find((each) => each.type === type);
  if (family) {
    if (addresses.some((bytes) => bytes.length === family.bytes))
      return records(`the clusterIP of Service ${key}; it answers also without endpoints`);
    return noData(`Service ${key} has no ${family.name} clusterIP`);
  }
  if (type === TYPE.SRV) return explainPorts(key, service.spec.ports ?? []);
  return explainOtherType(type, `the name of Service ${key}`);
}

/** Why `_port._protocol.S.N.svc.Z`, or `_protocol.S.N.svc.Z`, is answered as it is. */
export function explainPort(
  service: Service,
  slices: readonly EndpointSlice[],
  { port, protocol }: Extract<NamePlace, { kind: 'port' }>,
  type: number,
): Explanation {
  if (service.spec.type === 'ExternalName') return belowExternal(service);
  const key = keyOf(service);
  const ports =
    service.spec.clusterIP === 'None' ? portsOf(endpointsOf(service, slices)) : service.spec.ports;
  const named = (ports ?? []).filter(({ name }) => name);
  const there = named.map((each) => `${each.name ?? ''} (${each.protocol ?? 'TCP'})`).join(', ');
  const has = there === '' ? 'none of its ports has a name' : `it has: ${there}`;
  const ofProtocol = named.filter((each) => (each.protocol ?? 'TCP').toLowerCase() === protocol);
  if (service.spec.clusterIP === 'None' && endpointsOf(service, slices).every(({ ready }) => !ready)) {
    return noName(`headless Service ${key} has no ready endpoints, and so no ports`);
  }
  if (port === undefined) {
    return ofProtocol.length > 0
      ? noData(`names of Service ${key}'s ports lie below this name; it has no records of its own`)
      : noName(`Service ${key} has no named ${protocol.toUpperCase()} port; ${has}`);
  }
  if (!named.some(({ name }) => name?.toLowerCase() === port))
    return noName(`Service ${key} has no port named ${port}; ${has}`);
  const found = ofProtocol.find(({ name }) => name?.toLowerCase() === port);
  if (!found) {
    const protocols = named
      .filter(({ name }) => name?.toLowerCase() === port)
      .map((each) => each.protocol ?? 'TCP');
    return noName(
      `port ${port} of Service ${key} is ${protocols.join(' and ')}, not ${protocol.toUpperCase()}`,
    );
  }
  if (type === TYPE.SRV) return records(`port ${port} of Service ${key} is ${found.port ?? '?'}`);
  return noData(`the name of a port has SRV records, no ${typeName(type)}`);
}

/** Why `endpoint.S.N.svc.Z` is answered as it is. */
export function explainEndpoint(
  service: Service,
  slices: readonly EndpointSlice[],
  label: string,
  type: number,
): Explanation {
  if (service.spec.type === 'ExternalName') return belowExternal(service);
  const key = keyOf(service);
  if (service.spec.clusterIP !== 'None') {
    return noName(
      `Service ${key} has a clusterIP: only endpoints of headless Services have names of their own`,
    );
  }
  const endpoints = endpointsOf(service, slices);
  const named = endpoints.filter((endpoint) => endpoint.label === label);
  const ready = named.filter((endpoint) => endpoint.ready);
  if (named.length === 0) {
    const labels = [...new Set(endpoints.filter((each) => each.ready).map((each) => each.label))];
    const has = labels.length === 0 ? 'it has no ready ones' : `it has: ${listed(labels)}`;
    return noName(`headless Service ${key} has no endpoint called ${label}; ${has}`);
  }
  const addresses = listed(named.map(({ address }) => address));
  if (ready.length === 0) return noName(`endpoint ${label} (${addresses}) of Service ${key} is not ready`);
  const family = families.find((each) => each.type === type);
  if (family) {
    if (ready.some(({ bytes }) => bytes.length === family.bytes))
      return records(`the address of endpoint ${label} of headless Service ${key}`);
    return noData(`endpoint ${label} of Service ${key} has no ${family.name} address`);
  }
  if (type === TYPE.SRV) return explainPorts(key, portsOf(ready));
  return explainOtherType(type, `the name of an endpoint of Service ${key}`);
}

function explainHeadless(service: Service, slices: readonly EndpointSlice[], type: number): Explanation {
  const key = keyOf(service);
  const endpoints = endpointsOf(service, slices);
  const ready = endpoints.filter((endpoint) => endpoint.ready);
  if (ready.length === 0) {
    const waiting = listed(endpoints.map(({ address }) => address));
    const others =
      endpoints.length > 0 ? `not ready: ${waiting}` : `it has none at all${selectorText(service)}`;
    return noName(`headless Service ${key} has no ready endpoints; ${others}`);
  }
  const family = families.find((each) => each.type === type);
  if (!family) {
    if (type === TYPE.SRV) return explainPorts(key, portsOf(ready));
    return explainOtherType(type, `the name of Service ${key}`);
  }
  const matching = (list: readonly NamedEndpoint[]): number =>
    list.filter(({ bytes }) => bytes.length === family.bytes).length;
  const [count, of] = [matching(ready), matching(endpoints)];
  if (count === 0)
    return noData(`no ready endpoint of headless Service ${key} has an ${family.name} address`);
  const which = service.spec.publishNotReadyAddresses ? 'publishNotReadyAddresses: all' : 'ready';
  return records(`the endpoints of headless Service ${key}: ${count} of ${of} (${which})`);
}

function explainExternal(service: Service, target: string): Explanation | undefined {
  if (service.spec.type !== 'ExternalName') return undefined;
  const key = keyOf(service);
  if (target === '' || addressBytes(target) !== undefined) {
    return noName(`Service ${key} is an ExternalName without a name: "${target}" is none`);
  }
  return { expects: undefined, why: `Service ${key} is of type ExternalName: an alias of ${target}` };
}

function belowExternal(service: Service): Explanation {
  return noName(`Service ${keyOf(service)} is of type ExternalName: nothing lies below its name`);
}

function explainPorts(key: string, ports: readonly { readonly port?: number }[]): Explanation {
  return ports.length > 0
    ? records(`the ports of Service ${key}: ${listed(ports.map(({ port }) => String(port ?? '?')))}`)
    : noData(`Service ${key} has no ports`);
}

function explainOtherType(type: number, what: string): Explanation {
  if (type === TYPE.ANY) return records('ANY is answered with as little as RFC 8482 allows');
  return noData(`${what} has address and SRV records, no ${typeName(type)}`);
}

function endpointsOf({ spec }: Service, slices: readonly EndpointSlice[]): NamedEndpoint[] {
  return slices
    .filter(({ addressType }) => addressType !== 'FQDN')
    .flatMap(({ endpoints, ports }) =>
      endpoints.flatMap((endpoint) =>
        endpoint.addresses.flatMap((address): NamedEndpoint[] => {
          const bytes = addressBytes(address);
          if (bytes === undefined) return [];
          const ready = spec.publishNotReadyAddresses === true || endpoint.conditions?.ready !== false;
          return [{ address, bytes, label: labelOf(endpoint, bytes), ready, ports: ports ?? [] }];
        }),
      ),
    );
}

function labelOf({ hostname }: Endpoint, bytes: string): string {
  return (hostname && hostname.length <= MAX_LABEL_BYTES ? hostname : dashAddress(bytes)).toLowerCase();
}

/** The ports of endpoints that are published, each once. */
function portsOf(endpoints: readonly NamedEndpoint[]): NamedEndpoint['ports'] {
  const ports = endpoints.filter(({ ready }) => ready).flatMap((endpoint) => endpoint.ports);
  return [
    ...new Map(
      ports.map((each) => [`${each.name ?? ''} ${each.protocol ?? ''} ${each.port ?? ''}`, each]),
    ).values(),
  ];
}

function selectorText({ spec }: Service): string {
  const selector = Object.entries(spec.selector ?? {}).map(([label, value]) => `${label}=${value}`);
  return selector.length === 0 ? '' : `: no pod with ${selector.join(',')} has an address`;
}

function listed(items: readonly string[]): string {
  const rest = items.length - MOST_NAMED;
  return rest > 0 ? `${items.slice(0, MOST_NAMED).join(', ')} and ${rest} more` : items.join(', ');
}

function keyOf({ metadata }: Service): string {
  return `${metadata.namespace ?? 'default'}/${metadata.name}`;
}

function records(why: string): Explanation {
  return { expects: 'records', why };
}

function noData(why: string): Explanation {
  return { expects: 'no-data', why };
}

function noName(why: string): Explanation {
  return { expects: 'no-name', why };
}
