import { isDeepStrictEqual } from 'node:util';
import { RTM_NEWADDR } from '../../netns/address.ts';
import type { Link } from '../../netns/link.ts';
import { decodeLink, RTM_DELLINK, RTM_NEWLINK } from '../../netns/link.ts';
import { decodeNeighborNews, RTM_DELNEIGH, RTM_NEWNEIGH } from '../../netns/neighbor.ts';
import * as netlink from '../../netns/netlink.ts';
import { RTM_DELCHAIN, RTM_DELTFILTER, RTM_NEWCHAIN, RTM_NEWTFILTER } from '../../netns/ingress-filter.ts';
import { decodeRoute, RTM_DELROUTE, RTM_NEWROUTE } from '../../netns/route.ts';
import { RTM_DELQDISC, RTM_NEWQDISC } from '../../netns/traffic-control.ts';
import { LinkNews } from './link-news.ts';
import type { LinkNotice } from './link-news.ts';
import { goneAlias, ownership, podOfLimiter, podOfLink, protocol, vxlanAlias } from './marks.ts';

/** What the kernel is asked to tell of. */
export const noticeGroups =
  netlink.RTMGRP_LINK |
  netlink.RTMGRP_NEIGH |
  netlink.RTMGRP_TC |
  netlink.RTMGRP_IPV4_IFADDR |
  netlink.RTMGRP_IPV4_ROUTE |
  netlink.RTMGRP_IPV6_IFADDR |
  netlink.RTMGRP_IPV6_ROUTE;

/** What others add does not take anything of ours away, and a busy host's neighbours come all the time. */
const additions = [RTM_NEWADDR, RTM_NEWNEIGH, RTM_NEWROUTE];
/** Pods' guards come and go with chains of filters; that a filter goes is told by itself. */
const chains = [RTM_NEWCHAIN, RTM_DELCHAIN];
const harmless: ReadonlySet<number> = new Set([...additions, ...chains]);
/** As many removals nobody looks at one by one. */
const maxRemovals = 1000;

/** By what a notification is judged: the node's network as it is known at that time. */
export interface KnownNetwork {
  /** Links by ifindex, as they were when everything was compared last. */
  readonly links: ReadonlyMap<number, Link>;
  /** Whether a link of the node's for a pod (one end of the pod's, or a limiter) is as it shall be. */
  readonly isPodAsPlanned: (link: Link) => boolean;
  /** Whether it is some pod's address here. */
  readonly isPodAddress: (address: string) => boolean;
  /** Whether it is within the ranges of this node's pods. */
  readonly isInPodRange: (address: string) => boolean;
}

const traffic: ReadonlySet<number> = new Set([RTM_NEWQDISC, RTM_DELQDISC, RTM_NEWTFILTER, RTM_DELTFILTER]);

/** Whether a notification is of a qdisc or a filter. */
export function isOfTraffic(type: number): boolean {
  return traffic.has(type);
}

/**
 * What the kernel told since somebody looked. Whether something of ours may not be as it shall be is only decided then:
 * pods come and go all the time, in several steps, and by then they are there or gone.
 */
export class Notices {
  readonly #links = new LinkNews();
  /** Payloads of RTM_DELNEIGH and RTM_DELROUTE. */
  #neighbors: Buffer[] = [];
  #routes: Buffer[] = [];
  #isAlarming = false;

  /**
   * Takes a notification.
   * @param payload struct ifinfomsg, ndmsg, rtmsg, … with its attributes (linux/rtnetlink.h, linux/neighbour.h)
   * @returns whether there is something to look at
   */
  note(type: number, payload: Buffer): boolean {
    if (harmless.has(type)) return false;
    switch (type) {
      case RTM_NEWLINK:
      case RTM_DELLINK:
        return this.#links.note(type, payload);
      case RTM_DELNEIGH:
        return this.#keep(this.#neighbors, payload);
      case RTM_DELROUTE:
        return payload.readUInt8(5) === protocol && this.#keep(this.#routes, payload);
      default:
        this.alarm();
        return true;
    }
  }

  /** Something may be otherwise, whatever was told. */
  alarm(): void {
    this.#isAlarming = true;
  }

  /** Whether something of ours may not be as it shall be. Forgets what was told. */
  take(known: KnownNetwork): boolean {
    const isAlarming = this.isAlarming(known);
    this.#links.clear();
    this.#neighbors = [];
    this.#routes = [];
    this.#isAlarming = false;
    return isAlarming;
  }

  isAlarming(known: KnownNetwork): boolean {
    return (
      this.#isAlarming ||
      [...this.#links].some(([, notice]) => isAlarmingLink(notice, known)) ||
      this.#neighbors.some((payload) => isAlarmingNeighbor(payload, known)) ||
      this.#routes.some((payload) => isAlarmingRoute(payload, known))
    );
  }

  #keep(list: Buffer[], payload: Buffer): boolean {
    if (list.length < maxRemovals) list.push(Buffer.from(payload));
    else this.alarm();
    return true;
  }
}

/** Whether a notification tells of something of ours taken away, such as a change of peers takes away. */
export function isRemoval(type: number, payload: Buffer, links: ReadonlyMap<number, Link>): boolean {
  if (type === RTM_DELROUTE) return payload.readUInt8(5) === protocol;
  if (type !== RTM_DELNEIGH) return false;
  const link = links.get(payload.readInt32LE(4));
  return link !== undefined && ownership.ownsLink(link);
}

function isAlarmingLink({ isGone, payload }: LinkNotice, known: KnownNetwork): boolean {
  const link = decodeLink(payload);
  if (link.alias === goneAlias) return false;
  const isOfPod = podOfLink(link) !== undefined || podOfLimiter(link) !== undefined;
  if (isOfPod && !isGone) return !known.isPodAsPlanned(link);
  // Somebody may have set its offloads, which no link here knows (agent/paths/offload-guard.ts). It tells seldom.
  if (link.alias === vxlanAlias) return true;
  // The kernel tells of a link's traffic and carrier, too.
  return isGone || !isDeepStrictEqual(link, known.links.get(link.ifindex));
}

/**
 * A busy host forgets neighbours of others and multicast groups all the time, a bridge where its ports' addresses are;
 * and a pod that ends takes its own with it.
 */
function isAlarmingNeighbor(payload: Buffer, known: KnownNetwork): boolean {
  const link = known.links.get(payload.readInt32LE(4));
  if (!link || !ownership.ownsLink(link)) return false;
  const neighbor = decodeNeighborNews(payload);
  if (!neighbor) return link.alias === vxlanAlias;
  if (neighbor.protocol !== protocol) return false;
  return !known.isInPodRange(neighbor.address) || known.isPodAddress(neighbor.address);
}

function isAlarmingRoute(payload: Buffer, known: KnownNetwork): boolean {
  const [address, prefix] = decodeRoute(payload)?.destination.split('/') ?? [];
  if (address === undefined || (prefix !== '32' && prefix !== '128')) return true;
  return !known.isInPodRange(address) || known.isPodAddress(address);
}
