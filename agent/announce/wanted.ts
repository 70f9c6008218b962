import { poolContains } from '../../api/address-pool.ts';
import type { AddressPool } from '../../api/address-pool.ts';
import { addressesOf, wantsAddress } from '../../api/controllers/services/load-balancer.ts';
import type { EndpointSlice } from '../../api/kinds/endpoint-slice.ts';
import type { Node } from '../../api/kinds/node.ts';
import type { Service } from '../../api/kinds/service.ts';
import { isOurs } from '../../iptables/services.ts';
import { familyOf } from '../../netns/ip.ts';

/** A node that may announce an address. */
export interface Candidate {
  readonly node: string;
  /** Its Ready condition: one that is not comes last. */
  readonly ready: boolean;
}

/** An address that shall be announced. */
export interface WantedAddress {
  readonly address: string;
  /** Without any nobody announces it. */
  readonly candidates: readonly Candidate[];
  /** The Services that have it, as `namespace/name`: usually one. */
  readonly services: readonly string[];
}

/** A Service of type LoadBalancer and its slices. */
export interface AnnouncedService {
  readonly key: string;
  readonly service: Service;
  readonly slices: Iterable<EndpointSlice>;
}

/** Kubernetes' own label for nodes that load balancers shall leave alone. */
const exclusionLabel = 'node.kubernetes.io/exclude-from-external-load-balancers';

/** The addresses of a Service that weft has given to it: those of its pools, whatever else its status names. */
export function announcedAddresses(service: Service, pools: readonly AddressPool[]): string[] {
  if (!wantsAddress(service) || !isOurs(service)) return [];
  const proxied = (service.status?.loadBalancer?.ingress ?? []).some(({ ipMode }) => ipMode === 'Proxy');
  if (proxied) return [];
  return addressesOf(service).filter((address) => pools.some((pool) => poolContains(pool, address)));
}

/** The nodes that load balancer traffic may come to, in the order of their names. */
export function listCandidates(nodes: Iterable<Node>): Candidate[] {
  return [...nodes]
    .filter(({ metadata }) => metadata.labels?.[exclusionLabel] === undefined)
    .map(({ metadata, status }) => ({
      node: metadata.name,
      ready: status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false,
    }))
    .sort((a, b) => (a.node < b.node ? -1 : 1));
}

/** What shall be announced, and by whom it may be. */
export function listWanted(
  services: Iterable<AnnouncedService>,
  nodes: readonly Candidate[],
  pools: readonly AddressPool[],
): WantedAddress[] {
  const wanted = new Map<string, { candidates: Set<string>; services: string[] }>();
  for (const { key, service, slices } of services) {
    for (const address of announcedAddresses(service, pools)) {
      const entry = wanted.get(address) ?? { candidates: new Set(), services: [] };
      wanted.set(address, entry);
      entry.services.push(key);
      const allowed = nodesFor(service, [...slices], address);
      for (const { node } of nodes) if (!allowed || allowed.has(node)) entry.candidates.add(node);
    }
  }
  return [...wanted].map(([address, { candidates, services: keys }]) => ({
    address,
    candidates: nodes.filter(({ node }) => candidates.has(node)),
    services: keys,
  }));
}

/**
 * The nodes that serve what comes to the address; undefined: all of them. Under externalTrafficPolicy Local those with
 * a ready endpoint, and, as the rules have it, those with one that still serves while it ends when none is ready.
 */
function nodesFor(
  { spec }: Service,
  slices: readonly EndpointSlice[],
  address: string,
): ReadonlySet<string> | undefined {
  if (spec.externalTrafficPolicy !== 'Local') return undefined;
  const [ready, draining] = [new Set<string>(), new Set<string>()];
  for (const slice of slices) {
    if (slice.addressType.toLowerCase() !== familyOf(address)) continue;
    for (const { nodeName, conditions } of slice.endpoints) {
      if (nodeName === undefined) continue;
      // An unknown state counts as ready (EndpointConditions in the Kubernetes API).
      if (spec.publishNotReadyAddresses || (conditions?.ready ?? true)) ready.add(nodeName);
      else if (conditions?.serving && conditions.terminating) draining.add(nodeName);
    }
  }
  return ready.size > 0 ? ready : draining;
}
