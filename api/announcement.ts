import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Where the Leases of announced load balancer addresses are. */
export const announcementNamespace = 'kube-system';

const announcerPrefix = 'weft-announcer-';
const addressPrefix = 'weft-address-';

/** Name of the Lease by which a node's announcer shows that it lives. */
export function announcerLeaseName(node: string): string {
  return announcerPrefix + node;
}

/** The node of an announcer's Lease; undefined for other names. */
export function announcerOfLease(name: string): string | undefined {
  return name.startsWith(announcerPrefix) ? name.slice(announcerPrefix.length) : undefined;
}

/**
 * Name of the Lease that says which node announces an address: `weft-address-192.0.2.16`. An IPv6 address is written
 * in full, `weft-address-2001-db8-0-0-0-0-0-10`: a name must not end in a dash.
 */
export function addressLeaseName(address: string): string {
  const parsed = ipaddr.parse(address);
  const text = parsed.kind() === 'ipv4' ? address : parsed.toNormalizedString().replaceAll(':', '-');
  return addressPrefix + text;
}

/** The address of such a Lease in canonical text; undefined for other names. */
export function addressOfLease(name: string): string | undefined {
  if (!name.startsWith(addressPrefix)) return undefined;
  const text = name.slice(addressPrefix.length);
  const address = text.includes('.') ? text : text.replaceAll('-', ':');
  if (isIP(address) === 0) return undefined;
  const canonical = ipaddr.parse(address).toString();
  return addressLeaseName(canonical) === name ? canonical : undefined;
}
