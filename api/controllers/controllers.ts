import type { Logger } from 'pino';
import type { ApiClient } from '../client/client.ts';

/** The cluster's ranges the controllers hand out from; the same shape as the server's cluster settings. */
export interface ControllerCluster {
  /** Pod ranges, one per family, primary family first. */
  readonly clusterCIDRs: readonly string[];
  /** Prefix length of one node's share. */
  readonly nodeCIDRMaskSizes: { readonly ipv4: number; readonly ipv6: number };
}

export interface Controllers {
  /** Ends all loops and watches; resolves when nothing of them runs any more. */
  stop(): Promise<void>;
}

/** Starts every controller over one shared set of reflectors. */
export function startControllers(_options: {
  readonly client: ApiClient;
  readonly cluster: ControllerCluster;
  readonly log: Logger;
}): Controllers {
  return { stop: () => Promise.resolve() };
}
