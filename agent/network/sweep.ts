import { Conntrack } from '../../netns/conntrack.ts';
import { familyOf } from '../../netns/ip.ts';
import { NetlinkSocket } from '../../netns/netlink.ts';
import type { AgentContext } from '../subsystem.ts';
import { removeRetiredLinks } from './pod-link.ts';

/** To remove links takes the kernel some 20 ms, in which it lets nobody else make any: it waits until nobody comes. */
const quietMs = 100;
/** But not for longer than this. */
const maxMs = 1000;

/** What is swept. */
interface Swept {
  readonly removeLinks: () => void;
  readonly forget: (addresses: readonly string[]) => void;
}

const kernel: Swept = { removeLinks, forget: forgetConnections };

/**
 * Some time after pods are gone removes their links, which were retired, and then lets the kernel forget connections with
 * their addresses: who gets an address next shall not inherit any, and closed ones stay for two minutes, others for days.
 */
export class Sweep {
  readonly #log: AgentContext['log'];
  readonly #isTaken: (address: string) => boolean;
  readonly #swept: Swept;
  /** Addresses whose connections are to be forgotten. */
  readonly #freed = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #latestMs = Infinity;

  /**
   * @param isTaken whether somebody has the address now
   * @param swept the kernel; tests hand in another
   */
  constructor(log: AgentContext['log'], isTaken: (address: string) => boolean, swept = kernel) {
    this.#log = log;
    this.#isTaken = isTaken;
    this.#swept = swept;
  }

  /** There is something to remove: pods are gone that had these addresses. */
  request(freed: readonly string[]): void {
    for (const address of freed) this.#freed.add(address);
    if (this.#latestMs === Infinity) this.#latestMs = performance.now() + maxMs;
    this.postpone();
  }

  /** Pods come and go: what there is to remove waits a little. */
  postpone(): void {
    const leftMs = this.#latestMs - performance.now();
    if (leftMs === Infinity) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#run(), Math.max(0, Math.min(quietMs, leftMs))).unref();
  }

  #run(): void {
    this.#latestMs = Infinity;
    try {
      this.#swept.removeLinks();
      this.#swept.forget([...this.#freed].filter((address) => !this.#isTaken(address)));
      this.#freed.clear();
    } catch (error) {
      this.#log.warn({ err: error }, 'cannot remove what is left of pods that are gone, yet');
      this.#timer = setTimeout(() => this.request([]), maxMs).unref();
    }
  }
}

function removeLinks(): void {
  using socket = new NetlinkSocket();
  removeRetiredLinks(socket);
}

/** Addresses are translated to pods' for who answers, and from pods' for who began: so each is found at one of two places. */
function forgetConnections(addresses: readonly string[]): void {
  using conntrack = new Conntrack();
  conntrack.forget(
    addresses.flatMap((address) => {
      const family = familyOf(address);
      return [
        { family, origSrc: address },
        { family, replySrc: address },
      ];
    }),
  );
}
