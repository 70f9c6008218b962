import type { ConfigMap } from '../kinds/config-map.ts';
import type { ControllerRevision } from '../kinds/controller-revision.ts';
import type { DaemonSet } from '../kinds/daemon-set.ts';
import type { Deployment } from '../kinds/deployment.ts';
import type { EndpointSlice } from '../kinds/endpoint-slice.ts';
import type { Endpoints } from '../kinds/endpoints.ts';
import type { Event } from '../kinds/event.ts';
import type { Lease } from '../kinds/lease.ts';
import type { Namespace } from '../kinds/namespace.ts';
import type { Node } from '../kinds/node.ts';
import type { Pod } from '../kinds/pod.ts';
import type { ReplicaSet } from '../kinds/replica-set.ts';
import type { ReplicationController } from '../kinds/replication-controller.ts';
import type { Secret } from '../kinds/secret.ts';
import type { ServiceAccount } from '../kinds/service-account.ts';
import type { Service } from '../kinds/service.ts';
import type { Resource } from './resource.ts';

// Descriptors without the kinds' schemas, so that an agent needs no schema in memory to talk to the API.

function core<T>(plural: string, namespaced = true): Resource<T> {
  return { group: '', version: 'v1', plural, namespaced };
}

function apps<T>(plural: string): Resource<T> {
  return { group: 'apps', version: 'v1', plural, namespaced: true };
}

export const namespaces = core<Namespace>('namespaces', false);
export const nodes = core<Node>('nodes', false);
export const pods = core<Pod>('pods');
export const replicationControllers = core<ReplicationController>('replicationcontrollers');
export const serviceAccounts = core<ServiceAccount>('serviceaccounts');
export const services = core<Service>('services');
export const endpoints = core<Endpoints>('endpoints');
export const secrets = core<Secret>('secrets');
export const configMaps = core<ConfigMap>('configmaps');
export const events = core<Event>('events');
export const controllerRevisions = apps<ControllerRevision>('controllerrevisions');
export const daemonSets = apps<DaemonSet>('daemonsets');
export const deployments = apps<Deployment>('deployments');
export const replicaSets = apps<ReplicaSet>('replicasets');
export const endpointSlices: Resource<EndpointSlice> = {
  group: 'discovery.k8s.io',
  version: 'v1',
  plural: 'endpointslices',
  namespaced: true,
};
export const leases: Resource<Lease> = {
  group: 'coordination.k8s.io',
  version: 'v1',
  plural: 'leases',
  namespaced: true,
};
