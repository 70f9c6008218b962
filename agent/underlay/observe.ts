import { isIP } from 'node:net';
import { listAddresses } from '../../netns/address.ts';
import { KernelError } from '../../netns/kernel-error.ts';
import { listLinks } from '../../netns/link.ts';
import { NetlinkSocket } from '../../netns/netlink.ts';
import { findWay } from '../../netns/route.ts';
import { chooseAddresses } from './choice.ts';
import type { AddressWish, HostView, Way } from './view.ts';

/** Addresses for documentation (RFC 5737, RFC 3849): nobody has a route to them but the default one. */
const anybody = ['192.0.2.1', '2001:db8::1'];

/**
 * Reads what of this host decides which of its addresses carry the node.
 * @param serverIPs the API server's addresses
 */
export function observeHost(socket: NetlinkSocket, serverIPs: readonly string[]): HostView {
  const addresses = listAddresses(socket);
  const own = new Set(addresses.map(({ address }) => address));
  const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.');
  const others = serverIPs.filter((address) => !isLoopback(address));
  const ways = (list: readonly string[]): Way[] => list.flatMap((address) => wayTo(socket, address) ?? []);
  return {
    links: listLinks(socket).map(({ ifindex, name, alias }) => ({ ifindex, name, alias })),
    addresses,
    toServer: ways(others.filter((address) => !own.has(address))),
    ownServerIPs: others.filter((address) => own.has(address)),
    toOthers: ways(anybody),
  };
}

/** The addresses that carry the node as far as can be told at once: a server's name is not looked up. */
export function findNodeAddresses(wish: AddressWish): readonly string[] {
  using socket = new NetlinkSocket();
  const serverIPs = isIP(wish.server) === 0 ? [] : [wish.server];
  return chooseAddresses(wish, observeHost(socket, serverIPs)).addresses;
}

function wayTo(socket: NetlinkSocket, address: string): Way | undefined {
  try {
    return findWay(socket, address);
  } catch (error) {
    // No route, one that prohibits, no IPv6 at all: there is no way.
    if (error instanceof KernelError) return undefined;
    throw error;
  }
}
