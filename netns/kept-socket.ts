import { NetlinkSocket } from './netlink.ts';
import type { NetlinkOptions } from './netlink.ts';

/**
 * A netlink socket that is opened when it is first needed, in the network namespace that the thread is in then, and stays
 * open: closing one of netfilter waits until rules that were removed are out of use, some 15 ms for the whole process.
 */
export class KeptSocket implements Disposable {
  readonly #options: NetlinkOptions;
  #socket: NetlinkSocket | undefined;

  constructor(options: NetlinkOptions) {
    this.#options = options;
  }

  use<T>(act: (socket: NetlinkSocket) => T): T {
    const socket = (this.#socket ??= new NetlinkSocket(this.#options));
    try {
      return act(socket);
    } catch (error) {
      // Half an answer may be left in it.
      this[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#socket?.close();
    this.#socket = undefined;
  }
}
