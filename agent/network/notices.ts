import { RTM_NEWADDR } from '../../netns/address.ts';
import { RTM_DELNEIGH, RTM_NEWNEIGH } from '../../netns/neighbor.ts';
import * as netlink from '../../netns/netlink.ts';
import { RTM_DELROUTE, RTM_NEWROUTE } from '../../netns/route.ts';
import { protocol } from './marks.ts';

/** What the kernel is asked to tell of. */
export const noticeGroups =
  netlink.RTMGRP_LINK |
  netlink.RTMGRP_NEIGH |
  netlink.RTMGRP_IPV4_IFADDR |
  netlink.RTMGRP_IPV4_ROUTE |
  netlink.RTMGRP_IPV6_IFADDR |
  netlink.RTMGRP_IPV6_ROUTE;

/** What others add does not take anything of ours away, and a busy host's neighbours come all the time. */
const additions: ReadonlySet<number> = new Set([RTM_NEWADDR, RTM_NEWNEIGH, RTM_NEWROUTE]);

/**
 * Whether a notification may mean that something of ours is not as it shall be. A busy host forgets neighbours and
 * routes of others all the time: that is no reason to look at everything.
 * @param payload struct rtmsg, struct ndmsg, … (linux/rtnetlink.h, linux/neighbour.h)
 * @param links ifindexes of our links
 */
export function isAlarming(type: number, payload: Buffer, links: ReadonlySet<number>): boolean {
  if (additions.has(type)) return false;
  if (type === RTM_DELROUTE) return payload.readUInt8(5) === protocol;
  if (type === RTM_DELNEIGH) return links.has(payload.readInt32LE(4));
  return true;
}

/** Whether a notification tells of something taken away that a change of peers takes away, too. */
export function isRemoval(type: number): boolean {
  return type === RTM_DELROUTE || type === RTM_DELNEIGH;
}
