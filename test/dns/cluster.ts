import type { EndpointSlice } from '../../api/kinds/endpoint-slice.ts';
import type { Service } from '../../api/kinds/service.ts';
import { clusterHandler, type ClusterHandlerOptions } from '../../dns/cluster-handler.ts';
import { LoopProbe } from '../../dns/loop-probe.ts';
import type { Handler } from '../../dns/handler.ts';
import { namedService } from '../../dns/named-service.ts';
import { Resolver } from '../../dns/resolver.ts';
import { Upstreams } from '../../dns/upstreams.ts';
import { ClusterZone, type ZoneOptions } from '../../dns/zone.ts';

/** A Service in namespace `default`. */
function service(name: string, spec: Service['spec']): Service {
  return { metadata: { name, namespace: 'default' }, spec };
}

/** An EndpointSlice; endpoints are addresses, or whole objects. */
export function slice(
  addressType: 'IPv4' | 'IPv6' | 'FQDN',
  endpoints: readonly (string | EndpointSlice['endpoints'][number])[],
  ports: EndpointSlice['ports'] = [{ name: 'http', port: 8080, protocol: 'TCP' }],
): EndpointSlice {
  return {
    metadata: { name: `slice-${addressType}`, namespace: 'default' },
    addressType,
    endpoints: endpoints.map((endpoint) =>
      typeof endpoint === 'string' ? { addresses: [endpoint], conditions: { ready: true } } : endpoint,
    ),
    ports,
  };
}

export function createZone(options: Partial<ZoneOptions> = {}): ClusterZone {
  return new ClusterZone({
    zone: 'cluster.local',
    dnsIPs: ['10.96.0.10', 'fd00:10:96::a'],
    cidrs: ['10.96.0.0/16', 'fd00:10:96::/112', '10.244.0.0/16', 'fd00:10:244::/56'],
    pods: 'verified',
    ...options,
  });
}

/** Puts a Service of namespace `default` into the zone. */
export function setService(
  zone: ClusterZone,
  name: string,
  spec: Service['spec'],
  slices: readonly EndpointSlice[] = [],
): void {
  zone.setService(`default/${name}`, namedService(service(name, spec), slices));
}

/** Answers from the zone; names that are not ours find no upstream server. */
export function handlerOf(zone: ClusterZone, options: Partial<ClusterHandlerOptions> = {}): Handler {
  const resolver = new Resolver({ upstreams: new Upstreams({ loop: new LoopProbe() }) });
  return clusterHandler({ zone, synced: () => true, podsSynced: () => true, resolver, ...options });
}
