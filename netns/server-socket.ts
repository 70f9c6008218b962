import * as sockets from './socket.ts';
import { close } from './libc.ts';
import { isErrno } from './kernel-error.ts';
import { familyOf } from './ip.ts';
import { encodeInetAddress } from './sockaddr.ts';
import { filterSources } from './source-filter.ts';

export interface ServerSocketOptions {
  readonly protocol: 'udp' | 'tcp';
  /** A literal address; `::` means IPv6 only. */
  readonly host: string;
  /** 0 lets the kernel choose: see listeningPort of namespace.ts. */
  readonly port: number;
  /** What may wait to be received, in bytes as the kernel counts them (some 700 for a short datagram). */
  readonly receiveBytes?: number;
  /** Whether other sockets of ours may be bound to the same address; the kernel spreads clients over all of them. */
  readonly shared: boolean;
  /** Packets from elsewhere than these ranges are not there for it; absent: all are. */
  readonly sources?: readonly string[];
}

const backlog = 511;

/**
 * The fd of a socket that is bound, and listens where it is TCP, in the namespace that the thread is in.
 * @throws KernelError EADDRINUSE, EADDRNOTAVAIL, EACCES
 */
export function openServerSocket({
  protocol,
  host,
  port,
  receiveBytes,
  shared,
  sources,
}: ServerSocketOptions): number {
  const v6 = host.includes(':');
  const type = protocol === 'udp' ? sockets.SOCK_DGRAM : sockets.SOCK_STREAM;
  const fd = sockets.open(v6 ? sockets.AF_INET6 : sockets.AF_INET, type | sockets.SOCK_NONBLOCK);
  using undo = new DisposableStack();
  undo.defer(() => close(fd));
  if (v6) sockets.setsockopt(fd, sockets.IPPROTO_IPV6, sockets.IPV6_V6ONLY, 1);
  // Connections that a program before us closed must not keep the port from us. On UDP it would mean something else.
  if (protocol === 'tcp') sockets.setsockopt(fd, sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1);
  if (shared) sockets.setsockopt(fd, sockets.SOL_SOCKET, sockets.SO_REUSEPORT, 1);
  if (receiveBytes !== undefined) setReceiveBytes(fd, receiveBytes);
  // Before it is bound: no packet comes first.
  if (sources) sockets.setFilter(fd, filterSources(familyOf(host), sources));
  sockets.bind(fd, encodeInetAddress(host, port), `${host} port ${port}`);
  if (protocol === 'tcp') sockets.listen(fd, backlog, `${host} port ${port}`);
  undo.move();
  return fd;
}

/** How much may wait to be received: beyond the machine's limit where we may, else as far as it goes. */
export function setReceiveBytes(fd: number, bytes: number): void {
  // The kernel doubles what it is told (socket(7)).
  try {
    sockets.setsockopt(fd, sockets.SOL_SOCKET, sockets.SO_RCVBUFFORCE, bytes / 2);
  } catch (error) {
    if (!isErrno(error, 'EPERM')) throw error;
    sockets.setsockopt(fd, sockets.SOL_SOCKET, sockets.SO_RCVBUF, bytes / 2);
  }
}

/** SO_MEMINFO's numbers (linux/sock_diag.h): so many, of which the first is what waits to be received. */
const memoryInfoWords = 9;

/** What waits to be received, in bytes as the kernel counts them. */
export function waitingBytes(fd: number): number {
  const info = Buffer.alloc(4 * memoryInfoWords);
  sockets.getsockopt(fd, sockets.SOL_SOCKET, sockets.SO_MEMINFO, info);
  return info.readUInt32LE(0);
}
