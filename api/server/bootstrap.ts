import ipaddr from 'ipaddr.js';
import { configMapKind } from '../kinds/config-map.ts';
import type { ConfigMap } from '../kinds/config-map.ts';
import { endpointSliceKind } from '../kinds/endpoint-slice.ts';
import type { EndpointSlice } from '../kinds/endpoint-slice.ts';
import { endpointsKind } from '../kinds/endpoints.ts';
import type { Endpoints } from '../kinds/endpoints.ts';
import type { Kind } from '../kinds/kind.ts';
import type { KubeObject } from '../kinds/meta.ts';
import { namespaceKind } from '../kinds/namespace.ts';
import type { Namespace } from '../kinds/namespace.ts';
import { serviceNameLabel } from '../kinds/service-labels.ts';
import { serviceKind } from '../kinds/service.ts';
import type { Service } from '../kinds/service.ts';
import type { ClusterConfig } from '../cluster.ts';
import { AddressRange, familyOf } from './registry/address-range.ts';
import { objectKey } from './registry/codec.ts';
import { trackUpdate } from './fields/track.ts';
import { createObject, timestamp } from './registry/create.ts';
import { deleteObject } from './registry/delete.ts';
import type { FieldRecorder } from './registry/resource.ts';
import type { Resources } from './registry/resources.ts';
import { updateObject } from './registry/update.ts';
import { ServerError } from './server-error.ts';
import { StatusError } from './status-error.ts';

export interface Advertised {
  readonly address: string;
  readonly port: number;
}

const namespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

/** One object that every cluster has. */
export interface Standing {
  /** Where it lives in the store. */
  readonly key: string;
  /** Makes it, or brings it up to date if it is there. Writes nothing if all is as it should be. */
  readonly ensure: () => Promise<void>;
}

/**
 * The objects that every cluster has, in the order in which they can be made.
 * @param advertised where others reach the server, whenever an object is looked at
 */
export function standingObjects(
  resources: Resources,
  cluster: ClusterConfig,
  advertised: () => Advertised,
): Standing[] {
  const standing = <T extends KubeObject>(
    kind: Kind<T>,
    render: () => T,
    keep: Partial<Pick<Kept<T>, 'change' | 'isOther'>> = {},
  ): Standing => {
    const { name, namespace } = render().metadata;
    const kept: Kept<T> = { change: () => undefined, isOther: () => false, ...keep };
    return {
      key: objectKey(kind, namespace, name),
      ensure: () => ensure(resources, kind, render(), kept),
    };
  };
  return [
    ...namespaces.map((name) => standing(namespaceKind, () => renderNamespace(name))),
    standing(configMapKind, () => renderSettings(cluster), {
      change: (current, { data }) => {
        current.data = data ?? {};
      },
    }),
    standing(serviceKind, () => renderApiService(cluster)),
    standing(serviceKind, () => renderDnsService(cluster)),
    standing(endpointsKind, () => renderApiEndpoints(advertised()), {
      change: (current, { subsets }) => {
        current.subsets = subsets ?? [];
      },
    }),
    standing(endpointSliceKind, () => renderApiSlice(advertised()), {
      change: (current, { endpoints, ports }) => {
        current.endpoints = endpoints;
        current.ports = ports ?? [];
      },
      // A slice has addresses of one family for all its life.
      isOther: (current, { addressType }) => current.addressType !== addressType,
    }),
  ];
}

/** How one that is there is made what is wanted. */
interface Kept<T> {
  readonly change: (current: T, wanted: T) => void;
  /** Whether no change can do that: it is made anew. */
  readonly isOther: (current: T, wanted: T) => boolean;
}

async function ensure<T extends KubeObject>(
  resources: Resources,
  kind: Kind<T>,
  wanted: T,
  { change, isOther }: Kept<T>,
): Promise<void> {
  const resource = resources.of(kind);
  const { name, namespace } = wanted.metadata;
  const record: FieldRecorder = (next, current) =>
    trackUpdate(kind, { manager: 'weft-server', subresource: '' }, next, current, timestamp(Date.now()));
  const create = (): Promise<T> => createObject(resource, structuredClone(wanted), { dryRun: false, record });
  try {
    await create();
  } catch (error) {
    if (!(error instanceof StatusError) || error.reason !== 'AlreadyExists') {
      throw new ServerError('bootstrap', `${kind.kind} ${name} cannot be made: ${(error as Error).message}`, {
        cause: error,
      });
    }
    const at = { namespace, name };
    const update = (current: T): T => {
      if (!isOther(current, wanted)) change(current, wanted);
      return current;
    };
    const current = await updateObject(resource, at, update, 'object', { dryRun: false, record });
    if (!isOther(current, wanted)) return;
    await deleteObject(resource, at, { dryRun: false, record });
    await create();
  }
}

function renderNamespace(name: string): Namespace {
  return { metadata: { name } };
}

/** The cluster's settings for the agents. */
function renderSettings(cluster: ClusterConfig): ConfigMap {
  return {
    metadata: { name: 'weft-cluster', namespace: 'kube-system' },
    data: { 'cluster.json': JSON.stringify(cluster) },
  };
}

const apiService = { name: 'kubernetes', namespace: 'default' };
const apiLabels = { component: 'apiserver', provider: 'kubernetes' };

function renderApiService(cluster: ClusterConfig): Service {
  const [primary] = cluster.serviceCIDRs.map((cidr) => new AddressRange(cidr));
  if (!primary) throw new ServerError('bootstrap', 'serviceCIDRs is empty; give at least one Service range');
  const clusterIP = primary.at(primary.lowest);
  return {
    metadata: { ...apiService, labels: apiLabels },
    spec: {
      type: 'ClusterIP',
      clusterIP,
      ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: 6443 }],
    },
  };
}

/** The name that every cluster gives its DNS. The nodes answer on its addresses themselves: it has no endpoints. */
function renderDnsService(cluster: ClusterConfig): Service {
  const [clusterIP = ''] = cluster.dnsIPs;
  const isDual = cluster.dnsIPs.length > 1;
  return {
    metadata: {
      name: 'kube-dns',
      namespace: 'kube-system',
      // `kubectl cluster-info` lists what has the second label, by its name in the third.
      labels: {
        'k8s-app': 'kube-dns',
        'kubernetes.io/cluster-service': 'true',
        'kubernetes.io/name': 'CoreDNS',
      },
    },
    spec: {
      type: 'ClusterIP',
      clusterIP,
      clusterIPs: [...cluster.dnsIPs],
      ...(isDual ? { ipFamilyPolicy: 'PreferDualStack' } : {}),
      selector: { 'k8s-app': 'kube-dns' },
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP', targetPort: 53 },
        { name: 'dns-tcp', port: 53, protocol: 'TCP', targetPort: 53 },
      ],
    },
  };
}

/** A server that only its own machine reaches is nobody's endpoint; Kubernetes forbids loopback addresses there. */
function isReachable(address: string): boolean {
  return ipaddr.parse(address).range() !== 'loopback';
}

function renderApiEndpoints({ address, port }: Advertised): Endpoints {
  return {
    metadata: { ...apiService, labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
    subsets: isReachable(address)
      ? [{ addresses: [{ ip: address }], ports: [{ name: 'https', port, protocol: 'TCP' }] }]
      : [],
  };
}

function renderApiSlice({ address, port }: Advertised): EndpointSlice {
  return {
    metadata: { ...apiService, labels: { [serviceNameLabel]: apiService.name } },
    addressType: familyOf(address) ?? 'IPv4',
    endpoints: isReachable(address) ? [{ addresses: [address], conditions: { ready: true } }] : [],
    ports: [{ name: 'https', port, protocol: 'TCP' }],
  };
}
