import { isErrno } from './kernel-error.ts';
import { close } from './libc.ts';
import { epollAdd, epollCreate, epollRemove } from './poll.ts';

/**
 * Lets a worker thread wait for a socket in such a way that another thread can make it stop: a thread must not be ended
 * while its event loop may still learn that a socket can be read: koffi then calls into a JavaScript that is no more,
 * which ends the process. The worker polls {@link fd}, which can be read while the socket can and until the relay is cut.
 */
export class PollRelay implements Disposable {
  readonly fd: number;
  readonly #socket: number;
  #connected = true;

  constructor(socket: number) {
    this.fd = epollCreate();
    this.#socket = socket;
    using undo = new DisposableStack();
    undo.defer(() => close(this.fd));
    epollAdd(this.fd, socket);
    undo.move();
  }

  /** From now on it can never be read. */
  cut(): void {
    if (!this.#connected) return;
    this.#connected = false;
    try {
      epollRemove(this.fd, this.#socket);
    } catch (error) {
      // The socket is closed, its fd perhaps another's.
      if (!isErrno(error, 'EBADF', 'ENOENT', 'EPERM')) throw error;
    }
  }

  /** Only after the thread has ended, or stopped to poll it. */
  [Symbol.dispose](): void {
    close(this.fd);
  }
}
