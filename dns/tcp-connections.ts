import type { Socket } from 'node:net';
import { clientKey, FairShare } from './fair-share.ts';
import { FrameReader } from './frame-reader.ts';

export interface Connection {
  readonly socket: Socket;
  /** The client's address, 4 or 16 bytes, and the same as a key. */
  readonly client: Uint8Array;
  readonly key: string;
  readonly frames: FrameReader;
  /** Queries whose answers are waited for. */
  pending: number;
  /** Whether the client has sent all it will. */
  ended: boolean;
  /**
   * When its last query was complete, or a part of the answer read; before the first, when it was opened. In
   * milliseconds of a steady clock.
   */
  usedAt: number;
}

export interface ConnectionLimits {
  /** Connections of all clients together. */
  readonly maxConnections: number;
  /** A connection without a whole query for so long is closed, whatever else it sends, unless it reads an answer. */
  readonly idleTimeoutMs: number;
  /** Told when a connection has to make room for another one. */
  readonly onCrowded: () => void;
}

/** The open connections of one port. A client that opens too many loses its own, not those of the others. */
export class TcpConnections {
  readonly #limits: ConnectionLimits;
  readonly #shares: FairShare;
  /** In the order of their last use, the longest ago first. */
  readonly #all = new Set<Connection>();
  readonly #byClient = new Map<string, Set<Connection>>();
  readonly #sweep: NodeJS.Timeout;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
    this.#shares = new FairShare(limits.maxConnections);
    // One timer for all of them; who is silent may stay a quarter longer.
    this.#sweep = setInterval(() => this.#closeIdle(), Math.ceil(limits.idleTimeoutMs / 4));
    this.#sweep.unref();
  }

  /** Takes a connection in; where there is no room for it, one of the same client ends, else one of whoever has most. */
  add(socket: Socket, client: Uint8Array): Connection {
    const key = clientKey(client);
    while (!this.#shares.enter(key)) this.#makeRoom(key);
    const usedAt = performance.now();
    const connection = { socket, client, key, frames: new FrameReader(), pending: 0, ended: false, usedAt };
    this.#append(connection);
    return connection;
  }

  /** Notes that it asks or reads. */
  touch(connection: Connection): void {
    if (!this.#all.has(connection)) return;
    connection.usedAt = performance.now();
    this.#unlink(connection);
    this.#append(connection);
  }

  remove(connection: Connection): void {
    if (!this.#all.has(connection)) return;
    this.#unlink(connection);
    this.#shares.leave(connection.key);
  }

  /** All there are. */
  [Symbol.iterator](): Iterator<Connection> {
    return this.#all.values();
  }

  /** Closes all. */
  close(): void {
    clearInterval(this.#sweep);
    for (const connection of this.#all) this.#end(connection);
  }

  #append(connection: Connection): void {
    this.#all.add(connection);
    const own = this.#byClient.get(connection.key);
    if (own) own.add(connection);
    else this.#byClient.set(connection.key, new Set([connection]));
  }

  #unlink(connection: Connection): void {
    this.#all.delete(connection);
    const own = this.#byClient.get(connection.key);
    own?.delete(connection);
    if (own?.size === 0) this.#byClient.delete(connection.key);
  }

  #makeRoom(key: string): void {
    this.#limits.onCrowded();
    const crowd = this.#byClient.get(key) ?? this.#largest();
    const [oldest] = crowd;
    if (oldest) this.#end(oldest);
  }

  #largest(): Set<Connection> {
    let largest = new Set<Connection>();
    for (const own of this.#byClient.values()) if (own.size > largest.size) largest = own;
    return largest;
  }

  #end(connection: Connection): void {
    this.remove(connection);
    connection.socket.destroy();
  }

  #closeIdle(): void {
    const deadline = performance.now() - this.#limits.idleTimeoutMs;
    for (const connection of this.#all) {
      if (connection.usedAt > deadline) return;
      this.#end(connection);
    }
  }
}
