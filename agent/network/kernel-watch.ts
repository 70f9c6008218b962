import { isDeepStrictEqual } from 'node:util';
import { isAsDesired } from '../../netns/diff.ts';
import { parseCidr, positionIn } from '../../netns/ip.ts';
import type { Link } from '../../netns/link.ts';
import { decodeLink, RTM_DELLINK, RTM_NEWLINK } from '../../netns/link.ts';
import { NetlinkMonitor } from '../../netns/netlink.ts';
import { podOfLimiter, podOfLink } from './marks.ts';
import { isOfTraffic, isRemoval, noticeGroups, Notices } from './notices.ts';
import type { KnownNetwork } from './notices.ts';
import type { PodNetwork } from './pod-network.ts';
import { podLinks } from './pods.ts';
import type { PodPlan } from './view.ts';

/** Hears from the kernel what becomes of the node's network, and judges whether it may not be as it shall be. */
export class KernelWatch {
  readonly #pods: PodNetwork;
  readonly #onNews: (isHope: boolean) => void;
  readonly #notices = new Notices();
  #monitor: NetlinkMonitor | undefined;
  /** By ifindex, as they were when everything was compared last. */
  #links: ReadonlyMap<number, Link> = new Map();
  #plan: PodPlan | undefined;
  /** How many things we have just taken away without having been told so. */
  #untoldRemovals = 0;

  /** @param onNews told that there is something to look at, and whether a pass that failed may fare better now */
  constructor(pods: PodNetwork, onNews: (isHope: boolean) => void) {
    this.#pods = pods;
    this.#onNews = onNews;
  }

  /** Begins to listen, in the network namespace that the thread is in. */
  start(): void {
    const onMessage = (type: number, payload: Buffer): void => this.#hear(type, payload);
    const onOverrun = (): void => {
      this.#pods.traffic.doubt();
      this.#raise();
    };
    this.#monitor = new NetlinkMonitor({ groups: noticeGroups, onMessage, onOverrun });
  }

  stop(): void {
    this.#monitor?.[Symbol.dispose]();
    this.#monitor = undefined;
  }

  /** Everything was compared: what is told from now on is judged by these links, and by how pods are connected. */
  judgeBy(links: readonly Link[], plan: PodPlan | undefined): void {
    this.#links = new Map(links.map((link) => [link.ifindex, link]));
    this.#plan = plan;
  }

  /** Nothing is known until everything was compared again. */
  forget(): void {
    this.judgeBy([], undefined);
  }

  /** Something may be otherwise, whatever was told. */
  alarm(): void {
    this.#notices.alarm();
  }

  /** Whether something of ours may not be as it shall be, by all that was told until this moment. Forgets that. */
  take(): boolean {
    // Pods' links are told of step by step: what comes after a step makes it harmless.
    this.#monitor?.drain();
    return this.#notices.take(this.#known());
  }

  /** The same, and forgets nothing. */
  isAlarming(): boolean {
    this.#monitor?.drain();
    return this.#notices.isAlarming(this.#known());
  }

  /** Makes a change of ours: that the kernel tells of as many removals as it has made is no news. */
  own<T extends { readonly removed: number }>(change: () => T): T {
    const result = change();
    this.#untoldRemovals = result.removed;
    try {
      this.#monitor?.drain();
    } finally {
      this.#untoldRemovals = 0;
    }
    return result;
  }

  #hear(type: number, payload: Buffer): void {
    if (isOfTraffic(type)) {
      if (this.#pods.traffic.isDisturbed(type, payload)) this.#raise();
      return;
    }
    if (isRemoval(type, payload, this.#links) && this.#untoldRemovals > 0) {
      this.#untoldRemovals -= 1;
      return;
    }
    if (this.#notices.note(type, payload)) this.#onNews(this.#isHope(type, payload));
  }

  /**
   * Something may have been refused for a link that was down, not there or in the way. A pass that fails tells of its own
   * doing, too, which is none: it would wake the next one.
   */
  #isHope(type: number, payload: Buffer): boolean {
    if (type !== RTM_NEWLINK) return type === RTM_DELLINK;
    const link = decodeLink(payload);
    return !isDeepStrictEqual(link, this.#links.get(link.ifindex));
  }

  #raise(): void {
    this.#notices.alarm();
    this.#onNews(false);
  }

  #known(): KnownNetwork {
    const plan = this.#plan;
    const indexes = new Map(Array.from(this.#links.values(), ({ name, ifindex }) => [name, ifindex]));
    const ranges = plan?.ranges.map(({ cidr }) => parseCidr(cidr)) ?? [];
    return {
      links: this.#links,
      isPodAsPlanned: (link) => {
        const attachment = this.#pods.attachment(podOfLink(link) ?? podOfLimiter(link) ?? '');
        const wanted = plan && attachment ? podLinks(attachment, plan) : [];
        return wanted.some((want) => want.name === link.name && isAsDesired(want, link, indexes));
      },
      isPodAddress: (address) => this.#pods.hasAddress(address),
      isInPodRange: (address) => ranges.some((range) => positionIn(range, address) !== undefined),
    };
  }
}
