import { frontendId } from '../../iptables/model.ts';
import type { CompiledService, Frontend, NodeSettings } from '../../iptables/model.ts';
import type { ConntrackFilter, TrackedFlow } from '../../netns/conntrack.ts';
import { overlap, parseCidr } from '../../netns/ip.ts';

/**
 * The tracked UDP flows that a change makes wrong. A UDP client has no connection to lose: as long as it keeps sending,
 * the kernel keeps rewriting its packets to an endpoint that is gone. Only flows of this Service are named, so that
 * whoever reaches the same endpoint by another way stays undisturbed.
 */
export function listStaleFlows(
  before: CompiledService | undefined,
  after: CompiledService | undefined,
  nodeIPs: readonly string[],
): ConntrackFilter[] {
  const now = new Map(udpFrontends(after).map((frontend) => [frontendId(frontend), frontend]));
  const then = new Map(udpFrontends(before).map((frontend) => [frontendId(frontend), frontend]));
  const filters: ConntrackFilter[] = [];
  for (const [id, frontend] of then) {
    const serving = new Set(now.get(id)?.endpoints.map(endpointText));
    const gone = allEndpoints(frontend).filter((endpoint) => !serving.has(endpointText(endpoint)));
    for (const replySrc of new Set(gone.map(({ address }) => address))) {
      filters.push({ ...originOf(frontend), replySrc });
    }
  }
  for (const [id, frontend] of now) {
    if ((then.get(id)?.endpoints.length ?? 0) > 0) continue;
    // Who sent before anybody served may be tracked as talking to the address itself, not rewritten at all.
    const unserved = frontend.address === undefined ? nodeIPs : [frontend.address];
    for (const replySrc of unserved.filter(
      (address) => address.includes(':') === (frontend.family === 'ipv6'),
    )) {
      filters.push({ ...originOf(frontend), replySrc });
    }
  }
  return filters;
}

/** Whose addresses a flow can have been sent to, or rewritten to, by rules of ours. */
type Places = Pick<NodeSettings, 'serviceCIDRs' | 'clusterCIDRs' | 'nodeIPs'>;

/**
 * The same without a "before", for an agent that has just started: what the Services became while nobody looked.
 * A flow is stale when its Service does not have who answers it, or when the Service is gone and a pod answers.
 */
export function listOrphanedFlows(
  flows: readonly TrackedFlow[],
  services: Iterable<CompiledService>,
  places: Places,
): ConntrackFilter[] {
  const served = new Map<string, Set<string>>();
  for (const frontend of [...services].flatMap(udpFrontends)) {
    const key = placeKey(frontend.family, frontend.address ?? '', frontend.port);
    served.set(key, new Set([...(served.get(key) ?? []), ...allEndpoints(frontend).map(endpointText)]));
  }
  const [nodeIPs, ours, cluster] = [new Set(places.nodeIPs), places.serviceCIDRs, places.clusterCIDRs];
  const stale = flows.filter(({ family, origDst, origDstPort, replySrc, replySrcPort }) => {
    const endpoints =
      served.get(placeKey(family, origDst, origDstPort)) ??
      (nodeIPs.has(origDst) ? served.get(placeKey(family, '', origDstPort)) : undefined);
    if (endpoints) return !endpoints.has(endpointText({ address: replySrc, port: replySrcPort }));
    if (replySrc === origDst) return false;
    return isWithin(origDst, ours) || (nodeIPs.has(origDst) && isWithin(replySrc, cluster));
  });
  const filters = stale.map(({ family, origDst, origDstPort, replySrc }): ConntrackFilter => {
    return { family, protocol: 'udp', origDst, origDstPort, replySrc };
  });
  return [...new Map(filters.map((filter) => [JSON.stringify(filter), filter])).values()];
}

function placeKey(family: Frontend['family'], address: string, port: number): string {
  return `${family} ${address} ${String(port)}`;
}

function isWithin(address: string, cidrs: readonly string[]): boolean {
  const host = parseCidr(`${address}/${address.includes(':') ? '128' : '32'}`);
  return cidrs.some((cidr) => overlap(host, parseCidr(cidr)));
}

function udpFrontends(service: CompiledService | undefined): Frontend[] {
  return (service?.frontends ?? []).filter(({ protocol }) => protocol === 'udp');
}

function allEndpoints({ endpoints, outside = [] }: Frontend): Frontend['endpoints'] {
  return [...endpoints, ...outside];
}

function endpointText({ address, port }: { address: string; port: number }): string {
  return `${address} ${String(port)}`;
}

function originOf({ family, address, port }: Frontend): ConntrackFilter {
  return {
    family,
    protocol: 'udp',
    origDstPort: port,
    ...(address === undefined ? {} : { origDst: address }),
  };
}
