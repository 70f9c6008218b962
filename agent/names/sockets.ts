import { cannotListen } from '../../dns/server.ts';
import { isErrno } from '../../netns/kernel-error.ts';
import { close } from '../../netns/libc.ts';
import { listeningPort } from '../../netns/namespace.ts';
import { openServerSocket } from '../../netns/server-socket.ts';
import type { WorkerSockets } from './messages.ts';

/**
 * Queries wait here while a worker starts again, or the daemon after a crash: ten thousand of them, each counted with some
 * 770 bytes of the kernel's own. More would make everybody wait behind somebody's flood.
 */
export const servingReceiveBytes = 8 << 20;

/** Port 0: a port that is free for TCP may be taken for UDP. */
const portAttempts = 10;

/** A bound socket that somebody kept for us: a service manager, over a restart. */
export interface InheritedSocket {
  readonly protocol: 'udp' | 'tcp';
  readonly host: string;
  readonly port: number;
  readonly fd: number;
}

export interface NameSocketsOptions {
  readonly host: string;
  /** 0 takes a free port, the same for UDP and TCP. */
  readonly port: number;
  /** How many of each are needed. */
  readonly workers: number;
  /** Of this address; used before new ones are made. */
  readonly inherited: readonly InheritedSocket[];
  /** Clients from elsewhere than these ranges get no answer; absent: all get one. */
  readonly sources?: readonly string[];
}

/**
 * One UDP and one TCP socket for each worker, all bound to one address.
 * @throws {DnsError} CannotListen, naming address and protocol; nothing stays open then.
 */
export function openNameSockets(options: NameSocketsOptions): WorkerSockets[] {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return openOnce(options);
    } catch (error) {
      const isInUse = error instanceof Error && isErrno(error.cause, 'EADDRINUSE');
      if (options.port !== 0 || attempt === portAttempts || !isInUse) throw error;
    }
  }
}

/** Those that are left over when `used` are in use, in pairs; what has no other half is closed. */
export function pairSurplus(
  inherited: readonly InheritedSocket[],
  used: readonly WorkerSockets[],
): WorkerSockets[] {
  const inUse = new Set(used.flatMap(({ udp, tcp }) => [udp, tcp]));
  const surplus = inherited.filter(({ fd }) => !inUse.has(fd));
  const [udp, tcp] = (['udp', 'tcp'] as const).map((wanted) =>
    surplus.filter(({ protocol }) => protocol === wanted),
  ) as [InheritedSocket[], InheritedSocket[]];
  const pairs = Math.min(udp.length, tcp.length);
  for (const { fd } of [...udp.slice(pairs), ...tcp.slice(pairs)]) close(fd);
  return udp
    .slice(0, pairs)
    .map(({ host, port, fd }, index) => ({ host, port, udp: fd, tcp: tcp[index]?.fd ?? -1 }));
}

export function closeNameSockets(sockets: readonly WorkerSockets[]): void {
  for (const { udp, tcp } of sockets) {
    close(udp);
    close(tcp);
  }
}

function openOnce(options: NameSocketsOptions): WorkerSockets[] {
  const { host, port, workers, inherited } = options;
  using undo = new DisposableStack();
  const open = (protocol: 'udp' | 'tcp', at: number): number[] => {
    const kept = inherited.filter((one) => one.protocol === protocol);
    const fds = kept.slice(0, workers).map(({ fd }) => fd);
    if (fds.length === 0) checkFree(protocol, { ...options, port: at });
    while (fds.length < workers) {
      const chosen = at !== 0 || fds[0] === undefined ? at : listeningPort(fds[0]);
      const fd = openSocket(protocol, { ...options, port: chosen }, true);
      undo.defer(() => close(fd));
      fds.push(fd);
    }
    return fds;
  };
  const tcp = open('tcp', port);
  const bound = tcp[0] === undefined ? port : listeningPort(tcp[0]);
  const udp = open('udp', bound);
  undo.move();
  return tcp.map((fd, index) => ({ host, port: bound, tcp: fd, udp: udp[index] ?? -1 }));
}

/** Another server that shares the port, as ours do, would get half of the clients: that is no way to live together. */
function checkFree(protocol: 'udp' | 'tcp', options: NameSocketsOptions): void {
  if (options.port !== 0) close(openSocket(protocol, options, false));
}

function openSocket(
  protocol: 'udp' | 'tcp',
  { host, port, sources }: NameSocketsOptions,
  shared: boolean,
): number {
  try {
    return openServerSocket({
      protocol,
      host,
      port,
      shared,
      ...(protocol === 'udp' ? { receiveBytes: servingReceiveBytes } : {}),
      ...(sources ? { sources } : {}),
    });
  } catch (cause) {
    throw cannotListen(protocol === 'udp' ? 'UDP' : 'TCP', host, port, cause);
  }
}
