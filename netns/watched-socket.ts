import { close } from './libc.ts';
import { pollReadable } from './poll.ts';

/** Calls back whenever a socket has something to read, from construction until it is closed, which closes the socket. */
export class WatchedSocket implements Disposable {
  readonly fd: number;
  readonly #onReadable: () => void;
  #stopPolling: () => void;
  #open = true;

  /** @param onReadable has to read all there is, or to be called again; also called for an error, which reading tells */
  constructor(fd: number, onReadable: () => void) {
    this.fd = fd;
    this.#onReadable = onReadable;
    this.#stopPolling = this.#poll();
  }

  get open(): boolean {
    return this.#open;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#stopPolling();
    close(this.fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #poll(): () => void {
    return pollReadable(this.fd, this.#onReadable, () => {
      // An error ends the poll, not the socket: a receive buffer that overran, a link that went down.
      this.#stopPolling();
      this.#onReadable();
      if (this.#open) this.#stopPolling = this.#poll();
    });
  }
}
