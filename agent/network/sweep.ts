import { NetlinkSocket } from '../../netns/netlink.ts';
import type { AgentContext } from '../subsystem.ts';
import { removeRetiredLinks } from './pod-link.ts';

/** To remove links takes the kernel some 20 ms, in which it lets nobody else make any: it waits until nobody comes. */
const quietMs = 100;
/** But not for longer than this. */
const maxMs = 1000;

/** Removes the links of pods that are gone, some time after they were retired. */
export class Sweep {
  readonly #log: AgentContext['log'];
  #timer: NodeJS.Timeout | undefined;
  #latestMs = Infinity;

  constructor(log: AgentContext['log']) {
    this.#log = log;
  }

  /** There is something to remove. */
  request(): void {
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
    } catch (error) {
      this.#log.warn({ err: error }, 'cannot remove links of pods that are gone');
    }
  }
}
