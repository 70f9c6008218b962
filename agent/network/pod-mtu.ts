import { listAddresses } from '../../netns/address.ts';
import { setLink } from '../../netns/link.ts';
import { NetlinkSocket } from '../../netns/netlink.ts';
import type { Attachment } from './attachment.ts';
import { enterNamespace } from './pod-namespace.ts';

/**
 * Gives a pod's own end of its link another MTU; the node's end follows with the node's network. Which link it is its
 * address says: a path like /proc/<pid>/ns/net may have become somebody else's.
 * @throws NetworkError `bad-namespace`; KernelError
 */
export function setPodMtu({ netns, ips }: Pick<Attachment, 'netns' | 'ips'>, mtu: number): void {
  using namespace = enterNamespace(netns);
  using inside = new NetlinkSocket({ namespace });
  const own = listAddresses(inside).find(({ address }) => ips.includes(address));
  if (own) inside.request([setLink(own.ifindex, { mtu })]);
}
