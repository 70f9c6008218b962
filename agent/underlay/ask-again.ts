import { decodeAddress, RTM_NEWADDR } from '../../netns/address.ts';
import { familyOf } from '../../netns/ip.ts';
import { askForNeighbor, listAwaited } from '../../netns/neighbor.ts';
import { NetlinkSocket } from '../../netns/netlink.ts';

/**
 * Has neighbours asked for again once the kernel may ask. Until an IPv6 address is proved to be unique it can be nobody's
 * who asks (ndisc_send_ns in net/ipv6/ndisc.c): what was asked for in that second was never sent, and the kernel, which
 * does not know, tries again a second after its last try. Packets to peers would wait two seconds instead of one.
 *
 * @param payload of a notification of addresses or anything else
 */
export function askAgain(type: number, payload: Buffer): void {
  const told = type === RTM_NEWADDR ? decodeAddress(payload) : undefined;
  if (!told || told.tentative || familyOf(told.address) !== 'ipv6') return;
  using socket = new NetlinkSocket();
  const { ifindex } = told;
  // One that has answered meanwhile, or gone with its link, needs nothing.
  socket.attempt(listAwaited(socket, ifindex).flatMap((address) => askForNeighbor(ifindex, address)));
}
