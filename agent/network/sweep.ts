import { Conntrack } from '../../netns/conntrack.ts';
import { familyOf } from '../../netns/ip.ts';
import { NetlinkSocket } from '../../netns/netlink.ts';
import type { AgentContext } from '../subsystem.ts';
import { removeRetiredLinks } from './pod-link.ts';

/** To remove links takes the kernel some 20 ms, in which it lets nobody else make any: it waits until nobody comes. */
const quietMs = 100;
/** But not for longer than this. */
const maxMs = 1000;

/**
 * Some time after pods are gone removes their links, which were retired, and then lets the kernel forget connections with
 * their addresses: who gets an address next shall not inherit any, and closed ones stay for two minutes, others for days.
 */
export class Sweep {
  readonly #log: AgentContext['log'];
  readonly #isTaken: (address: string) => boolean;
  /** Addresses whose connections are to be forgotten. */
  readonly #freed = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #latestMs = Infinity;

  /** @param isTaken whether somebody has the address now */
  constructor(log: AgentContext['log'], isTaken: (address: string) => boolean) {
    this.#log = log;
    this.#isTaken = isTaken;
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
      using socket = new NetlinkSocket();
      removeRetiredLinks(socket);
      this.#forgetConnections();
    } catch (error) {
      this.#log.warn({ err: error }, 'cannot remove what is left of pods that are gone');
    }
  }

  /** Addresses are translated to pods' for who answers, and from pods' for who began: so each is found at one of two places. */
  #forgetConnections(): void {
    const addresses = [...this.#freed].filter((address) => !this.#isTaken(address));
    this.#freed.clear();
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
}
