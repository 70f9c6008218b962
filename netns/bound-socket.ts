import { isErrno } from './kernel-error.ts';
import * as sockets from './socket.ts';
import { decodeInetAddress } from './sockaddr.ts';

/** Where a server's socket is bound, and what travels over it. */
export interface BoundSocket {
  readonly protocol: 'udp' | 'tcp';
  /** In canonical text (RFC 5952). */
  readonly host: string;
  readonly port: number;
}

const protocols = new Map<number, BoundSocket['protocol']>([
  [sockets.SOCK_DGRAM, 'udp'],
  [sockets.SOCK_STREAM, 'tcp'],
]);

/** What the kernel says of a socket; undefined where `fd` is none of UDP or TCP. */
export function describeSocket(fd: number): BoundSocket | undefined {
  const type = Buffer.alloc(4);
  try {
    sockets.getsockopt(fd, sockets.SOL_SOCKET, sockets.SO_TYPE, type);
  } catch (error) {
    if (isErrno(error, 'ENOTSOCK')) return undefined;
    throw error;
  }
  const address = decodeInetAddress(sockets.getsockname(fd));
  const protocol = protocols.get(type.readInt32LE());
  return address && protocol ? { protocol, ...address } : undefined;
}

/**
 * From now on a bound UDP socket gets no datagram any more, though it stays bound and can be read and sent from: it is
 * connected to its own address, from which nothing comes. For the kernel, who looks for a socket for a packet, there
 * is none then.
 */
export function turnAwayDatagrams(fd: number): void {
  sockets.connect(fd, sockets.getsockname(fd), 'to its own address');
}
