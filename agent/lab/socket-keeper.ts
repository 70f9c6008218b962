import { rmSync } from 'node:fs';
import { close } from '../../netns/libc.ts';
import { openUnixDatagram, receiveUnixDatagram } from '../../netns/unix-datagram.ts';
import { WatchedSocket } from '../../netns/watched-socket.ts';
import type { InheritedFd } from '../inherited-fds.ts';

/**
 * A lab has no service manager: whoever replaces a daemon keeps the sockets that it stores when it ends (notify.ts), for
 * as long as it takes until the next one has them.
 */
export class SocketKeeper implements Disposable {
  readonly #path: string;
  readonly #notifications: WatchedSocket;
  readonly #kept: InheritedFd[] = [];

  /** @param path the daemon's NOTIFY_SOCKET */
  constructor(path: string) {
    this.#path = path;
    rmSync(path, { force: true });
    this.#notifications = new WatchedSocket(openUnixDatagram(path), () => this.#receive());
  }

  /** What has been stored so far, as long as this is not disposed. */
  get kept(): readonly InheritedFd[] {
    this.#receive();
    return this.#kept;
  }

  [Symbol.dispose](): void {
    this.#notifications.close();
    rmSync(this.#path, { force: true });
    for (const { fd } of this.#kept.splice(0)) close(fd);
  }

  #receive(): void {
    if (!this.#notifications.open) return;
    for (;;) {
      const message = receiveUnixDatagram(this.#notifications.fd);
      if (!message) return;
      const name = /^FDNAME=(.*)$/m.exec(message.text)?.[1] ?? 'stored';
      this.#kept.push(...message.fds.map((fd) => ({ fd, name })));
    }
  }
}
