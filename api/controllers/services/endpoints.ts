import { isIPv6 } from 'node:net';
import type { EndpointAddress, EndpointSubset, EndpointsPort } from '../../kinds/endpoints.ts';
import type { ObjectReference } from '../../kinds/object-reference.ts';
import type { Pod } from '../../kinds/pod.ts';
import type { Service, ServicePort } from '../../kinds/service.ts';
import { isPodTerminal } from '../../kinds/pod-status.ts';
import { isPodReady, matchesLabels } from '../pod-conditions.ts';

export type Family = 'IPv4' | 'IPv6';

/** Set on what belongs to a headless Service. */
export const headlessLabel = 'service.kubernetes.io/headless';

/** On Endpoints that a controller writes, since Kubernetes 1.33: tells them from those that people write. */
export const endpointsManagedByLabel = 'endpoints.kubernetes.io/managed-by';

/** Whether the endpoints of this Service are ours to write. */
export function isManaged(service: Service): boolean {
  const selector = service.spec.selector ?? {};
  return service.spec.type !== 'ExternalName' && Object.keys(selector).length > 0;
}

export function isHeadless(service: Service): boolean {
  return service.spec.clusterIP === 'None';
}

/** The Service's families, primary first. */
export function familiesOf(service: Service): Family[] {
  const { ipFamilies = [], clusterIP = '' } = service.spec;
  if (ipFamilies.length > 0) return ipFamilies as Family[];
  return [isIPv6(clusterIP) ? 'IPv6' : 'IPv4'];
}

/** The pod's address of one family. */
export function addressOf(pod: Pod, family: Family): string | undefined {
  const { podIP, podIPs = [] } = pod.status ?? {};
  const addresses = podIPs.length > 0 ? podIPs.map(({ ip }) => ip) : [podIP ?? ''];
  return addresses.find((address) => address !== '' && isIPv6(address) === (family === 'IPv6'));
}

/** The pods a Service selects that can be endpoints at all: with an address, not ended. */
export function selectPods(service: Service, namespacePods: Iterable<Pod>): Pod[] {
  const pods: Pod[] = [];
  for (const pod of namespacePods) {
    if (isPodTerminal(pod) || !matchesLabels(service.spec.selector, pod.metadata.labels)) continue;
    if (pod.status?.podIP || (pod.status?.podIPs ?? []).length > 0) pods.push(pod);
  }
  return pods;
}

/** The number behind a Service port on this pod; undefined when no container has a port of that name. */
export function resolvePort(pod: Pod, port: ServicePort): number | undefined {
  const target = port.targetPort ?? port.port;
  if (typeof target === 'number') return target === 0 ? port.port : target;
  const protocol = port.protocol ?? 'TCP';
  for (const container of pod.spec.containers) {
    for (const one of container.ports ?? []) {
      if (one.name === target && (one.protocol ?? 'TCP') === protocol) return one.containerPort;
    }
  }
  return undefined;
}

export function referenceTo(pod: Pod): ObjectReference {
  const { name, namespace, uid } = pod.metadata;
  return {
    kind: 'Pod',
    name,
    ...(namespace !== undefined && { namespace }),
    ...(uid !== undefined && { uid }),
  };
}

/** The pod's own name below the Service's, if it asks for one (spec.hostname with spec.subdomain). */
export function hostnameOf(pod: Pod, service: Service): string | undefined {
  const { hostname, subdomain } = pod.spec;
  return hostname && subdomain === service.metadata.name ? hostname : undefined;
}

interface PortSet {
  readonly port: EndpointsPort | undefined;
  readonly ready: Map<string, EndpointAddress>;
  readonly notReady: Map<string, EndpointAddress>;
}

/**
 * The subsets of a Service's Endpoints: for each port the addresses behind it, ports with equal addresses put
 * together, everything sorted (upstream's RepackSubsets). `pods` are those of {@link selectPods}.
 */
export function renderSubsets(service: Service, pods: readonly Pod[]): EndpointSubset[] {
  const [family = 'IPv4'] = familiesOf(service);
  const anyway = service.spec.publishNotReadyAddresses === true;
  const sets = new Map<string, PortSet>();
  for (const pod of pods) {
    const ip = addressOf(pod, family);
    if (ip === undefined || (pod.metadata.deletionTimestamp !== undefined && !anyway)) continue;
    const address = renderAddress(service, pod, ip);
    const ready = anyway || isPodReady(pod);
    for (const port of portsOf(service, pod)) {
      const key = JSON.stringify(port ?? null);
      const set = sets.get(key) ?? { port, ready: new Map(), notReady: new Map() };
      sets.set(key, set);
      (ready ? set.ready : set.notReady).set(`${ip} ${pod.metadata.uid ?? ''}`, address);
    }
  }
  return repack([...sets.values()]);
}

function portsOf(service: Service, pod: Pod): (EndpointsPort | undefined)[] {
  const ports = service.spec.ports ?? [];
  // A headless Service needs no ports: its endpoints are there for their names.
  if (ports.length === 0) return isHeadless(service) ? [undefined] : [];
  return ports.flatMap((port) => {
    const number = resolvePort(pod, port);
    if (number === undefined) return [];
    const { name, appProtocol, protocol = 'TCP' } = port;
    return [{ ...(name && { name }), port: number, protocol, ...(appProtocol && { appProtocol }) }];
  });
}

function renderAddress(service: Service, pod: Pod, ip: string): EndpointAddress {
  const { nodeName } = pod.spec;
  const hostname = hostnameOf(pod, service);
  return { ip, ...(hostname && { hostname }), ...(nodeName && { nodeName }), targetRef: referenceTo(pod) };
}

function repack(sets: readonly PortSet[]): EndpointSubset[] {
  const byAddresses = new Map<string, { set: PortSet; ports: EndpointsPort[] }>();
  for (const set of sets) {
    const key = JSON.stringify([[...set.ready.keys()].sort(), [...set.notReady.keys()].sort()]);
    const group = byAddresses.get(key) ?? { set, ports: [] };
    byAddresses.set(key, group);
    if (set.port) group.ports.push(set.port);
  }
  return [...byAddresses.values()]
    .map(({ set, ports }) => ({
      ...(set.ready.size > 0 && { addresses: sorted(set.ready) }),
      ...(set.notReady.size > 0 && { notReadyAddresses: sorted(set.notReady) }),
      ...(ports.length > 0 && { ports: ports.sort(comparePorts) }),
    }))
    .sort((a, b) => compareText(JSON.stringify(a), JSON.stringify(b)));
}

function sorted(addresses: ReadonlyMap<string, EndpointAddress>): EndpointAddress[] {
  return [...addresses].sort(([a], [b]) => compareText(a, b)).map(([, address]) => address);
}

function comparePorts(a: EndpointsPort, b: EndpointsPort): number {
  return compareText(`${a.name ?? ''} ${a.protocol} ${a.port}`, `${b.name ?? ''} ${b.protocol} ${b.port}`);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
