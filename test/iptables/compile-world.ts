import type { CompiledService, Ruleset } from '../../iptables/model.ts';
import { compileService } from '../../iptables/services.ts';
import type { World } from './expectation.ts';

/** What the agent would hand to a backend. */
export function compileWorld({ node, services, slices }: World): Ruleset {
  const { name: nodeName, zone, dnsIPs } = node;
  const compiled = new Map<string, CompiledService>();
  for (const service of services) {
    const key = `test/${service.metadata.name}`;
    const each = compileService(service, slices.get(key) ?? [], { nodeName, zone, dnsIPs });
    if (each) compiled.set(key, each);
  }
  const { clusterCIDRs, serviceCIDRs, podCIDRs, nodeIPs, nodePortAddresses, nonMasqueradeCIDRs } = node;
  const settings = { clusterCIDRs, serviceCIDRs, dnsIPs, podCIDRs, nodeIPs, nodePortAddresses };
  return {
    settings: { ...settings, nonMasqueradeCIDRs },
    services: compiled,
  };
}
