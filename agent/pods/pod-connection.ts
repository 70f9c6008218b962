import * as net from 'node:net';
import { connectInNamespace } from '../../netns/namespace.ts';

/** A connection to a port on a pod's loopback address, from inside its network namespace (undefined: our own). */
export function connectInPod(netns: string | undefined, port: number): Promise<net.Socket> {
  const host = '127.0.0.1';
  if (netns !== undefined) {
    const fd = connectInNamespace(netns, { host, port });
    return Promise.resolve(new net.Socket({ fd, readable: true, writable: true, allowHalfOpen: true }));
  }
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host, port, allowHalfOpen: true });
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}
