import { request as httpsRequest } from 'node:https';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { isIPv6 } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline as finished } from 'node:stream/promises';
import type { Logger } from 'pino';
import type { KeyPair } from './authority.ts';
import { serviceUnavailable } from './status-error.ts';

/** Where one request goes: a node's agent, and the path there. */
export interface NodeTarget {
  readonly node: string;
  readonly address: string;
  readonly port: number;
  /** With the query. */
  readonly path: string;
}

/** An upgraded connection's raw socket and the bytes that came with its request. */
export interface RawConnection {
  readonly socket: Duplex;
  readonly head: Buffer;
}

const connectTimeoutMs = 10_000;

/** Headers that belong to one connection (RFC 9110, section 7.6.1), or would tell the node who asked. */
const ownHeaders = new Set(['host', 'authorization', 'keep-alive', 'proxy-connection', 'te', 'trailer']);

/** Hands requests on to the nodes' agents, as the server itself, byte for byte. */
export class NodeProxy {
  readonly #ca: string;
  readonly #client: KeyPair;
  readonly #log: Logger;

  constructor(ca: string, client: KeyPair, log: Logger) {
    this.#ca = ca;
    this.#client = client;
    this.#log = log;
  }

  /** A plain request, such as logs that follow: streams the answer until one side ends it. */
  async forward(target: NodeTarget, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const outgoing = this.#request(target, request, reject);
      outgoing.on('response', resolve);
      // The client went away before the node answered.
      response.once('close', () => outgoing.destroy());
      outgoing.end();
    });
    await this.#relay(target, answer, response);
  }

  async #relay(target: NodeTarget, answer: IncomingMessage, response: ServerResponse): Promise<void> {
    response.writeHead(answer.statusCode ?? 502, passOn(answer.headers));
    response.flushHeaders();
    try {
      await finished(answer, response);
    } catch (error) {
      this.#log.debug({ err: error, node: target.node }, 'stream ended early');
    }
  }

  /**
   * A request that turns into a raw connection (WebSocket, SPDY). Resolves when that has ended;
   * an answer that is no upgrade goes out as `response`.
   */
  async upgrade(
    target: NodeTarget,
    request: IncomingMessage,
    response: ServerResponse,
    { socket, head }: RawConnection,
  ): Promise<void> {
    const { answer, stream } = await new Promise<{ answer: IncomingMessage; stream?: Duplex }>(
      (resolve, reject) => {
        const outgoing = this.#request(target, request, reject);
        outgoing.on('upgrade', (answer, stream, nodeHead) => {
          socket.write(renderHead(answer));
          socket.write(nodeHead);
          stream.write(head);
          resolve({ answer, stream });
        });
        outgoing.on('response', (answer) => resolve({ answer }));
        outgoing.end();
      },
    );
    if (!stream) return this.#relay(target, answer, response);
    response.statusCode = answer.statusCode ?? 101;
    response.detachSocket(request.socket);
    await this.#join(target, socket, stream);
  }

  #request(target: NodeTarget, request: IncomingMessage, reject: (error: Error) => void) {
    const { node, address, port } = target;
    const outgoing = httpsRequest({
      host: address,
      port,
      path: target.path,
      method: request.method ?? 'GET',
      headers: {
        ...passOn(request.headers),
        host: isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`,
      },
      ca: this.#ca,
      cert: this.#client.certificate,
      key: this.#client.key,
      agent: false,
    });
    const timer = setTimeout(() => outgoing.destroy(new Error('no connection in time')), connectTimeoutMs);
    outgoing.on('socket', (socket) => {
      socket.setNoDelay(true);
      socket.once('secureConnect', () => clearTimeout(timer));
    });
    outgoing.on('close', () => clearTimeout(timer));
    outgoing.on('error', (error) => {
      reject(serviceUnavailable(`error dialing node ${node} at ${address}:${port}: ${error.message}`, error));
    });
    return outgoing;
  }

  /** Both directions, each as fast as its reader takes it; the failure of one ends both. */
  async #join(target: NodeTarget, client: Duplex, node: Duplex): Promise<void> {
    const ends = await Promise.allSettled([finished(client, node), finished(node, client)]);
    for (const end of ends) {
      if (end.status === 'rejected')
        this.#log.debug({ err: end.reason as unknown, node: target.node }, 'stream ended early');
    }
  }
}

function passOn(headers: IncomingMessage['headers']): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !ownHeaders.has(name)));
}

function renderHead(answer: IncomingMessage): string {
  const lines = [`HTTP/1.1 ${answer.statusCode ?? 101} ${answer.statusMessage ?? 'Switching Protocols'}`];
  for (let i = 0; i + 1 < answer.rawHeaders.length; i += 2) {
    lines.push(`${answer.rawHeaders[i] ?? ''}: ${answer.rawHeaders[i + 1] ?? ''}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}
