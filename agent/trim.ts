import type { ApiObject } from '../api/client/resource.ts';
import { serviceNameLabel } from '../api/kinds/service-labels.ts';
import type { Endpoint, EndpointSlice } from '../api/kinds/endpoint-slice.ts';
import type { Node } from '../api/kinds/node.ts';
import type { Pod } from '../api/kinds/pod.ts';
import type { Service } from '../api/kinds/service.ts';
import { foreignLabels } from '../iptables/services.ts';
import type { SharedValues } from './shared-values.ts';

/*
 * What the agent keeps of the cluster's objects: the fields that some part of it reads. With 10,000 Services of five
 * endpoints the rest would be two thirds of the agent's memory.
 */

/** Who wrote which field matters to nobody here and is half of an object's size. */
export function withoutManagedFields<T extends ApiObject>(object: T): T {
  const { managedFields: _, ...metadata } = object.metadata as T['metadata'] & { managedFields?: unknown };
  return { ...object, metadata };
}

/** A node's images alone can be 50 names of container images. */
export function trimNode({ metadata, spec, status }: Node): Node {
  const trimmed = pick(metadata, [...identity, 'creationTimestamp', 'labels']);
  const { images: _, volumesInUse: _inUse, volumesAttached: _attached, ...kept } = status ?? {};
  return { metadata: trimmed, ...(spec ? { spec } : {}), ...(status ? { status: kept } : {}) };
}

export function trimService({ metadata, spec, status }: Service, shared: SharedValues): Service {
  const { selector: _, ipFamilies: _families, ipFamilyPolicy: _policy, ports, ...kept } = spec;
  const { clusterIP, clusterIPs } = kept;
  const ingress = status?.loadBalancer?.ingress ?? [];
  return {
    metadata: {
      ...pick(metadata, [...identity, 'creationTimestamp']),
      ...labelsOf(metadata.labels, foreignLabels),
    },
    spec: {
      ...kept,
      // The same text twice in the API's answer, and twice in memory, if nobody cares.
      ...(clusterIP !== undefined && clusterIPs?.length === 1 && clusterIPs[0] === clusterIP
        ? { clusterIPs: [clusterIP] }
        : {}),
      ...(ports ? { ports: shared.of(ports) } : {}),
    },
    ...(ingress.length > 0 ? { status: { loadBalancer: { ingress } } } : {}),
  };
}

export function trimSlice(slice: EndpointSlice, shared: SharedValues): EndpointSlice {
  const { metadata, addressType, ports, endpoints } = slice;
  return {
    metadata: { ...pick(metadata, identity), ...labelsOf(metadata.labels, [serviceNameLabel]) },
    addressType,
    // Go writes a list without elements as null.
    endpoints: (endpoints as Endpoint[] | null)?.map((each) => trimEndpoint(each, shared)) ?? [],
    ...(ports ? { ports: shared.of(ports) } : {}),
  };
}

function trimEndpoint(endpoint: Endpoint, shared: SharedValues): Endpoint {
  const { addresses, nodeName, hostname, hints } = endpoint;
  const conditions = shared.of(endpoint.conditions ?? {});
  // Nearly all are such, and an object written at once is a third smaller than one that grows.
  if (nodeName && !hostname && !hints) return { addresses, conditions, nodeName: shared.of(nodeName) };
  const trimmed: Endpoint = { addresses, conditions };
  if (nodeName) trimmed.nodeName = shared.of(nodeName);
  if (hostname) trimmed.hostname = hostname;
  if (hints) trimmed.hints = shared.of(hints);
  return trimmed;
}

/** Of pods of other nodes: who has which addresses. */
export function trimPodAddresses({ metadata, status }: Pod): Pod {
  const { name, namespace, resourceVersion } = metadata;
  const { phase, podIP, podIPs = podIP ? [{ ip: podIP }] : [] } = status ?? {};
  const trimmed = { metadata: { name, namespace, resourceVersion }, status: { phase, podIPs } };
  return trimmed as unknown as Pod;
}

const identity = ['name', 'namespace', 'uid', 'resourceVersion'] as const;

function pick<T extends object, K extends keyof T>(object: T, keys: readonly K[]): Pick<T, K> {
  const picked: Partial<Pick<T, K>> = {};
  for (const key of keys) if (object[key] !== undefined && object[key] !== null) picked[key] = object[key];
  return picked as Pick<T, K>;
}

function labelsOf(labels: Readonly<Record<string, string>> | undefined, names: readonly string[]) {
  const kept = names.flatMap((name) => (labels?.[name] === undefined ? [] : [[name, labels[name]] as const]));
  return kept.length === 0 ? {} : { labels: Object.fromEntries(kept) };
}
