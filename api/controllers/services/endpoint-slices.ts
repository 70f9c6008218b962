import { isDeepStrictEqual } from 'node:util';
import type { Endpoint, EndpointPort, EndpointSlice } from '../../kinds/endpoint-slice.ts';
import { serviceNameLabel } from '../../kinds/service-labels.ts';
import type { Pod } from '../../kinds/pod.ts';
import type { Service } from '../../kinds/service.ts';
import {
  addressOf,
  familiesOf,
  headlessLabel,
  hostnameOf,
  isHeadless,
  referenceTo,
  resolvePort,
} from './endpoints.ts';
import type { Family } from './endpoints.ts';
import { isPodReady } from '../pod-conditions.ts';
import { controllerReference } from '../workloads/claims.ts';

export const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
export const managedBy = 'endpointslice-controller.k8s.io';

/** Upstream's default for --max-endpoints-per-slice. */
const maxEndpoints = 100;

/** All endpoints of one family with equal ports: what goes into slices together. */
export interface EndpointGroup {
  readonly family: Family;
  readonly ports: EndpointPort[];
  readonly endpoints: Endpoint[];
}

export interface SliceDiff {
  readonly create: EndpointSlice[];
  readonly update: EndpointSlice[];
  readonly remove: EndpointSlice[];
}

/** The key of the Service whose endpoints a slice of this manager holds; undefined for the slices of others. */
export function serviceKeyOf({ metadata }: EndpointSlice, manager: string): string | undefined {
  const { labels = {}, namespace = '' } = metadata;
  const name = labels[serviceNameLabel];
  return name !== undefined && labels[managedByLabel] === manager ? `${namespace}/${name}` : undefined;
}

/** What the slices of a Service must hold. A family without endpoints is one empty group: a slice that says so. */
export function groupEndpoints(
  service: Service,
  pods: readonly Pod[],
  zoneOf: (nodeName: string) => string | undefined,
): EndpointGroup[] {
  return familiesOf(service).flatMap((family) => {
    const groups = new Map<string, EndpointGroup>();
    for (const pod of pods) {
      const address = addressOf(pod, family);
      if (address === undefined) continue;
      const ports = renderPorts(service, pod);
      const key = JSON.stringify(ports);
      const group = groups.get(key) ?? { family, ports, endpoints: [] };
      groups.set(key, group);
      group.endpoints.push(renderEndpoint(service, pod, address, zoneOf));
    }
    return groups.size > 0 ? [...groups.values()] : [{ family, ports: [], endpoints: [] }];
  });
}

function renderPorts(service: Service, pod: Pod): EndpointPort[] {
  return (service.spec.ports ?? []).flatMap((port) => {
    const number = resolvePort(pod, port);
    if (number === undefined) return [];
    const { name = '', protocol = 'TCP', appProtocol } = port;
    return [{ name, port: number, protocol, ...(appProtocol && { appProtocol }) }];
  });
}

function renderEndpoint(
  service: Service,
  pod: Pod,
  address: string,
  zoneOf: (nodeName: string) => string | undefined,
): Endpoint {
  const serving = isPodReady(pod);
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const ready = service.spec.publishNotReadyAddresses === true || (serving && !terminating);
  const { nodeName } = pod.spec;
  const zone = nodeName ? zoneOf(nodeName) : undefined;
  const hostname = hostnameOf(pod, service);
  return {
    addresses: [address],
    conditions: { ready, serving, terminating },
    ...(hostname && { hostname }),
    targetRef: referenceTo(pod),
    ...(nodeName && { nodeName }),
    ...(zone && { zone }),
  };
}

/**
 * The changes that make `existing` (the Service's slices that are ours) hold exactly `groups`. Endpoints stay in
 * the slice they are in and new ones fill what has room, so that one pod's change rewrites one slice.
 */
export function diffSlices(
  service: Service,
  groups: readonly EndpointGroup[],
  existing: readonly EndpointSlice[],
): SliceDiff {
  const diff: SliceDiff = { create: [], update: [], remove: [] };
  const left = new Set(existing);
  for (const group of groups) {
    const mine = existing.filter((slice) => left.has(slice) && fits(slice, group));
    for (const slice of mine) left.delete(slice);
    diffGroup(service, group, mine, diff);
  }
  // What fits no group any more, e.g. after a change of ports, goes; its endpoints are in other slices by now.
  diff.remove.push(...left);
  // One that waits to be deleted keeps its slices in step, but the garbage collector shall not meet new ones.
  return service.metadata.deletionTimestamp === undefined ? diff : { ...diff, create: [] };
}

function fits(slice: EndpointSlice, group: EndpointGroup): boolean {
  if (slice.metadata.deletionTimestamp !== undefined || slice.addressType !== group.family) return false;
  return isDeepStrictEqual(slice.ports ?? [], group.ports);
}

function diffGroup(
  service: Service,
  group: EndpointGroup,
  slices: readonly EndpointSlice[],
  diff: SliceDiff,
): void {
  const wanted = new Map(group.endpoints.map((endpoint) => [identityOf(endpoint), endpoint]));
  const contents = slices.map((slice) =>
    slice.endpoints.flatMap((endpoint) => {
      const identity = identityOf(endpoint);
      const now = wanted.get(identity);
      wanted.delete(identity);
      return now ? [now] : [];
    }),
  );
  const rest = [...wanted.values()];
  // Full ones first: fewer slices stay half empty.
  for (const content of [...contents].sort((a, b) => b.length - a.length)) {
    content.push(...rest.splice(0, maxEndpoints - content.length));
  }
  let created = 0;
  for (; rest.length > 0; created += 1) {
    diff.create.push(renderSlice(service, group, rest.splice(0, maxEndpoints)));
  }
  let kept = created;
  slices.forEach((slice, index) => {
    const endpoints = contents[index] ?? [];
    // Of an empty group one empty slice stays.
    if (endpoints.length === 0 && (group.endpoints.length > 0 || kept > 0)) {
      diff.remove.push(slice);
      return;
    }
    kept += 1;
    const desired = { ...slice, metadata: mergeMetadata(service, slice), endpoints, ports: group.ports };
    if (!isDeepStrictEqual(plain(desired), plain(slice))) diff.update.push(desired);
  });
  if (kept === 0) diff.create.push(renderSlice(service, group, []));
}

/** A slice without the difference between no list and an empty one. */
function plain(slice: EndpointSlice): unknown {
  return { labels: slice.metadata.labels, endpoints: slice.endpoints, ports: slice.ports ?? [] };
}

function identityOf(endpoint: Endpoint): string {
  return `${endpoint.targetRef?.uid ?? ''} ${endpoint.addresses.join(' ')}`;
}

function mergeMetadata(service: Service, slice: EndpointSlice): EndpointSlice['metadata'] {
  return { ...slice.metadata, labels: renderLabels(service) };
}

function renderSlice(service: Service, group: EndpointGroup, endpoints: Endpoint[]): EndpointSlice {
  const { name, namespace } = service.metadata;
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: '',
      generateName: `${name}-`,
      ...(namespace !== undefined && { namespace }),
      labels: renderLabels(service),
      ownerReferences: [controllerReference({ apiVersion: 'v1', kind: 'Service' }, service)],
    },
    addressType: group.family,
    endpoints,
    ports: group.ports,
  };
}

/** The Service's labels, under ours. */
function renderLabels(service: Service): Record<string, string> {
  return {
    ...service.metadata.labels,
    ...(isHeadless(service) && { [headlessLabel]: '' }),
    [serviceNameLabel]: service.metadata.name,
    [managedByLabel]: managedBy,
  };
}
