import { ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import { once } from 'node:events';
import type { KeyPair } from '../authority.ts';
import { ServerError } from '../server-error.ts';
import type { Router } from './router.ts';

/** A place to listen: an address, or a socket that a parent made and handed in. */
export type Place = { readonly host: string; readonly port: number } | { readonly fd: number };

/** Longer than any client's own keep-alive, so that no request meets a closing connection. */
const keepAliveTimeoutMs = 150_000;

/** All agents of a cluster may come back in one moment; Node's own 511 would reset some of them. */
const backlog = 4096;

export interface ServingTls {
  readonly pair: KeyPair;
  /** PEM of who signs clients' certificates. */
  readonly ca: string;
}

/** One listening HTTPS socket in front of the router. */
export class Listener {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly address: { readonly host: string; readonly port: number };

  static async open(place: Place, tls: ServingTls, router: Router): Promise<Listener> {
    const server = createServer({
      ...secureContext(tls),
      // Whoever has no certificate may still join with a token; authentication decides, not TLS.
      requestCert: true,
      rejectUnauthorized: false,
      keepAliveTimeout: keepAliveTimeoutMs,
      noDelay: true,
    });
    try {
      server.listen({ ...place, backlog });
      await once(server, 'listening');
    } catch (error) {
      throw listenError(place, error);
    }
    return new Listener(server, router);
  }

  private constructor(server: Server, router: Router) {
    this.#server = server;
    const address = server.address();
    if (address === null || typeof address === 'string')
      throw new ServerError('listen', 'the socket is not a TCP socket');
    this.address = { host: address.address, port: address.port };
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    server.on('request', (request, response) => void router.handle(request, response));
    server.on('upgrade', (request, socket, head) => {
      // A response of its own, so that refusals go out as on any other request.
      const response = new ServerResponse(request);
      response.shouldKeepAlive = false;
      response.assignSocket(request.socket);
      response.on('finish', () => socket.end());
      socket.on('error', () => socket.destroy());
      void router.handle(request, response, { socket, head });
    });
  }

  /** Shows another certificate from the next connection on. */
  useTls(tls: ServingTls): void {
    this.#server.setSecureContext(secureContext(tls));
  }

  /** Stops listening and ends every connection. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

function secureContext({ pair: { certificate, key }, ca }: ServingTls) {
  return { cert: certificate, key, ca, minVersion: 'TLSv1.2' } as const;
}

function listenError(place: Place, error: unknown): ServerError {
  const { code, message } = error as NodeJS.ErrnoException;
  const cause = { cause: error };
  if ('fd' in place) return new ServerError('listen', `inherited socket ${place.fd}: ${message}`, cause);
  const { host, port } = place;
  if (code === 'EADDRINUSE') {
    const remedy = `end the program that uses it (ss -tlnp sport = :${port}), or set another apiPort`;
    return new ServerError('listen', `port ${port} is in use: ${remedy}`, cause);
  }
  const remedy = code === 'EADDRNOTAVAIL' ? ': name addresses of this machine in listenAddresses' : '';
  return new ServerError('listen', `cannot listen on ${host} port ${port}: ${message}${remedy}`, cause);
}
