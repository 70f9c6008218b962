import { isDeepStrictEqual } from 'node:util';

import type { CacheEvent } from '../../api/client/cache.ts';
import type { Node } from '../../api/kinds/node.ts';
import { familyOf } from '../../iptables/address.ts';
import type { CompiledService, Endpoint, Frontend } from '../../iptables/model.ts';
import { sameNetwork } from '../network/cluster-node.ts';
import type { AgentContext } from '../subsystem.ts';
import { DnsServers, isReady } from './dns-servers.ts';

/** The key of what is no Service of anybody's: no object can have this name. */
export const dnsFallbackKey = 'weft/DNS of other nodes';

const port = 53;

/** So many other nodes are enough for one node's queries; each node has others of them, as evenly as chance has it. */
const mostNeighbors = 8;

/**
 * The DNS addresses as a Service whose endpoints are other nodes' servers: where a query goes that finds nobody listening
 * here, and no other one.
 */
export class DnsFallback {
  readonly #context: Pick<AgentContext, 'nodeName' | 'cluster' | 'caches'>;
  /** Absent until it is asked for: before, the nodes may not all be there. */
  #servers: DnsServers | undefined;
  /** What was compiled last. */
  #endpoints: readonly Endpoint[] = [];

  constructor(context: Pick<AgentContext, 'nodeName' | 'cluster' | 'caches'>) {
    this.#context = context;
  }

  /** Takes over one event of the nodes; returns whether {@link compile} may have something else to say since. */
  note(event: CacheEvent<Node>): boolean {
    if (!this.#servers) return true;
    // Heartbeats change nodes all the time.
    if (event.type === 'synced' || (event.type === 'updated' && isSame(event.object, event.previous)))
      return false;
    if (event.type === 'deleted') this.#servers.delete(event.key);
    else this.#servers.set(event.object);
    return !isDeepStrictEqual(listEndpoints(this.#servers), this.#endpoints);
  }

  /** Undefined where there is no other node. */
  compile(): CompiledService | undefined {
    const { nodeName, cluster, caches } = this.#context;
    this.#servers ??= new DnsServers(nodeName, [...caches.nodes.list()]);
    this.#endpoints = listEndpoints(this.#servers);
    const frontends = cluster.dnsIPs.flatMap((address) => {
      const family = familyOf(address);
      const endpoints = this.#endpoints.filter((server) => familyOf(server.address) === family);
      if (endpoints.length === 0) return [];
      return (['udp', 'tcp'] as const).map((protocol): Frontend => {
        const place = { family, protocol, kind: 'clusterIP', address, port } as const;
        return { ...place, name: dnsFallbackKey, endpoints, whenEmpty: 'reject' };
      });
    });
    if (frontends.length === 0) return undefined;
    // Older than any Service that claims the address.
    return { key: dnsFallbackKey, created: '', frontends, problems: [] };
  }
}

/**
 * Where the other nodes' servers listen for this one: at the first address of their ranges (ClusterNames' `forNodes`), for
 * which pods need no other address than their own, and to which nobody beyond the cluster has a way.
 */
function listEndpoints(servers: DnsServers): Endpoint[] {
  const gateways = servers.first(mostNeighbors).flatMap((ranges) => ranges.map(({ gateway }) => gateway));
  return gateways.map((address) => ({ address, port, local: false }));
}

function isSame(a: Node, b: Node): boolean {
  return isReady(a) === isReady(b) && sameNetwork(a, b);
}
