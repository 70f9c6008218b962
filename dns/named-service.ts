import type { EndpointSlice } from '../api/kinds/endpoint-slice.ts';
import type { Service } from '../api/kinds/service.ts';
import { addressBytes, encodeLabel, encodeName, lowerCase } from './names.ts';
import { MAX_LABEL_BYTES } from './wire.ts';

/**
 * What the zone needs of a Service and its endpoints: plain data, a few hundred bytes for most, which other threads
 * can be sent. Addresses are 4 or 16 bytes, one character each. A Service has an alias, addresses or endpoints; one
 * that has none of them has no names.
 */
export interface NamedService {
  readonly namespace: string;
  readonly name: string;
  /** Where an ExternalName Service leads to, in wire form (dns/names.ts). */
  readonly alias: string | undefined;
  readonly clusterIPs: readonly string[];
  /** Ports of the clusterIPs. */
  readonly ports: readonly NamedPort[];
  /** What a headless Service's names lead to, slice by slice. */
  readonly slices: readonly NamedSlice[];
}

export interface NamedPort {
  /** Empty: no SRV name leads to the port. */
  readonly name: string;
  /** In lower case. */
  readonly protocol: string;
  readonly port: number;
}

/** Endpoints of the same ports. */
interface NamedSlice {
  readonly ports: readonly NamedPort[];
  readonly endpoints: readonly NamedEndpoint[];
}

/** One address of an endpoint that is to be found. */
export interface NamedEndpoint {
  readonly address: string;
  /** Empty: it is called after its address. */
  readonly hostname: string;
}

const nothing = { alias: undefined, clusterIPs: [], ports: [], slices: [] };

/**
 * The part of a Service that its names depend on, `slices` being its EndpointSlices.
 * @throws {DnsError} BadName, which only objects that no API server admits can bring about.
 */
export function namedService(service: Service, slices: readonly EndpointSlice[]): NamedService {
  const { metadata, spec } = service;
  const [name, namespace] = [labelText(metadata.name), labelText(metadata.namespace ?? 'default')];
  const named = { namespace, name, ...nothing };
  if (spec.type === 'ExternalName') return { ...named, alias: aliasOf(spec.externalName ?? '') };
  if (spec.clusterIP === 'None') {
    const all = spec.publishNotReadyAddresses ?? false;
    return { ...named, slices: slices.flatMap((slice) => namedSlice(slice, all)) };
  }
  const clusterIPs = (spec.clusterIPs ?? [spec.clusterIP ?? '']).flatMap(
    (address) => addressBytes(address) ?? [],
  );
  return { ...named, clusterIPs, ports: (spec.ports ?? []).flatMap(namedPort) };
}

/** A label as it is compared, when it is one. */
function labelText(label: string): string {
  return lowerCase(encodeLabel(label)).slice(1);
}

function aliasOf(externalName: string): string | undefined {
  // An address is no canonical name; CoreDNS does not answer it either.
  if (externalName === '' || addressBytes(externalName) !== undefined) return undefined;
  return encodeName(externalName);
}

function namedPort(port: { name?: string; protocol?: string; port?: number }): NamedPort[] {
  if (port.port === undefined) return [];
  const name = port.name ? labelText(`_${port.name}`).slice(1) : '';
  return [{ name, protocol: (port.protocol ?? 'TCP').toLowerCase(), port: port.port }];
}

function namedSlice({ addressType, endpoints, ports }: EndpointSlice, notReady: boolean): NamedSlice[] {
  if (addressType === 'FQDN') return [];
  // An unknown readiness counts as ready (discovery.k8s.io/v1, EndpointConditions).
  const found = endpoints.filter(({ conditions }) => notReady || conditions?.ready !== false);
  const named = found.flatMap(({ addresses, hostname = '' }) =>
    addresses.flatMap((address) => {
      const bytes = addressBytes(address);
      if (bytes === undefined) return [];
      return [{ address: bytes, hostname: hostname.length > MAX_LABEL_BYTES ? '' : lowerCase(hostname) }];
    }),
  );
  return named.length === 0 ? [] : [{ ports: (ports ?? []).flatMap(namedPort), endpoints: named }];
}
