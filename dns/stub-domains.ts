import ipaddr from 'ipaddr.js';
import { DnsError } from './dns-error.ts';
import { encodeName, reverseZones } from './names.ts';

/**
 * The zones (wire form) that a stub domain stands for: `corp.example`, `10.in-addr.arpa`, or all reverse zones of
 * a range, `172.16.0.0/12`.
 * @throws {DnsError} BadName
 */
export function stubZones(domain: string): string[] {
  if (!domain.includes('/')) return [encodeName(domain)];
  if (!ipaddr.isValidCIDR(domain)) {
    throw new DnsError('BadName', `"${domain}" is not a range of addresses, like 10.0.0.0/8`);
  }
  return reverseZones(domain);
}
