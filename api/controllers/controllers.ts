import type { ClusterConfig } from '../cluster.ts';
import type { Logger } from 'pino';
import type { ApiClient } from '../client/client.ts';
import { Reflector } from '../client/reflector.ts';
import type { Resource } from '../client/resource.ts';
import * as resources from '../client/resources.ts';
import type { KubeObject } from '../kinds/meta.ts';
import type { Pod } from '../kinds/pod.ts';
import type { Controller, ControllerContext } from './controller.ts';
import { EndpointsController } from './endpoints-controller.ts';
import { EventRecorder } from './event-recorder.ts';
import { GarbageCollector } from './garbage-collector.ts';
import { GroupIndex } from './group-index.ts';
import { NamespaceLifecycle } from './namespace-lifecycle.ts';
import { nodeHealthTiming } from './node-health.ts';
import type { NodeHealthTiming } from './node-health.ts';
import { NodeIpam } from './node-ipam.ts';
import { NodeLifecycle } from './node-lifecycle.ts';
import { clusterRanges } from './node-ranges.ts';
import type { GraphSource } from './owner-graph.ts';
import { ReplicationLoop } from './replication-controller.ts';
import { Scheduler } from './scheduler.ts';

export interface Controllers {
  /** Ends all loops and watches; resolves when nothing of them runs any more. */
  stop(): Promise<void>;
}

/** Starts every controller over one shared set of reflectors; they act as soon as all of these are synced. */
export function startControllers(options: {
  readonly client: ApiClient;
  readonly cluster: Pick<ClusterConfig, 'clusterCIDRs' | 'nodeCIDRMaskSizes'>;
  readonly log: Logger;
  readonly nodeHealth?: NodeHealthTiming;
}): Controllers {
  const { client, cluster, log } = options;
  const reflectors = makeReflectors(client, log);
  const events = new EventRecorder(client, log);
  const ctx: ControllerContext = { client, log, events, caches: reflectors, index: makeIndexes(reflectors) };
  const controllers: Controller[] = [
    new NodeIpam(ctx, clusterRanges(cluster.clusterCIDRs, cluster.nodeCIDRMaskSizes)),
    new NodeLifecycle(ctx, options.nodeHealth ?? nodeHealthTiming),
    new Scheduler(ctx),
    new ReplicationLoop(ctx),
    new EndpointsController(ctx),
    new GarbageCollector(ctx, graphSources(reflectors)),
    new NamespaceLifecycle(ctx),
  ];
  const all = Object.values(reflectors);
  let stopped = false;
  for (const reflector of all) reflector.start();
  const started = Promise.all(all.map((reflector) => reflector.whenSynced())).then(() => {
    if (stopped) return;
    for (const controller of controllers) controller.start();
    log.info('controllers started');
  });
  return {
    async stop() {
      stopped = true;
      await Promise.all(controllers.map((controller) => controller.stop()));
      await events.flush();
      await Promise.all(all.map((reflector) => reflector.stop()));
      // Never resolves when the caches never synced: then nothing was started either.
      void started;
    },
  };
}

function makeReflectors(client: ApiClient, log: Logger) {
  const reflect = <T extends KubeObject>(resource: Resource<T>, more: { namespace?: string } = {}) =>
    new Reflector<T>({ client, resource, log, trim: withoutManagedFields, ...more });
  return {
    namespaces: reflect(resources.namespaces),
    nodes: reflect(resources.nodes),
    pods: reflect(resources.pods),
    replicationControllers: reflect(resources.replicationControllers),
    services: reflect(resources.services),
    endpoints: reflect(resources.endpoints),
    endpointSlices: reflect(resources.endpointSlices),
    leases: reflect(resources.leases, { namespace: 'kube-node-lease' }),
    // Only for the garbage collector: owners and dependents are all it needs to know of them.
    secrets: new Reflector({ client, resource: resources.secrets, log, trim: onlyMetadata }),
    configMaps: new Reflector({ client, resource: resources.configMaps, log, trim: onlyMetadata }),
  };
}

type Reflectors = ReturnType<typeof makeReflectors>;

function makeIndexes(reflectors: Reflectors): ControllerContext['index'] {
  const namespaceOf = (object: KubeObject): string | undefined => object.metadata.namespace;
  return {
    podsByNamespace: new GroupIndex(reflectors.pods, namespaceOf),
    podsByNode: new GroupIndex(reflectors.pods, (pod: Pod) => pod.spec.nodeName),
    replicationControllersByNamespace: new GroupIndex(reflectors.replicationControllers, namespaceOf),
    servicesByNamespace: new GroupIndex(reflectors.services, namespaceOf),
  };
}

function graphSources(reflectors: Reflectors): GraphSource[] {
  const source = <T extends KubeObject>(
    kind: string,
    resource: Resource<T>,
    cache: Reflector<T>,
    apiVersion = 'v1',
  ): GraphSource => ({
    kind,
    apiVersion,
    resource: resource,
    cache: cache,
  });
  return [
    source('Namespace', resources.namespaces, reflectors.namespaces),
    source('Node', resources.nodes, reflectors.nodes),
    source('Pod', resources.pods, reflectors.pods),
    source('ReplicationController', resources.replicationControllers, reflectors.replicationControllers),
    source('Service', resources.services, reflectors.services),
    source('Endpoints', resources.endpoints, reflectors.endpoints),
    source('EndpointSlice', resources.endpointSlices, reflectors.endpointSlices, 'discovery.k8s.io/v1'),
    source('Lease', resources.leases, reflectors.leases, 'coordination.k8s.io/v1'),
    source('Secret', resources.secrets, reflectors.secrets),
    source('ConfigMap', resources.configMaps, reflectors.configMaps),
  ];
}

function withoutManagedFields<T extends KubeObject>(object: T): T {
  if (object.metadata.managedFields === undefined) return object;
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

function onlyMetadata<T extends KubeObject>(object: T): T {
  return { metadata: withoutManagedFields(object).metadata } as T;
}
