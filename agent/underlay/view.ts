import type { ObservedAddress } from '../../netns/address.ts';
import type { Link } from '../../netns/link.ts';

/** What a user has said of the addresses that carry the node. */
export interface AddressWish {
  /** Setting `nodeIPs`: addresses, or ranges that they are in; empty: nothing said. */
  readonly nodeIPs: readonly string[];
  /** Setting `nodeInterface`: a regular expression for the whole name of the link. */
  readonly nodeInterface: string | undefined;
  /** Setting `advertiseAddress`: where this machine is reached, when it is the server. */
  readonly advertiseAddress: string | undefined;
  /** Host name or address of the API server. */
  readonly server: string;
}

/** What of a host decides which of its addresses carry the node. */
export interface HostView {
  /** In the kernel's order. */
  readonly links: readonly Pick<Link, 'ifindex' | 'name' | 'alias'>[];
  readonly addresses: readonly Omit<ObservedAddress, 'protocol'>[];
  /** The ways to the API server, one for each of its addresses that is not this machine's. */
  readonly toServer: readonly Way[];
  /** The API server's addresses that are this machine's own, other than loopback. */
  readonly ownServerIPs: readonly string[];
  /** The ways to everybody else, at most one per family. */
  readonly toOthers: readonly Way[];
}

/** A link by which packets leave, and the source address that the kernel gives them. */
export interface Way {
  readonly ifindex: number;
  readonly source?: string;
}

/** The addresses that carry the node, and how they were found. */
export interface Choice {
  /** Primary family first; empty: there are none. */
  readonly addresses: readonly string[];
  /** The link of the first one; absent when it is on none. */
  readonly ifindex?: number;
  /** For people: `on eth1, which leads to the server`. */
  readonly found: string;
  /** What is wrong with them, and what to do. */
  readonly problem?: string;
}
