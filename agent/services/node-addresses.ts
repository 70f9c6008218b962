import { networkInterfaces } from 'node:os';

import { cidrContains, normalizeAddress } from '../../iptables/address.ts';
import { families } from '../../iptables/family.ts';
import type { NodeSettings } from '../../iptables/model.ts';

/** Of the same meaning on every node (RFC 4291, 2.5.6): nobody reaches a node by one without naming a link. */
const linkLocal = ['169.254.0.0/16', 'fe80::/10'];

/** Addresses of this network namespace by interface, as `os.networkInterfaces` lists them. */
type Interfaces = ReturnType<typeof networkInterfaces>;

/**
 * The node's addresses that serve NodePorts, chosen as the rules choose them, to listen on. Not those of the pod bridge,
 * of Services or of the DNS server, and not loopback.
 */
export function listNodePortAddresses(
  settings: Pick<NodeSettings, 'clusterCIDRs' | 'serviceCIDRs' | 'dnsIPs' | 'nodePortAddresses'>,
  interfaces: Interfaces = networkInterfaces(),
): string[] {
  const loopbacks = families.map(({ loopback }) => loopback);
  const others = [...settings.clusterCIDRs, ...settings.serviceCIDRs, ...loopbacks, ...linkLocal];
  const isIn = (cidrs: readonly string[], address: string): boolean =>
    cidrs.some((cidr) => cidrContains(cidr, address));
  const own = Object.values(interfaces)
    .flatMap((addresses) => addresses ?? [])
    .map(({ address }) => normalizeAddress(address))
    .filter((address) => address !== undefined);
  const { dnsIPs, nodePortAddresses } = settings;
  const serving = own.filter(
    (address) =>
      !isIn(others, address) &&
      !dnsIPs.includes(address) &&
      (nodePortAddresses.length === 0 || isIn(nodePortAddresses, address)),
  );
  return [...new Set(serving)].sort();
}
