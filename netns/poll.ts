/** Waiting until sockets and files can be read or written. */
import koffi from 'koffi';
import { declare } from './syscall.ts';

const calls = {
  epoll_create1: declare('int epoll_create1(int flags)'),
  epoll_ctl: declare('int epoll_ctl(int epoll, int operation, int fd, void *event)'),
} as const;

/** sys/epoll.h */
const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 1;

/** The fd of a new, empty set of files to wait for, close-on-exec; it can be read while one of them can. */
export function epollCreate(): number {
  return calls.epoll_create1('', EPOLL_CLOEXEC);
}

/** Takes a file into a set. */
export function epollAdd(epoll: number, fd: number): void {
  // struct epoll_event is packed on x86-64 only; what it says is the same with and without the gap.
  const event = Buffer.alloc(16);
  event.writeUInt32LE(EPOLLIN);
  calls.epoll_ctl(`fd ${fd}`, epoll, EPOLL_CTL_ADD, fd, event);
}

/** Takes a file out of a set, whoever waits for it. */
export function epollRemove(epoll: number, fd: number): void {
  calls.epoll_ctl(`fd ${fd}`, epoll, EPOLL_CTL_DEL, fd, null);
}

/**
 * Calls `onReadable` from the event loop whenever `fd` can be read, until the returned function is called.
 * `onBroken` is told once when polling ended by itself (on a netlink overrun epoll reports an error and stops):
 * drain the socket and poll again.
 */
export function pollReadable(fd: number, onReadable: () => void, onBroken: () => void): () => void {
  let stopped = false;
  // koffi hands over (status, events), unlike its types say. An exception in the callback would abort the process, and
  // so would a worker thread that is ended in it while other files of the same round of epoll wait for their callbacks:
  // so nothing happens in it but a hop to the event loop.
  const callback = (status: unknown): void => {
    setImmediate(() => {
      if (stopped) return;
      if (typeof status === 'number' && status < 0) onBroken();
      else onReadable();
    });
  };
  const handle = koffi.node.poll(fd, { readable: true }, callback);
  return () => {
    if (stopped) return;
    stopped = true;
    handle.close();
  };
}

/** Resolves when `fd` may be written to, or is broken, which the next write then tells. Close it only afterwards. */
export function whenWritable(fd: number): Promise<void> {
  return new Promise((resolve) => {
    let told = false;
    const handle = koffi.node.poll(fd, { writable: true }, () => {
      if (told) return;
      told = true;
      // As above: nothing but a hop happens in the callback.
      setImmediate(() => {
        handle.close();
        resolve();
      });
    });
  });
}
