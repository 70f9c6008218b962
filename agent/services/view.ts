import { parseAddressPools, poolCIDRs } from '../../api/address-pool.ts';
import type { CacheEvent } from '../../api/client/cache.ts';
import type { EndpointSlice } from '../../api/kinds/endpoint-slice.ts';
import type { Node } from '../../api/kinds/node.ts';
import type { Service } from '../../api/kinds/service.ts';
import { normalizeAddress, normalizeCIDR } from '../../iptables/address.ts';
import type { CompiledService, NodeSettings } from '../../iptables/model.ts';
import { compileService } from '../../iptables/services.ts';
import type { CompileContext } from '../../iptables/services.ts';
import { toClusterNode } from '../network/cluster-node.ts';
import { podRanges } from '../network/ranges.ts';
import { SliceIndex } from '../slice-index.ts';
import type { AgentContext } from '../subsystem.ts';

type Caches = Pick<AgentContext['caches'], 'nodes' | 'services' | 'endpointSlices'>;

const zoneLabel = 'topology.kubernetes.io/zone';

/** Which EndpointSlices belong to which Service, and which Services an event concerns. */
export class ServiceView {
  readonly #caches: Caches;
  readonly #slices = new SliceIndex();

  constructor(caches: Caches) {
    this.#caches = caches;
  }

  /** Takes one event of the slices over; returns the Services it concerns. A relist rebuilds nothing: events tell all. */
  noteSlice(event: CacheEvent<EndpointSlice>): string[] {
    return this.#slices.note(event);
  }

  /** Reads slices that were there before anybody listened. */
  readSlices(): void {
    this.#slices.clear();
    for (const slice of this.#caches.endpointSlices.list()) this.#slices.add(slice);
  }

  keys(): string[] {
    return [...this.#caches.services.list()].map(
      ({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name}`,
    );
  }

  service(key: string): Service | undefined {
    return this.#caches.services.get(key);
  }

  compile(key: string, context: CompileContext): CompiledService | undefined {
    const service = this.#caches.services.get(key);
    if (!service) return undefined;
    return compileService(service, this.#slices.of(key), context);
  }
}

/** What of a node the two functions below read. */
export function rulesPartOf({ metadata, spec, status }: Node) {
  return {
    zone: metadata.labels?.[zoneLabel],
    podCIDRs: podCIDRsOf(spec),
    addresses: (status?.addresses ?? [])
      .filter(({ type }) => type === 'InternalIP' || type === 'ExternalIP')
      .map(({ address }) => address),
  };
}

function podCIDRsOf(spec: Node['spec']): readonly string[] {
  return spec?.podCIDRs ?? (spec?.podCIDR === undefined ? [] : [spec.podCIDR]);
}

/** What Services are compiled for on this node. */
export function compileContext({ nodeName, cluster, caches }: AgentContext): CompileContext {
  const node = caches.nodes.get(nodeName);
  const zone = node && rulesPartOf(node).zone;
  return {
    nodeName,
    dnsIPs: normalized(cluster.dnsIPs, normalizeAddress),
    ...(zone === undefined ? {} : { zone }),
  };
}

/**
 * What the rules must know of nodes and ranges.
 * @param dnsFallback whether the kernel can tell if this node's DNS server listens
 */
export function nodeSettings(
  { nodeName, config, cluster, caches }: AgentContext,
  dnsFallback: boolean,
): NodeSettings {
  const self = caches.nodes.get(nodeName);
  const own = self ? toClusterNode(self).podCIDRs : [];
  const clusterCIDRs = normalized(cluster.clusterCIDRs, normalizeCIDR);
  const addresses = [...caches.nodes.list()].flatMap((node) => rulesPartOf(node).addresses);
  const pools = parseAddressPools(cluster.loadBalancerPools).flatMap(poolCIDRs);
  return {
    clusterCIDRs,
    // What nobody serves there is refused like a clusterIP: it would go back to the router, which sends it here again.
    serviceCIDRs: normalized([...cluster.serviceCIDRs, ...pools], normalizeCIDR),
    dnsIPs: normalized(cluster.dnsIPs, normalizeAddress),
    dnsFallback,
    podGateways: podRanges(own).map(({ gateway }) => gateway),
    podCIDRs: own.length > 0 ? own : clusterCIDRs,
    nodeIPs: normalized([...config.nodeIPs, ...config.externalIPs, ...addresses], normalizeAddress).sort(),
    nonMasqueradeCIDRs: normalized(config.nonMasqueradeCIDRs, normalizeCIDR),
    nodePortAddresses: nodePortAddresses(config),
    vxlanPort: config.vxlan.port,
  };
}

/** `primary` stands for the node's own address of each family. */
function nodePortAddresses(config: AgentContext['config']): string[] {
  const given = config.nodePortAddresses.flatMap((text) => (text === 'primary' ? config.nodeIPs : [text]));
  return normalized(given, normalizeCIDR);
}

function normalized(texts: readonly string[], normalize: (text: string) => string | undefined): string[] {
  return [...new Set(texts.map(normalize).filter((text) => text !== undefined))];
}
