/**
 * The only door to libc. Each function is one syscall with its errors thrown as {@link KernelError}; nothing is
 * decided here. Numbers come from the kernel headers named beside them and are the same on x86-64 and arm64;
 * both are little-endian, which every encoder in this folder relies on.
 */
import koffi from 'koffi';
import { KernelError } from './kernel-error.ts';

const libc = koffi.load('libc.so.6');

type Call = (...args: unknown[]) => number;
const declare = (prototype: string): Call => libc.func(prototype);

const calls = {
  setns: declare('int setns(int fd, int nstype)'),
  unshare: declare('int unshare(int flags)'),
  mount: declare(
    'int mount(const char *source, const char *target, const char *type, ulong flags, const char *data)',
  ),
  umount2: declare('int umount2(const char *target, int flags)'),
  flock: declare('int flock(int fd, int operation)'),
  socket: declare('int socket(int domain, int type, int protocol)'),
  setsockopt: declare('int setsockopt(int fd, int level, int name, const void *value, uint length)'),
  getsockopt: declare('int getsockopt(int fd, int level, int name, void *value, void *length)'),
  getsockname: declare('int getsockname(int fd, void *address, void *length)'),
  bind: declare('int bind(int fd, const void *address, uint length)'),
  connect: declare('int connect(int fd, const void *address, uint length)'),
  listen: declare('int listen(int fd, int backlog)'),
  shutdown: declare('int shutdown(int fd, int how)'),
  send: declare('long send(int fd, const void *data, size_t length, int flags)'),
  sendto: declare(
    'long sendto(int fd, const void *data, size_t length, int flags, const void *to, uint toLength)',
  ),
  recv: declare('long recv(int fd, void *buffer, size_t length, int flags)'),
  sendmsg: declare('long sendmsg(int fd, const void *header, int flags)'),
  recvmsg: declare('long recvmsg(int fd, void *header, int flags)'),
  recvmmsg: declare('int recvmmsg(int fd, void *headers, uint count, int flags, void *timeout)'),
  sendmmsg: declare('int sendmmsg(int fd, const void *headers, uint count, int flags)'),
  epoll_create1: declare('int epoll_create1(int flags)'),
  epoll_ctl: declare('int epoll_ctl(int epoll, int operation, int fd, void *event)'),
  fcntl: declare('int fcntl(int fd, int command, int argument)'),
  close: declare('int close(int fd)'),
  ioctl: declare('int ioctl(int fd, ulong request, void *argument)'),
} as const;

/** Calls a syscall until it is not interrupted, and throws its error. */
function invoke(name: keyof typeof calls, about: string, ...args: unknown[]): number {
  for (;;) {
    const result = calls[name](...args);
    if (result >= 0) return result;
    const errno = koffi.errno();
    if (errno !== koffi.os.errno['EINTR']) throw new KernelError(name, errno, about);
  }
}

/** linux/sched.h */
export const CLONE_NEWNET = 0x40000000;

/** Moves the calling thread into the namespace behind `fd`. */
export function setns(fd: number, type = 0): void {
  invoke('setns', '', fd, type);
}

/** Gives the calling thread new namespaces. */
export function unshare(flags: number): void {
  invoke('unshare', '', flags);
}

/** linux/mount.h */
export const MS_BIND = 4096;
export const MS_REC = 16384;
export const MS_SHARED = 1 << 20;
export const MNT_DETACH = 2;

/** mount(2). */
export function mount(
  source: string,
  target: string,
  type: string | null,
  flags: number,
  data: string | null,
): void {
  invoke('mount', target, source, target, type, flags, data);
}

/** umount2(2). */
export function umount2(target: string, flags: number): void {
  invoke('umount2', target, target, flags);
}

/** sys/file.h */
export const LOCK_EX = 2;
export const LOCK_NB = 4;

/** flock(2); with LOCK_NB a lock held by somebody else throws EWOULDBLOCK (code `EAGAIN`). */
export function flock(fd: number, operation: number): void {
  invoke('flock', '', fd, operation);
}

/** linux/socket.h, linux/net.h, asm-generic/socket.h */
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const AF_PACKET = 17;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_SEQPACKET = 5;
export const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
export const SOL_IP = 0;
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_TYPE = 3;
export const SO_RCVBUF = 8;
export const SO_REUSEPORT = 15;
export const SO_MEMINFO = 55;
export const SO_SNDBUFFORCE = 32;
export const SO_RCVBUFFORCE = 33;
const SO_ATTACH_FILTER = 26;
const SO_DETACH_FILTER = 27;
export const IPPROTO_IPV6 = 41;
const IPV6_ADD_MEMBERSHIP = 20;
const IPV6_DROP_MEMBERSHIP = 21;
export const IPV6_V6ONLY = 26;
/** linux/if_packet.h; ignoring what this host itself sends needs Linux 4.20. */
export const SOL_PACKET = 263;
export const PACKET_IGNORE_OUTGOING = 23;
export const SOL_NETLINK = 270;
export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

/** A new socket's fd, close-on-exec. It stays for ever in the namespace the thread is in now. */
export function socket(domain: number, type: number, protocol = 0): number {
  return invoke('socket', '', domain, type | SOCK_CLOEXEC, protocol);
}

/** setsockopt(2) with an int value. */
export function setsockopt(fd: number, level: number, name: number, value: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  invoke('setsockopt', '', fd, level, name, bytes, bytes.length);
}

/** getsockopt(2) whose value is a structure: read from and written to `value`. */
export function getsockopt(fd: number, level: number, name: number, value: Uint8Array, about = ''): void {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(value.length);
  invoke('getsockopt', about, fd, level, name, value, length);
}

/** Joins or leaves an IPv6 multicast group, 16 bytes, on a link (struct ipv6_mreq of linux/in6.h). */
export function setMembership(fd: number, member: boolean, group: Uint8Array, ifindex: number): void {
  const request = Buffer.alloc(20);
  request.set(group);
  request.writeInt32LE(ifindex, 16);
  const name = member ? IPV6_ADD_MEMBERSHIP : IPV6_DROP_MEMBERSHIP;
  invoke('setsockopt', `group on link ${ifindex}`, fd, IPPROTO_IPV6, name, request, request.length);
}

/** One instruction of classic BPF (linux/filter.h, struct sock_filter). */
export interface FilterInstruction {
  readonly code: number;
  readonly jumpTrue?: number;
  readonly jumpFalse?: number;
  readonly value: number;
}

/** The socket from now on takes only datagrams for which `program` returns more than 0; without one, all. */
export function setFilter(fd: number, program: readonly FilterInstruction[]): void {
  if (program.length === 0) {
    // ENOENT: there was none.
    if (calls.setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, Buffer.alloc(4), 4) >= 0) return;
    if (koffi.errno() !== koffi.os.errno['ENOENT']) throw new KernelError('setsockopt', koffi.errno());
    return;
  }
  const instructions = Buffer.alloc(8 * program.length);
  for (const [index, { code, jumpTrue = 0, jumpFalse = 0, value }] of program.entries()) {
    instructions.writeUInt16LE(code, 8 * index);
    instructions.writeUInt8(jumpTrue, 8 * index + 2);
    instructions.writeUInt8(jumpFalse, 8 * index + 3);
    instructions.writeUInt32LE(value, 8 * index + 4);
  }
  // struct sock_fprog: their number, and where they are.
  const header = Buffer.alloc(16);
  header.writeUInt16LE(program.length, 0);
  header.writeBigUInt64LE(koffi.address(instructions), 8);
  invoke('setsockopt', 'filter', fd, SOL_SOCKET, SO_ATTACH_FILTER, header, header.length);
}

/** bind(2) to an encoded socket address (see sockaddr.ts). */
export function bind(fd: number, address: Uint8Array, about = ''): void {
  invoke('bind', about, fd, address, address.length);
}

/** connect(2) to an encoded socket address. */
export function connect(fd: number, address: Uint8Array, about = ''): void {
  invoke('connect', about, fd, address, address.length);
}

/** listen(2). */
export function listen(fd: number, backlog: number, about = ''): void {
  invoke('listen', about, fd, backlog);
}

/** sys/socket.h */
export const SHUT_RD = 0;
export const SHUT_WR = 1;

/** shutdown(2). */
export function shutdown(fd: number, how: number): void {
  invoke('shutdown', '', fd, how);
}

/** The socket's own address, encoded. */
export function getsockname(fd: number): Buffer {
  const address = Buffer.alloc(128);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(address.length);
  invoke('getsockname', '', fd, address, length);
  return address.subarray(0, length.readUInt32LE());
}

/** send(2); the number of bytes the kernel took. */
export function send(fd: number, data: Uint8Array, flags = MSG_NOSIGNAL): number {
  return invoke('send', '', fd, data, data.length, flags);
}

/** sendto(2) an encoded socket address. */
export function sendTo(fd: number, data: Uint8Array, to: Uint8Array, flags = MSG_NOSIGNAL): number {
  return invoke('sendto', '', fd, data, data.length, flags, to, to.length);
}

/**
 * recv(2) into `buffer`; the number of bytes, or undefined when nothing is queued (with MSG_DONTWAIT).
 * ENOBUFS (a netlink receive overrun) is thrown like any other error.
 */
export function recv(fd: number, buffer: Uint8Array, flags: number): number | undefined {
  for (;;) {
    const result = calls.recv(fd, buffer, buffer.length, flags);
    if (result >= 0) return result;
    const errno = koffi.errno();
    if (errno === koffi.os.errno['EAGAIN']) return undefined;
    if (errno !== koffi.os.errno['EINTR']) throw new KernelError('recv', errno);
  }
}

/** sys/socket.h */
const MSG_CMSG_CLOEXEC = 0x40000000;

/** sendmsg(2) of an encoded message header (see unix-datagram.ts). */
export function sendMessage(fd: number, header: Uint8Array): void {
  invoke('sendmsg', '', fd, header, MSG_NOSIGNAL);
}

/**
 * recvmsg(2) without waiting, into the buffers of an encoded message header; the number of bytes, or undefined when
 * nothing is queued. File descriptors that come with it are close-on-exec.
 */
export function receiveMessage(fd: number, header: Uint8Array): number | undefined {
  for (;;) {
    const result = calls.recvmsg(fd, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (result >= 0) return result;
    const errno = koffi.errno();
    if (errno === koffi.os.errno['EAGAIN']) return undefined;
    if (errno !== koffi.os.errno['EINTR']) throw new KernelError('recvmsg', errno);
  }
}

/**
 * recvmmsg(2) without waiting, into `count` message headers (struct mmsghdr); how many of them were filled, 0 when
 * nothing is queued.
 */
export function recvMessages(fd: number, headers: Uint8Array, count: number): number {
  return unlessBlocked('recvmmsg', fd, headers, count, MSG_DONTWAIT, null);
}

/** sendmmsg(2) without waiting; how many of the `count` messages the kernel took, 0 when it has no room now. */
export function sendMessages(fd: number, headers: Uint8Array, count: number): number {
  return unlessBlocked('sendmmsg', fd, headers, count, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/** Calls until it is not interrupted; 0 where it would have to wait. */
function unlessBlocked(name: keyof typeof calls, ...args: unknown[]): number {
  for (;;) {
    const result = calls[name](...args);
    if (result >= 0) return result;
    const errno = koffi.errno();
    if (errno === koffi.os.errno['EAGAIN']) return 0;
    if (errno !== koffi.os.errno['EINTR']) throw new KernelError(name, errno);
  }
}

/** sys/epoll.h */
const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 1;

/** The fd of a new, empty set of files to wait for, close-on-exec; it can be read while one of them can. */
export function epollCreate(): number {
  return invoke('epoll_create1', '', EPOLL_CLOEXEC);
}

/** Takes a file into a set. */
export function epollAdd(epoll: number, fd: number): void {
  // struct epoll_event is packed on x86-64 only; what it says is the same with and without the gap.
  const event = Buffer.alloc(16);
  event.writeUInt32LE(EPOLLIN);
  invoke('epoll_ctl', `fd ${fd}`, epoll, EPOLL_CTL_ADD, fd, event);
}

/** Takes a file out of a set, whoever waits for it. */
export function epollRemove(epoll: number, fd: number): void {
  invoke('epoll_ctl', `fd ${fd}`, epoll, EPOLL_CTL_DEL, fd, null);
}

/** fcntl.h */
const F_DUPFD_CLOEXEC = 1030;

/** A second fd, close-on-exec, of the same socket or file. */
export function duplicate(fd: number): number {
  return invoke('fcntl', '', fd, F_DUPFD_CLOEXEC, 0);
}

/** Where a buffer's bytes are, for structures that point to them: keep the buffer as long as the kernel may look. */
export function addressOf(buffer: Uint8Array): bigint {
  return koffi.address(buffer);
}

/** asm-generic/ioctls.h */
const FIOCLEX = 0x5451;

/** Keeps a file descriptor from programs that are started from now on. */
export function closeOnExec(fd: number): void {
  invoke('ioctl', `fd ${fd}`, fd, FIOCLEX, null);
}

/** close(2). */
export function close(fd: number): void {
  invoke('close', '', fd);
}

/** ioctl(2) whose argument is a structure: read from and written to `argument`. */
export function ioctl(fd: number, request: number, argument: Uint8Array): void {
  invoke('ioctl', '', fd, request, argument);
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
