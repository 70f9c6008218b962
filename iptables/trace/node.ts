import { listAddresses } from '../../netns/address.ts';
import { isErrno } from '../../netns/kernel-error.ts';
import { listLinks } from '../../netns/link.ts';
import { NetlinkSocket } from '../../netns/netlink.ts';
import { findWay } from '../../netns/route.ts';
import type { Way } from '../../netns/route.ts';
import type { TracedNode } from './packet.ts';
import { listensHere } from './sockets.ts';

/** A node as its kernel knows it. */
export interface KernelNode extends TracedNode {
  deviceTo(address: string): string | undefined;
  /** The source that a process gets which sends there and asks for none. */
  sourceTo(address: string): string | undefined;
}

/** The node whose network namespace this process is in. */
export function readNode(): KernelNode {
  using socket = new NetlinkSocket();
  const names = new Map(listLinks(socket).map(({ ifindex, name }) => [ifindex, name]));
  return {
    addresses: listAddresses(socket).map(({ address }) => address),
    deviceTo: (address) => names.get(wayTo(address)?.ifindex ?? 0),
    sourceTo: (address) => wayTo(address)?.source,
    listens: listensHere,
  };
}

function wayTo(address: string): Way | undefined {
  using socket = new NetlinkSocket();
  try {
    return findWay(socket, address);
  } catch (error) {
    if (isErrno(error, 'ENETUNREACH', 'EHOSTUNREACH')) return undefined;
    throw error;
  }
}
