import type { Logger } from 'pino';
import { describeSocket, turnAwayDatagrams } from '../../netns/bound-socket.ts';
import { encodeIp } from '../../netns/ip.ts';
import { close } from '../../netns/libc.ts';
import { setReceiveBytes, waitingBytes } from '../../netns/server-socket.ts';
import type { InheritedFd } from '../inherited-fds.ts';
import { forgetFds, storeFds } from '../notify.ts';
import type { WorkerSockets } from './messages.ts';
import { servingReceiveBytes, type InheritedSocket } from './sockets.ts';

/*
 * A restart without a lost query. Under a service manager that keeps file descriptors (notify.ts) the sockets stay open,
 * queries wait in them, and the next agent answers. Without one nothing may arrive any more once nobody answers: the
 * sockets turn new datagrams away, which another node's server gets where the node's rules see to it, and answer the rest.
 */

/** While nobody reads: three seconds of 20,000 queries a second, each counted with some 770 bytes of the kernel's own. */
const waitingReceiveBytes = 64 << 20;

const namePrefix = 'dns-';

/** What the sockets of an address are stored under. A colon would separate names. */
function storeName(host: string): string {
  return `${namePrefix}${host.replaceAll(':', '-')}`;
}

/** Of what the service manager handed to this process: the sockets of the agent before. Others are closed. */
export function takeOverSockets(fds: readonly InheritedFd[], log: Logger): InheritedSocket[] {
  return fds.flatMap(({ fd, name }) => {
    const socket = describeSocket(fd);
    if (!socket || !name.startsWith(namePrefix)) {
      log.warn({ name }, 'the service manager keeps a file descriptor that nobody knows: closed');
      forgetFds(name);
      close(fd);
      return [];
    }
    return [{ ...socket, fd }];
  });
}

/** Nobody will answer on these: they shall not keep queries waiting. */
export function dropSockets(sockets: readonly InheritedSocket[]): void {
  for (const { host, fd } of sockets) {
    forgetSockets(host);
    close(fd);
  }
}

/** Whether two spellings mean one address. */
export function isSameAddress(one: string, other: string): boolean {
  return encodeIp(one).equals(encodeIp(other));
}

/** Has the service manager keep an address's sockets from now on, and no others of it: a crash gives no notice. */
export function storeSockets(host: string, sockets: readonly WorkerSockets[]): void {
  forgetFds(storeName(host));
  storeFds(storeName(host), fdsOf(sockets));
}

/** Makes the sockets fit for a time in which queries wait in them. Whether somebody keeps them until then. */
export function leaveSockets(host: string, sockets: readonly WorkerSockets[]): boolean {
  if (!storeFds(storeName(host), fdsOf(sockets))) return false;
  for (const { udp } of sockets) setReceiveBytes(udp, waitingReceiveBytes);
  return true;
}

/**
 * Once what waited over a restart is read, a long queue would only make everybody wait: takes it back. Whether it is so
 * far; a queue that is longer than it may be would lose all that comes.
 */
export function resumeSockets(sockets: readonly WorkerSockets[]): boolean {
  if (sockets.some(({ udp }) => waitingBytes(udp) > servingReceiveBytes / 2)) return false;
  for (const { udp } of sockets) setReceiveBytes(udp, servingReceiveBytes);
  return true;
}

/** No new datagram reaches these sockets any more, and nobody keeps them. */
export function retireSockets(host: string, sockets: readonly WorkerSockets[]): void {
  forgetSockets(host);
  for (const { udp } of sockets) turnAwayDatagrams(udp);
}

/** Has the service manager keep an address's sockets no more. */
function forgetSockets(host: string): void {
  forgetFds(storeName(host));
}

function fdsOf(sockets: readonly WorkerSockets[]): number[] {
  return sockets.flatMap(({ udp, tcp }) => [udp, tcp]);
}
