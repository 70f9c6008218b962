import type { Sysctl } from '../../netns/sysctl.ts';
import { readSysctl } from '../../netns/sysctl.ts';
import * as marks from './marks.ts';
import type { NetworkView, Underlay } from './view.ts';

/** What the host's kernel must be told to forward pods' packets past nobody's rules. */
export function nodeSysctls({
  name: underlay,
  acceptsRouters,
}: Pick<NetworkView['underlay'], 'name' | 'acceptsRouters'>): Sysctl[] {
  const ipv4 = 'net/ipv4/conf';
  return [
    { name: 'net/ipv4/ip_forward', value: '1' },
    { name: 'net/ipv6/conf/all/forwarding', value: '1' },
    // A forwarding host no longer listens to routers, and would lose a default route it learned from one; 2: still.
    ...(acceptsRouters ? [{ name: `net/ipv6/conf/${underlay}/accept_ra`, value: '2' }] : []),
    // Between two pods of a node packets leave by the link they came in on. A pod told so would go past the rules.
    // Either of the two would be enough to send redirects.
    { name: `${ipv4}/all/send_redirects`, value: '0' },
    { name: `${ipv4}/${marks.bridgeName}/send_redirects`, value: '0' },
    // Strict: a pod cannot use an address outside the node's range. Loose on the vxlan: a peer may speak with its
    // underlay address, whose way back is not the vxlan.
    { name: `${ipv4}/${marks.bridgeName}/rp_filter`, value: '1' },
    { name: `${ipv4}/${marks.vxlanName}/rp_filter`, value: '2' },
    // 127.0.0.1 leads to ports of pods, too; what else comes for it from there is dropped by the rules.
    { name: `${ipv4}/${marks.bridgeName}/route_localnet`, value: '1' },
    // br_netfilter, where it is loaded, shows bridged packets to the rules: one whose Service led it back onto the
    // bridge would then be switched to its pod instead of routed, and isolated ports drop it. All our pods' packets
    // are routed, so the rules see each of them without.
    { name: 'net/bridge/bridge-nf-call-iptables', value: '0' },
    { name: 'net/bridge/bridge-nf-call-ip6tables', value: '0' },
  ];
}

/**
 * Straight ways come and go at each end in its own time: until both ends use them packets come by another link than
 * answers would leave by, and a strict filter of routes on the underlay would drop them. Loose is all that is needed.
 */
export function looseSysctls({
  mode,
  underlay,
}: Pick<NetworkView, 'mode'> & { readonly underlay: Pick<Underlay, 'strictLinks'> }): Sysctl[] {
  if (mode === 'vxlan') return [];
  return underlay.strictLinks.map((link) => ({ name: `net/ipv4/conf/${link}/rp_filter`, value: '2' }));
}

/** Those of the links on which packets are dropped that come by another link than answers would leave by. */
export function strictLinks(links: readonly string[]): string[] {
  // The greater of both counts (IN_DEV_RPFILTER).
  const all = readSysctl('net/ipv4/conf/all/rp_filter');
  return [...new Set(links)].filter((link) => {
    const own = readSysctl(`net/ipv4/conf/${link}/rp_filter`);
    return Math.max(Number(all), Number(own)) === 1;
  });
}

/**
 * So that nobody waits for what the underlay's link has told long ago, or could tell sooner. Neighbours are told when it
 * comes up and when it has another hardware address: they would go on sending to the old one for up to half a minute.
 * And before the kernel asks whether a new IPv6 address is anybody's, it waits for up to a second lest machines that
 * start together all ask at once (RFC 4862 section 5.4.2 wants that of what goes with a link's start, or a router's word
 * to all); the second that it then listens for an answer stays.
 */
export function neighborSysctls({ name }: Pick<NetworkView['underlay'], 'name'>): Sysctl[] {
  return [
    { name: `net/ipv4/conf/${name}/arp_notify`, value: '1' },
    { name: `net/ipv6/conf/${name}/ndisc_notify`, value: '1' },
    { name: `net/ipv6/conf/${name}/router_solicitation_delay`, value: '0' },
  ];
}
