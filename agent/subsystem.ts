import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { ReadCache, RestorableCache } from '../api/client/cache.ts';
import type { ApiClient } from '../api/client/client.ts';
import type { EndpointSlice } from '../api/kinds/endpoint-slice.ts';
import type { Namespace } from '../api/kinds/namespace.ts';
import type { Node } from '../api/kinds/node.ts';
import type { Pod } from '../api/kinds/pod.ts';
import type { Service } from '../api/kinds/service.ts';
import type { ClusterConfig } from '../api/cluster.ts';
import type { AgentConfig } from './config/config.ts';

/** Whether a subsystem does its work now, and in one sentence why not. */
export interface Health {
  readonly ready: boolean;
  readonly reason?: string;
}

/** Why the agent ends: for good, or because another takes its place in a moment. */
export type Ending = 'stop' | 'restart';

/** One part of the agent: started once, stopped once, asked for its health at any time. */
export interface Subsystem {
  readonly name: string;
  start(): Promise<void>;
  /** Stops watching and listening. Leaves the kernel's state (links, rules, pods) as it is: traffic flows on. */
  stop(ending?: Ending): Promise<void>;
  health(): Health;
}

/** What every subsystem of one agent shares. */
export interface AgentContext {
  readonly nodeName: string;
  readonly config: AgentConfig;
  /** The cluster's ranges and names, as the server publishes them. */
  readonly cluster: ClusterConfig;
  readonly client: ApiClient;
  readonly log: Logger;
  readonly metrics: Registry;
  readonly caches: {
    readonly nodes: ReadCache<Node>;
    /** Pods bound to this node only. */
    readonly pods: ReadCache<Pod>;
    readonly services: RestorableCache<Service>;
    readonly endpointSlices: RestorableCache<EndpointSlice>;
    readonly namespaces: RestorableCache<Namespace>;
    /** The addresses of all nodes' pods; absent: nobody asked for them. */
    readonly allPods?: RestorableCache<Pod>;
  };
}
