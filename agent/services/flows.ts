import { frontendId } from '../../iptables/model.ts';
import type { CompiledService, Frontend } from '../../iptables/model.ts';
import type { ConntrackFilter } from '../../netns/conntrack.ts';

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
