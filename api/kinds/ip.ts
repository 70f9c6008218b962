import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

export type Family = 'IPv4' | 'IPv6';

/** The family of an address or CIDR, or undefined if `text` is neither. */
export function familyOf(text: string): Family | undefined {
  const version = isIP(text.split('/')[0] ?? '');
  return version === 4 ? 'IPv4' : version === 6 ? 'IPv6' : undefined;
}

export function isCIDR(text: string): boolean {
  return text.includes('/') && familyOf(text) !== undefined && ipaddr.isValidCIDR(text);
}

/** Why an address cannot be an endpoint or external address, or undefined if it can. */
export function checkRoutable(address: string): string | undefined {
  if (!isIP(address)) return 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
  const reasons: Readonly<Record<string, string>> = {
    unspecified: `may not be unspecified (${address})`,
    loopback: 'may not be in the loopback range (127.0.0.0/8, ::1/128)',
    linkLocal: 'may not be in the link-local range (169.254.0.0/16, fe80::/10)',
    multicast: 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)',
  };
  return reasons[ipaddr.parse(address).range()];
}
