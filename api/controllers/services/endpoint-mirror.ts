import { isDeepStrictEqual } from 'node:util';
import ipaddr from 'ipaddr.js';
import type { Endpoint, EndpointPort, EndpointSlice } from '../../kinds/endpoint-slice.ts';
import { serviceNameLabel } from '../../kinds/service-labels.ts';
import type { EndpointAddress, Endpoints, EndpointsPort } from '../../kinds/endpoints.ts';
import { familyOf } from '../../kinds/ip.ts';
import { managedByLabel } from './endpoint-slices.ts';
import type { SliceDiff } from './endpoint-slices.ts';
import { endpointsManagedByLabel } from './endpoints.ts';
import { controllerReference } from '../workloads/claims.ts';

export const mirroredBy = 'endpointslicemirroring-controller.k8s.io';
const skipMirrorLabel = 'endpointslice.kubernetes.io/skip-mirror';
/** Endpoints were once locks; they still may be. */
const leaderAnnotation = 'control-plane.alpha.kubernetes.io/leader';
const unmirroredAnnotations = [
  'endpoints.kubernetes.io/last-change-trigger-time',
  'kubectl.kubernetes.io/last-applied-configuration',
];

/** Upstream's --mirroring-max-endpoints-per-subset. */
export const maxAddresses = 1000;

/** Whether Endpoints that somebody wrote by hand are to be seen as slices, too. */
export function isMirrored({ metadata }: Endpoints): boolean {
  return (
    metadata.labels?.[skipMirrorLabel] !== 'true' && metadata.annotations?.[leaderAnnotation] === undefined
  );
}

/** How many addresses are left out because their subset has too many. */
export function countSkipped({ subsets = [] }: Endpoints): number {
  const sizes = subsets.map(
    ({ addresses = [], notReadyAddresses = [] }) => addresses.length + notReadyAddresses.length,
  );
  return sizes.reduce((sum, size) => sum + Math.max(0, size - maxAddresses), 0);
}

type Group = Pick<EndpointSlice, 'addressType' | 'endpoints'> & { readonly ports: EndpointPort[] };

/** The changes that make `existing` (the slices that mirror these Endpoints) show them, one per family and ports. */
export function diffMirror(endpoints: Endpoints, existing: readonly EndpointSlice[]): SliceDiff {
  const diff: SliceDiff = { create: [], update: [], remove: [] };
  const left = new Set(existing);
  const fresh: Group[] = [];
  for (const group of groupAddresses(endpoints)) {
    const mine = existing.find((slice) => left.has(slice) && fits(slice, group));
    if (!mine) {
      fresh.push(group);
      continue;
    }
    left.delete(mine);
    const desired = renderSlice(endpoints, group, mine);
    if (!isDeepStrictEqual(content(desired), content(mine))) diff.update.push(desired);
  }
  diff.create.push(...fresh.map((group) => renderSlice(endpoints, group)));
  diff.remove.push(...left);
  return diff;
}

function fits(slice: EndpointSlice, group: Group): boolean {
  return slice.addressType === group.addressType && isDeepStrictEqual(slice.ports ?? [], group.ports);
}

function content({ metadata, endpoints, ports = [] }: EndpointSlice): unknown {
  return [metadata.labels, metadata.annotations ?? {}, endpoints, ports];
}

function groupAddresses({ subsets = [] }: Endpoints): Group[] {
  const groups = new Map<string, Group>();
  for (const { addresses = [], notReadyAddresses = [], ports = [] } of subsets) {
    const all = [
      ...addresses.map((address) => renderEndpoint(address, true)),
      ...notReadyAddresses.map((address) => renderEndpoint(address, false)),
    ];
    for (const endpoint of all.slice(0, maxAddresses)) {
      const [address = ''] = endpoint.addresses;
      const addressType = familyOf(address) ?? 'IPv4';
      const rendered = ports.map(renderPort);
      const key = JSON.stringify([addressType, rendered]);
      const group = groups.get(key) ?? { addressType, ports: rendered, endpoints: [] };
      groups.set(key, group);
      if (group.endpoints.length < maxAddresses) group.endpoints.push(endpoint);
    }
  }
  return [...groups.values()];
}

function renderPort({ name = '', port, protocol = 'TCP', appProtocol }: EndpointsPort): EndpointPort {
  return { name, port, protocol, ...(appProtocol !== undefined && { appProtocol }) };
}

function renderEndpoint(address: EndpointAddress, ready: boolean): Endpoint {
  const { ip, hostname, nodeName, targetRef } = address;
  return {
    addresses: [ipaddr.parse(ip).toString()],
    conditions: { ready },
    ...(hostname && { hostname }),
    ...(targetRef && { targetRef }),
    ...(nodeName && { nodeName }),
  };
}

/** A new slice, or `before` with its name and what else only the server knows. */
function renderSlice(endpoints: Endpoints, group: Group, before?: EndpointSlice): EndpointSlice {
  const { name, namespace, labels, annotations } = endpoints.metadata;
  const fresh = { name: '', generateName: `${name}-`, ...(namespace !== undefined && { namespace }) };
  return {
    ...before,
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      ...(before?.metadata ?? fresh),
      labels: {
        // Who manages the Endpoints does not manage their slices.
        ...without(labels, [endpointsManagedByLabel]),
        [serviceNameLabel]: name,
        [managedByLabel]: mirroredBy,
      },
      annotations: without(annotations, unmirroredAnnotations),
      ownerReferences: [controllerReference({ apiVersion: 'v1', kind: 'Endpoints' }, endpoints)],
    },
    ...group,
  };
}

function without(
  map: Readonly<Record<string, string>> | undefined,
  keys: readonly string[],
): Record<string, string> {
  return Object.fromEntries(Object.entries(map ?? {}).filter(([key]) => !keys.includes(key)));
}
