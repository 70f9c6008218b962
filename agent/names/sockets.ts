import { cannotListen } from '../../dns/server.ts';
import { isErrno } from '../../netns/kernel-error.ts';
import { close } from '../../netns/libc.ts';
import { listeningPort } from '../../netns/namespace.ts';
import { openServerSocket } from '../../netns/server-socket.ts';
import type { WorkerSockets } from './messages.ts';

/**
 * Queries wait here while a worker, or the whole daemon, starts again: two seconds of 20,000 a second, each counted with
 * some 770 bytes of the kernel's own. Nothing is used while nothing waits.
 */
const receiveBytes = 32 << 20;

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
  /** Used before new ones are made; those of other addresses are left alone. */
  readonly inherited: readonly InheritedSocket[];
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

export function closeNameSockets(sockets: readonly WorkerSockets[]): void {
  for (const { udp, tcp } of sockets) {
    close(udp);
    close(tcp);
  }
}

function openOnce({ host, port, workers, inherited }: NameSocketsOptions): WorkerSockets[] {
  using undo = new DisposableStack();
  const open = (protocol: 'udp' | 'tcp', at: number): number[] => {
    const kept = inherited.filter(
      (one) => one.protocol === protocol && one.host === host && one.port === port,
    );
    const fds = kept.slice(0, workers).map(({ fd }) => fd);
    if (fds.length === 0) checkFree(protocol, host, at);
    while (fds.length < workers) {
      const chosen = at !== 0 || fds[0] === undefined ? at : listeningPort(fds[0]);
      const fd = openShared(protocol, host, chosen);
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
function checkFree(protocol: 'udp' | 'tcp', host: string, port: number): void {
  if (port !== 0) close(openSocket(protocol, host, port, false));
}

function openShared(protocol: 'udp' | 'tcp', host: string, port: number): number {
  return openSocket(protocol, host, port, true);
}

function openSocket(protocol: 'udp' | 'tcp', host: string, port: number, shared: boolean): number {
  try {
    return openServerSocket({
      protocol,
      host,
      port,
      shared,
      ...(protocol === 'udp' ? { receiveBytes } : {}),
    });
  } catch (cause) {
    throw cannotListen(protocol === 'udp' ? 'UDP' : 'TCP', host, port, cause);
  }
}
