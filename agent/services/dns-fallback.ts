import { hash } from 'node:crypto';

import type { Node } from '../../api/kinds/node.ts';
import { familyOf } from '../../iptables/address.ts';
import type { CompiledService, Endpoint, Frontend } from '../../iptables/model.ts';
import { RangeTable } from '../network/ranges.ts';
import { toClusterNode } from '../network/observed-view.ts';
import type { AgentContext } from '../subsystem.ts';

/** The key of what is no Service of anybody's: no object can have this name. */
export const dnsFallbackKey = 'weft/DNS of other nodes';

const port = 53;

/** So many other nodes are enough for one node's queries; each node has others of them, as evenly as chance has it. */
const mostNeighbors = 8;

/**
 * The DNS addresses as a Service whose endpoints are other nodes' servers: where a query goes that finds nobody listening
 * here, and no other one. Undefined where there is no other node.
 */
export function compileDnsFallback({
  nodeName,
  cluster,
  caches,
}: Pick<AgentContext, 'nodeName' | 'cluster' | 'caches'>): CompiledService | undefined {
  const servers = listServers(nodeName, [...caches.nodes.list()]);
  const frontends = cluster.dnsIPs.flatMap((address) => {
    const family = familyOf(address);
    const endpoints = servers.filter((server) => familyOf(server.address) === family);
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

/** What of a node {@link compileDnsFallback} reads. */
export function fallbackPartOf(node: Node) {
  return { ready: isReady(node), ...toClusterNode(node) };
}

/**
 * Where the other nodes' servers listen for this one: at the first address of their ranges (ClusterNames' `forNodes`), for
 * which pods need no other address than their own, and to which nobody beyond the cluster has a way.
 */
function listServers(nodeName: string, all: readonly Node[]): Endpoint[] {
  const ranges = new RangeTable(all.map(toClusterNode));
  return all
    .filter((node) => node.metadata.name !== nodeName && isReady(node))
    .map(({ metadata: { name } }) => ({
      servers: ranges.rangesOf(name).map(({ gateway }) => gateway),
      rank: hash('sha256', `${nodeName} ${name}`),
    }))
    .filter(({ servers }) => servers.length > 0)
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .slice(0, mostNeighbors)
    .flatMap(({ servers }) => servers.map((address) => ({ address, port, local: false })));
}

function isReady({ status }: Node): boolean {
  return status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}
