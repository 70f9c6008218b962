import { parseAddressPools } from '../address-pool.ts';
import type { ClusterConfig } from '../cluster.ts';
import type { Logger } from 'pino';
import type { ApiClient } from '../client/client.ts';
import * as resources from '../client/resources.ts';
import { apiVersionOf } from '../kinds/kind.ts';
import type { KubeObject } from '../kinds/meta.ts';
import type { Pod } from '../kinds/pod.ts';
import { kinds } from '../kinds/registry.ts';
import { ownerGroup } from './workloads/claims.ts';
import type { Controller, ControllerContext } from './controller.ts';
import { DaemonController } from './daemons/daemon-controller.ts';
import { DeploymentController } from './deployments/deployment-controller.ts';
import { EndpointMirroring } from './services/endpoint-mirroring.ts';
import { EndpointsController } from './services/endpoints-controller.ts';
import { EventRecorder } from './event-recorder.ts';
import { GarbageCollector } from './garbage/garbage-collector.ts';
import { GroupIndex } from './group-index.ts';
import { LoadBalancerController } from './services/load-balancer-controller.ts';
import { NamespaceDefaults } from './namespaces/namespace-defaults.ts';
import { NamespaceLifecycle } from './namespaces/namespace-lifecycle.ts';
import { nodeHealthTiming } from './nodes/node-health.ts';
import type { NodeHealthTiming } from './nodes/node-health.ts';
import { NodeIpam } from './nodes/node-ipam.ts';
import { NodeLifecycle } from './nodes/node-lifecycle.ts';
import { clusterRanges } from './nodes/node-ranges.ts';
import type { GraphSource } from './garbage/owner-graph.ts';
import { Reflectors } from './reflectors.ts';
import { replicaSetKind, ReplicationLoop, replicationControllerKind } from './workloads/replication-loop.ts';
import { Scheduler } from './scheduling/scheduler.ts';

export interface Controllers {
  /** Ends all loops and watches; resolves when nothing of them runs any more. */
  stop(): Promise<void>;
}

/** Starts every controller over one shared set of reflectors; they act as soon as all of these are synced. */
export function startControllers(options: {
  readonly client: ApiClient;
  readonly cluster: Pick<ClusterConfig, 'clusterCIDRs' | 'nodeCIDRMaskSizes' | 'loadBalancerPools'>;
  /** The certificate (PEM) that the API's own is checked by. */
  readonly ca: string;
  readonly log: Logger;
  readonly nodeHealth?: NodeHealthTiming;
}): Controllers {
  const { client, cluster, log } = options;
  const reflectors = new Reflectors(client, log);
  const events = new EventRecorder(client, log);
  const caches = makeCaches(reflectors);
  const ctx: ControllerContext = { client, log, events, caches, index: makeIndexes(caches) };
  const controllers: Controller[] = [
    new NodeIpam(ctx, clusterRanges(cluster.clusterCIDRs, cluster.nodeCIDRMaskSizes)),
    new NodeLifecycle(ctx, options.nodeHealth ?? nodeHealthTiming),
    new Scheduler(ctx),
    new ReplicationLoop(ctx, replicationControllerKind(ctx)),
    new ReplicationLoop(ctx, replicaSetKind(ctx)),
    new DeploymentController(ctx),
    new DaemonController(ctx),
    new EndpointsController(ctx),
    new EndpointMirroring(ctx),
    new GarbageCollector(ctx, graphSources(reflectors)),
    new NamespaceLifecycle(ctx),
    new NamespaceDefaults(ctx, options.ca),
  ];
  const pools = parseAddressPools(cluster.loadBalancerPools);
  // Without pools such Services are somebody else's.
  if (pools.length > 0) controllers.push(new LoadBalancerController(ctx, pools));
  let stopped = false;
  reflectors.start();
  const started = reflectors.whenSynced().then(() => {
    if (stopped) return;
    for (const controller of controllers) controller.start();
    log.info('controllers started');
  });
  return {
    async stop() {
      stopped = true;
      await Promise.all(controllers.map((controller) => controller.stop()));
      await events.flush();
      await reflectors.stop();
      // Never resolves when the caches never synced: then nothing was started either.
      void started;
    },
  };
}

function makeCaches(reflectors: Reflectors) {
  return {
    namespaces: reflectors.of(resources.namespaces),
    nodes: reflectors.of(resources.nodes),
    pods: reflectors.of(resources.pods),
    replicationControllers: reflectors.of(resources.replicationControllers),
    controllerRevisions: reflectors.of(resources.controllerRevisions),
    daemonSets: reflectors.of(resources.daemonSets),
    deployments: reflectors.of(resources.deployments),
    replicaSets: reflectors.of(resources.replicaSets),
    services: reflectors.of(resources.services),
    endpoints: reflectors.of(resources.endpoints),
    endpointSlices: reflectors.of(resources.endpointSlices),
    leases: reflectors.of(resources.leases),
    serviceAccounts: reflectors.metadataOf(resources.serviceAccounts),
    configMaps: reflectors.metadataOf(resources.configMaps),
  };
}

function makeIndexes(caches: ControllerContext['caches']): ControllerContext['index'] {
  const namespaceOf = (object: KubeObject): string | undefined => object.metadata.namespace;
  return {
    podsByNamespace: new GroupIndex(caches.pods, namespaceOf),
    podsByNode: new GroupIndex(caches.pods, (pod: Pod) => pod.spec.nodeName),
    podsByOwner: new GroupIndex(caches.pods, ownerGroup),
    daemonSetsByNamespace: new GroupIndex(caches.daemonSets, namespaceOf),
    revisionsByOwner: new GroupIndex(caches.controllerRevisions, ownerGroup),
    deploymentsByNamespace: new GroupIndex(caches.deployments, namespaceOf),
    replicaSetsByOwner: new GroupIndex(caches.replicaSets, ownerGroup),
    replicaSetsByNamespace: new GroupIndex(caches.replicaSets, namespaceOf),
    replicationControllersByNamespace: new GroupIndex(caches.replicationControllers, namespaceOf),
    servicesByNamespace: new GroupIndex(caches.services, namespaceOf),
  };
}

/** Where owners and dependents may be: in every kind there is. Events pass by themselves, nothing owns them. */
function graphSources(reflectors: Reflectors): GraphSource[] {
  return kinds
    .filter(({ plural }) => plural !== 'events')
    .map((kind) => ({
      kind: kind.kind,
      apiVersion: apiVersionOf(kind),
      resource: kind,
      cache: reflectors.metadataOf(kind),
    }));
}
