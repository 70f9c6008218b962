import { once } from 'node:events';
import { createServer, isIPv6, type AddressInfo, type Server, type Socket } from 'node:net';
import { FrameReader } from './frame-reader.ts';
import { addressBytes } from './names.ts';
import type { Responder } from './responder.ts';
import { MAX_MESSAGE_BYTES } from './wire.ts';

export interface TcpLimits {
  readonly maxConnections: number;
  readonly idleTimeoutMs: number;
  readonly onError: (error: unknown) => void;
}

/** Queries of one connection that wait for their answers; more are not read before one is answered. */
const MAX_PENDING = 100;
/** Answers that a client does not read; more queries are not read before it does. */
const MAX_UNREAD_BYTES = 4 * MAX_MESSAGE_BYTES;

/** Serves DNS on one TCP port: pipelined queries, answers as they come (RFC 7766 section 6.2.1.1). */
export class TcpListener {
  readonly #responder: Responder;
  readonly #limits: TcpLimits;
  readonly #server: Server;
  /** In the order of their last queries. */
  readonly #connections = new Set<Connection>();
  /** Length and message, as they go out. */
  readonly #out = Buffer.allocUnsafeSlow(2 + MAX_MESSAGE_BYTES);

  constructor(responder: Responder, limits: TcpLimits) {
    this.#responder = responder;
    this.#limits = limits;
    // Half-open: a client that is done asking still gets the answers it waits for.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
  }

  /**
   * Listens on an address, or on a socket that does already and is closed with this server. Returns the port.
   * @throws the system's error, e.g. EADDRINUSE or EADDRNOTAVAIL.
   */
  async listen(
    on: { readonly host: string; readonly port: number } | { readonly fd: number },
  ): Promise<number> {
    if ('fd' in on) this.#server.listen({ fd: on.fd });
    else this.#server.listen({ host: on.host, port: on.port, ipv6Only: isIPv6(on.host), exclusive: true });
    await once(this.#server, 'listening');
    this.#server.on('error', this.#limits.onError);
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.socket.destroy();
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  #accept(socket: Socket): void {
    const [oldest] = this.#connections;
    if (oldest && this.#connections.size >= this.#limits.maxConnections) oldest.socket.destroy();
    const connection: Connection = {
      socket,
      client: Buffer.from(addressBytes(socket.remoteAddress ?? '') ?? '', 'latin1'),
      frames: new FrameReader(),
      pending: 0,
      ended: false,
    };
    this.#connections.add(connection);
    socket.setTimeout(this.#limits.idleTimeoutMs, () => socket.destroy());
    // A client that resets its connection is its own affair.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#connections.delete(connection));
    socket.on('data', (bytes) => {
      connection.frames.push(bytes);
      this.#serve(connection);
    });
    socket.on('drain', () => this.#serve(connection));
    socket.on('end', () => {
      connection.ended = true;
      this.#serve(connection);
    });
  }

  /** Answers the whole queries that have arrived, as far as the limits allow; reads on when it has. */
  #serve(connection: Connection): void {
    const { socket, frames } = connection;
    while (
      !socket.destroyed &&
      connection.pending < MAX_PENDING &&
      socket.writableLength < MAX_UNREAD_BYTES
    ) {
      const packet = frames.next();
      if (!packet) {
        if (connection.ended && connection.pending === 0) socket.end();
        else socket.resume();
        return;
      }
      this.#connections.delete(connection);
      this.#connections.add(connection);
      this.#answer(connection, packet);
    }
    socket.pause();
  }

  #answer(connection: Connection, packet: Buffer): void {
    const { socket, client } = connection;
    const answer = this.#responder.respond(packet, 'tcp', client, this.#out.subarray(2));
    if (typeof answer === 'number') {
      this.#out.writeUInt16BE(answer, 0);
      if (answer > 0) socket.write(Buffer.copyBytesFrom(this.#out, 0, 2 + answer));
      return;
    }
    connection.pending += 1;
    void answer.then((bytes) => {
      connection.pending -= 1;
      if (socket.destroyed) return;
      const length = Buffer.alloc(2);
      length.writeUInt16BE(bytes.length);
      socket.write(Buffer.concat([length, bytes]));
      this.#serve(connection);
    });
  }
}

interface Connection {
  readonly socket: Socket;
  /** The client's address, 4 or 16 bytes. */
  readonly client: Uint8Array;
  readonly frames: FrameReader;
  /** Queries whose answers are waited for. */
  pending: number;
  /** Whether the client has sent all it will. */
  ended: boolean;
}
