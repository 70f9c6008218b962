/** Sockets of every family, and what Node has no words for. */
import type { FilterInstruction } from './bpf.ts';
import { isErrno } from './kernel-error.ts';
import { addressOf, declare, declareWithoutWaiting } from './syscall.ts';

const calls = {
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
  recv: declareWithoutWaiting('long recv(int fd, void *buffer, size_t length, int flags)'),
  sendmsg: declare('long sendmsg(int fd, const void *header, int flags)'),
  recvmsg: declareWithoutWaiting('long recvmsg(int fd, void *header, int flags)'),
  recvmmsg: declareWithoutWaiting(
    'int recvmmsg(int fd, void *headers, uint count, int flags, void *timeout)',
  ),
  sendmmsg: declareWithoutWaiting('int sendmmsg(int fd, const void *headers, uint count, int flags)'),
} as const;

/** linux/socket.h, linux/net.h, asm-generic/socket.h */
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_UNSPEC = 0;
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
export function open(domain: number, type: number, protocol = 0): number {
  return calls.socket('', domain, type | SOCK_CLOEXEC, protocol);
}

/** setsockopt(2) with an int value. */
export function setsockopt(fd: number, level: number, name: number, value: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  calls.setsockopt('', fd, level, name, bytes, bytes.length);
}

/** getsockopt(2) whose value is a structure: read from and written to `value`. */
export function getsockopt(fd: number, level: number, name: number, value: Uint8Array, about = ''): void {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(value.length);
  calls.getsockopt(about, fd, level, name, value, length);
}

/** Joins or leaves an IPv6 multicast group, 16 bytes, on a link (struct ipv6_mreq of linux/in6.h). */
export function setMembership(fd: number, member: boolean, group: Uint8Array, ifindex: number): void {
  const request = Buffer.alloc(20);
  request.set(group);
  request.writeInt32LE(ifindex, 16);
  const name = member ? IPV6_ADD_MEMBERSHIP : IPV6_DROP_MEMBERSHIP;
  calls.setsockopt(`group on link ${ifindex}`, fd, IPPROTO_IPV6, name, request, request.length);
}

/** The socket from now on takes only datagrams for which `program` returns more than 0; without one, all. */
export function setFilter(fd: number, program: readonly FilterInstruction[]): void {
  if (program.length === 0) {
    try {
      setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, 0);
    } catch (error) {
      // There was none.
      if (!isErrno(error, 'ENOENT')) throw error;
    }
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
  header.writeBigUInt64LE(addressOf(instructions), 8);
  calls.setsockopt('filter', fd, SOL_SOCKET, SO_ATTACH_FILTER, header, header.length);
}

/** bind(2) to an encoded socket address (see sockaddr.ts). */
export function bind(fd: number, address: Uint8Array, about = ''): void {
  calls.bind(about, fd, address, address.length);
}

/** connect(2) to an encoded socket address. */
export function connect(fd: number, address: Uint8Array, about = ''): void {
  calls.connect(about, fd, address, address.length);
}

/** listen(2). */
export function listen(fd: number, backlog: number, about = ''): void {
  calls.listen(about, fd, backlog);
}

/** sys/socket.h */
export const SHUT_RD = 0;
export const SHUT_WR = 1;

/** shutdown(2). */
export function shutdown(fd: number, how: number): void {
  calls.shutdown('', fd, how);
}

/** The socket's own address, encoded. */
export function getsockname(fd: number): Buffer {
  const address = Buffer.alloc(128);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(address.length);
  calls.getsockname('', fd, address, length);
  return address.subarray(0, length.readUInt32LE());
}

/** send(2); the number of bytes the kernel took. */
export function send(fd: number, data: Uint8Array, flags = MSG_NOSIGNAL): number {
  return calls.send('', fd, data, data.length, flags);
}

/** sendto(2) an encoded socket address. */
export function sendTo(fd: number, data: Uint8Array, to: Uint8Array, flags = MSG_NOSIGNAL): number {
  return calls.sendto('', fd, data, data.length, flags, to, to.length);
}

/**
 * recv(2) into `buffer`; the number of bytes, or undefined when nothing is queued (with MSG_DONTWAIT).
 * ENOBUFS (a netlink receive overrun) is thrown like any other error.
 */
export function recv(fd: number, buffer: Uint8Array, flags: number): number | undefined {
  return calls.recv(fd, buffer, buffer.length, flags);
}

/** sys/socket.h */
const MSG_CMSG_CLOEXEC = 0x40000000;

/** sendmsg(2) of an encoded message header (see unix-datagram.ts). */
export function sendMessage(fd: number, header: Uint8Array): void {
  calls.sendmsg('', fd, header, MSG_NOSIGNAL);
}

/**
 * recvmsg(2) without waiting, into the buffers of an encoded message header; the number of bytes, or undefined when
 * nothing is queued. File descriptors that come with it are close-on-exec.
 */
export function receiveMessage(fd: number, header: Uint8Array): number | undefined {
  return calls.recvmsg(fd, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
}

/**
 * recvmmsg(2) without waiting, into `count` message headers (struct mmsghdr); how many of them were filled, 0 when
 * nothing is queued.
 */
export function recvMessages(fd: number, headers: Uint8Array, count: number): number {
  return calls.recvmmsg(fd, headers, count, MSG_DONTWAIT, null) ?? 0;
}

/** sendmmsg(2) without waiting; how many of the `count` messages the kernel took, 0 when it has no room now. */
export function sendMessages(fd: number, headers: Uint8Array, count: number): number {
  return calls.sendmmsg(fd, headers, count, MSG_DONTWAIT | MSG_NOSIGNAL) ?? 0;
}
