import { decodeAttributes } from './message.ts';

/** The kernel tells of a link's settings for a family, such as forwarding: net/ipv4/conf/…, net/ipv6/conf/…. */
export const RTM_NEWNETCONF = 80;
export const RTM_DELNETCONF = 81;

/** struct netconfmsg, a family of one byte, padded (linux/netconf.h). */
const headerLength = 4;
const NETCONFA_IFINDEX = 1;

/** The link whose settings a message is about; negative: those of all links, or of links to come. */
export function decodeNetconfLink(payload: Buffer): number | undefined {
  return decodeAttributes(payload, headerLength).get(NETCONFA_IFINDEX)?.readInt32LE(0);
}
