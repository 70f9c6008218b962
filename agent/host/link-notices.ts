import { isDeepStrictEqual } from 'node:util';
import type { Link } from '../../netns/link.ts';
import { decodeLink, RTM_DELLINK, RTM_NEWLINK } from '../../netns/link.ts';
import { decodeNetconfLink, RTM_DELNETCONF } from '../../netns/netconf.ts';
import { LinkNews } from '../network/link-news.ts';
import { goneAlias, podOfLimiter, podOfLink } from '../network/marks.ts';

/**
 * What the kernel told of links and their settings since somebody looked. A pod's link comes in a dozen steps, each of
 * which is told: whether there is anything to look at is decided when it is complete.
 */
export class LinkNotices {
  readonly #links = new LinkNews();
  /** The ifindexes of those whose settings were told. */
  readonly #settings = new Set<number>();
  #isAlarming = false;

  /**
   * Takes a notification of RTMGRP_LINK, RTMGRP_IPV4_NETCONF or RTMGRP_IPV6_NETCONF.
   * @returns whether there is something to judge
   */
  note(type: number, payload: Buffer): boolean {
    switch (type) {
      case RTM_NEWLINK:
      case RTM_DELLINK:
        return this.#links.note(type, payload);
      case RTM_DELNETCONF:
        // They go with their link, which is told by itself.
        return false;
      default:
        this.#settings.add(decodeNetconfLink(payload) ?? -1);
        return true;
    }
  }

  /** Something may be otherwise, whatever was told. */
  alarm(): void {
    this.#isAlarming = true;
  }

  /**
   * Whether there is something to look at: anything but pods that come, change and go. Forgets what was told.
   * @param known links by ifindex, as they were at the last look
   */
  take(known: ReadonlyMap<number, Link>): boolean {
    const ofPods = new Set<number>();
    let isAlarming = this.#isAlarming;
    for (const [ifindex, { isGone, payload }] of this.#links) {
      const link = decodeLink(payload);
      if (isOfPod(link)) ofPods.add(ifindex);
      else if (isGone || !isDeepStrictEqual(link, known.get(ifindex))) isAlarming = true;
    }
    // A new link has the settings of all new ones; those of a routed pod's are somebody's doing later on.
    for (const ifindex of this.#settings) if (!ofPods.has(ifindex)) isAlarming = true;
    this.#links.clear();
    this.#settings.clear();
    this.#isAlarming = false;
    return isAlarming;
  }
}

function isOfPod(link: Link): boolean {
  return podOfLink(link) !== undefined || podOfLimiter(link) !== undefined || link.alias === goneAlias;
}
