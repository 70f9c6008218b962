import { once } from 'node:events';
import { createServer, isIPv6, type AddressInfo, type Server, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { addressBytes } from './names.ts';
import type { Responder } from './responder.ts';
import { TcpConnections, type Connection } from './tcp-connections.ts';
import { MAX_MESSAGE_BYTES } from './wire.ts';

export interface TcpLimits {
  readonly maxConnections: number;
  readonly idleTimeoutMs: number;
  readonly onError: (error: unknown) => void;
  /** Told of each connection that was closed because of these limits, and why. */
  readonly onRefused: (reason: 'connections' | 'length') => void;
}

/** Queries of one connection that wait for their answers; more are not read before one is answered. */
const MAX_PENDING = 100;
/** Answers that a client does not read; more queries are not read before it does. */
const MAX_UNREAD_BYTES = 4 * MAX_MESSAGE_BYTES;
/** No question comes near it, with all its options; who announces more wants our memory, not an answer. */
const MAX_QUERY_BYTES = 4096;
/** Queries in one turn of the event loop, of all connections: UDP, timers and zone changes have their turns between. */
const QUERIES_PER_TURN = 128;
/** One connection's part of them, before it is the next one's turn. */
const QUERIES_IN_A_ROW = 4;

/** Serves DNS on one TCP port: pipelined queries, answers as they come (RFC 7766 section 6.2.1.1). */
export class TcpListener {
  readonly #responder: Responder;
  readonly #limits: TcpLimits;
  readonly #server: Server;
  readonly #connections: TcpConnections;
  /** Connections that have been read from and wait for their turn. */
  readonly #queue = new Set<Connection>();
  #turn: NodeJS.Immediate | undefined;
  /** Length and message, as they go out. */
  readonly #out = Buffer.allocUnsafeSlow(2 + MAX_MESSAGE_BYTES);
  #finishing = false;

  constructor(responder: Responder, limits: TcpLimits) {
    this.#responder = responder;
    this.#limits = limits;
    this.#connections = new TcpConnections({
      ...limits,
      onCrowded: () => limits.onRefused('connections'),
    });
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

  /**
   * Accepts no more connections, and resolves when all that there are have ended: each ends when its questions are
   * answered. Clients of a connection that is closed while they ask, ask again (RFC 7766 section 6.2.4).
   */
  async finish(): Promise<void> {
    // What has come already is accepted and read first.
    await nextTurn();
    await nextTurn();
    this.#finishing = true;
    const ended = [...this.#connections].map(({ socket }) => once(socket, 'close'));
    if (this.#server.listening) this.#server.close();
    for (const connection of this.#connections) this.#enqueue(connection);
    await Promise.all(ended);
  }

  async close(): Promise<void> {
    clearImmediate(this.#turn);
    this.#queue.clear();
    this.#connections.close();
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  #accept(socket: Socket): void {
    // A client that resets its connection is its own affair.
    socket.on('error', () => socket.destroy());
    const client = addressBytes(socket.remoteAddress ?? '');
    // Gone before we got to it.
    if (client === undefined) {
      socket.destroy();
      return;
    }
    const connection = this.#connections.add(socket, Buffer.from(client, 'latin1'));
    socket.on('close', () => {
      this.#queue.delete(connection);
      this.#connections.remove(connection);
    });
    socket.on('data', (bytes) => {
      connection.frames.push(bytes);
      this.#enqueue(connection);
    });
    socket.on('drain', () => this.#enqueue(connection));
    socket.on('end', () => {
      connection.ended = true;
      this.#enqueue(connection);
    });
  }

  #enqueue(connection: Connection): void {
    if (connection.socket.destroyed) return;
    // Nothing more is read before this is answered: what waits has its place in the client's memory.
    connection.socket.pause();
    this.#queue.add(connection);
    this.#turn ??= setImmediate(() => this.#serve());
  }

  /** One after the other a few queries each, until all are answered or the turn is over. */
  #serve(): void {
    this.#turn = undefined;
    let left = QUERIES_PER_TURN;
    for (const connection of this.#queue) {
      if (left <= 0) break;
      this.#queue.delete(connection);
      const row = Math.min(left, QUERIES_IN_A_ROW);
      const asked = this.#answerSome(connection, row);
      left -= asked;
      // A set is walked in the order of additions: it comes again after the others.
      if (asked === row) this.#queue.add(connection);
    }
    if (this.#queue.size > 0) this.#turn = setImmediate(() => this.#serve());
  }

  /** Answers whole queries that have arrived, as far as the limits allow; reads on when there are no more. */
  #answerSome(connection: Connection, most: number): number {
    const { socket, frames } = connection;
    for (let asked = 0; asked < most; asked += 1) {
      const busy = connection.pending >= MAX_PENDING || socket.writableLength >= MAX_UNREAD_BYTES;
      if (socket.destroyed || busy) return asked;
      if (frames.announced > MAX_QUERY_BYTES) {
        this.#limits.onRefused('length');
        socket.destroy();
        return asked;
      }
      const packet = frames.next();
      if (!packet) {
        if ((connection.ended || this.#finishing) && connection.pending === 0) socket.end();
        else socket.resume();
        return asked;
      }
      this.#connections.touch(connection);
      this.#answer(connection, packet);
    }
    return most;
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
    const sent = this.#sendAll(connection, answer instanceof Promise ? [answer] : answer);
    void sent.then(() => {
      connection.pending -= 1;
      if (!socket.destroyed) this.#enqueue(connection);
    });
  }

  /** Messages that follow each other, each when the client has read those before; a part of them is worth nothing. */
  async #sendAll(
    connection: Connection,
    messages: AsyncIterable<Uint8Array> | Promise<Uint8Array>[],
  ): Promise<void> {
    const { socket } = connection;
    try {
      for await (const bytes of messages) {
        if (socket.destroyed) return;
        if (!socket.write(framed(bytes))) await drained(socket);
        // Who reads on is not idle, however long the whole takes.
        this.#connections.touch(connection);
      }
    } catch (error) {
      this.#limits.onError(error);
      socket.destroy();
    }
  }
}

/** Resolves when the client has read what waits for it, or is gone. */
function drained(socket: Socket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const done = (): void => {
    socket.off('drain', done);
    socket.off('close', done);
    resolve(undefined);
  };
  socket.on('drain', done);
  socket.on('close', done);
  return promise;
}

/** A message with its length before it (RFC 1035 section 4.2.2). */
function framed(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
