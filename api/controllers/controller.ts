import type { Logger } from 'pino';
import type { VersionedCache } from '../client/cache.ts';
import type { ApiClient } from '../client/client.ts';
import type { ControllerRevision } from '../kinds/controller-revision.ts';
import type { DaemonSet } from '../kinds/daemon-set.ts';
import type { Deployment } from '../kinds/deployment.ts';
import type { EndpointSlice } from '../kinds/endpoint-slice.ts';
import type { Endpoints } from '../kinds/endpoints.ts';
import type { Lease } from '../kinds/lease.ts';
import type { KubeObject } from '../kinds/meta.ts';
import type { Namespace } from '../kinds/namespace.ts';
import type { Node } from '../kinds/node.ts';
import type { Pod } from '../kinds/pod.ts';
import type { ReplicaSet } from '../kinds/replica-set.ts';
import type { ReplicationController } from '../kinds/replication-controller.ts';
import type { Service } from '../kinds/service.ts';
import type { EventRecorder } from './event-recorder.ts';
import type { GroupIndex } from './group-index.ts';

/** One loop that makes part of the cluster as it should be. Starts when all caches are synced. */
export interface Controller {
  start(): void;
  /** Resolves when nothing of it runs any more. */
  stop(): Promise<void>;
}

/** What all controllers share. */
export interface ControllerContext {
  readonly client: ApiClient;
  readonly log: Logger;
  readonly events: EventRecorder;
  readonly index: {
    readonly podsByNamespace: GroupIndex<Pod>;
    readonly podsByNode: GroupIndex<Pod>;
    /** By claims.ts' ownerGroup. */
    readonly podsByOwner: GroupIndex<Pod>;
    readonly daemonSetsByNamespace: GroupIndex<DaemonSet>;
    readonly deploymentsByNamespace: GroupIndex<Deployment>;
    /** By claims.ts' ownerGroup. */
    readonly replicaSetsByOwner: GroupIndex<ReplicaSet>;
    /** By claims.ts' ownerGroup. */
    readonly revisionsByOwner: GroupIndex<ControllerRevision>;
    readonly replicaSetsByNamespace: GroupIndex<ReplicaSet>;
    readonly replicationControllersByNamespace: GroupIndex<ReplicationController>;
    readonly servicesByNamespace: GroupIndex<Service>;
  };
  readonly caches: {
    readonly namespaces: VersionedCache<Namespace>;
    readonly nodes: VersionedCache<Node>;
    readonly pods: VersionedCache<Pod>;
    readonly replicationControllers: VersionedCache<ReplicationController>;
    readonly controllerRevisions: VersionedCache<ControllerRevision>;
    readonly daemonSets: VersionedCache<DaemonSet>;
    readonly deployments: VersionedCache<Deployment>;
    readonly replicaSets: VersionedCache<ReplicaSet>;
    readonly services: VersionedCache<Service>;
    readonly endpoints: VersionedCache<Endpoints>;
    readonly endpointSlices: VersionedCache<EndpointSlice>;
    readonly leases: VersionedCache<Lease>;
    /** Their metadata only. */
    readonly serviceAccounts: VersionedCache<KubeObject>;
    /** Their metadata only. */
    readonly configMaps: VersionedCache<KubeObject>;
  };
}
