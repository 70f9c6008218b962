import * as net from 'node:net';
import { isErrno } from '../../netns/kernel-error.ts';
import { connectInNamespace } from '../../netns/namespace.ts';

/** A pod's own loopback addresses, in the order they are tried. */
const hosts = ['127.0.0.1', '::1'];

/**
 * A connection to a port on a pod's loopback, from inside its network namespace (undefined: our own).
 * Rejects when neither family is answered, in the words users know from container runtimes.
 */
export async function connectInPod(netns: string | undefined, port: number): Promise<net.Socket> {
  const failures: string[] = [];
  for (const host of hosts) {
    try {
      return await (netns === undefined ? connectHere(host, port) : connectThere(netns, host, port));
    } catch (error) {
      failures.push(describe(host, port, error));
    }
  }
  throw new Error(`failed to connect to localhost:${port} inside the pod, ${failures.join(', ')}`);
}

function describe(host: string, port: number, error: unknown): string {
  const where = net.isIPv6(host) ? `IPv6: dial tcp6 [${host}]:${port}` : `IPv4: dial tcp4 ${host}:${port}`;
  const why = isErrno(error, 'ECONNREFUSED') ? 'connection refused' : (error as Error).message;
  return `${where}: connect: ${why}`;
}

async function connectThere(netns: string, host: string, port: number): Promise<net.Socket> {
  const fd = connectInNamespace(netns, { host, port });
  const socket = new net.Socket({ fd, readable: true, writable: true, allowHalfOpen: true });
  return connected(socket, (done) => socket.write(Buffer.alloc(0), done));
}

function connectHere(host: string, port: number): Promise<net.Socket> {
  const socket = net.connect({ host, port, allowHalfOpen: true });
  return connected(socket, (done) => socket.once('connect', done));
}

function connected(
  socket: net.Socket,
  wait: (done: (error?: Error | null) => void) => void,
): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    // It may fail twice, by the write and by the read; who takes the socket over adds a listener of its own.
    socket.on('error', reject);
    wait((error) => {
      if (error) reject(error);
      else resolve(socket);
    });
  });
}
