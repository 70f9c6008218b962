import { Duplex } from 'node:stream';
import {
  SpdyFrameParser,
  encodeControl,
  encodeDataHeader,
  encodeWords,
  flagFin,
  frameType,
  resetStatus,
} from './spdy-frames.ts';
import type { SpdyFrame } from './spdy-frames.ts';
import { SpdyHeaderCodec } from './spdy-headers.ts';
import type { SpdyHeaders } from './spdy-headers.ts';
import { StreamError } from './stream-error.ts';

type Done = (error?: Error | null) => void;

/** One stream of a connection. Ending the writable side sends FIN; destroying it early sends RST_STREAM. */
export class SpdyStream extends Duplex {
  readonly id: number;
  readonly headers: SpdyHeaders;
  readonly #connection: SpdyConnection;
  #wanted: (() => void) | undefined;
  #ended = false;

  constructor(connection: SpdyConnection, id: number, headers: SpdyHeaders) {
    super({ allowHalfOpen: true });
    this.#connection = connection;
    this.id = id;
    this.headers = headers;
  }

  /** Hands in what the peer sent; resolves when the reader wants more. */
  receive(data: Buffer): Promise<void> | undefined {
    // A peer that goes on after its end is not heard.
    if (this.destroyed || this.#ended || this.push(data)) return undefined;
    return new Promise((resolve) => {
      this.#wanted = resolve;
    });
  }

  /** The peer has ended its direction. */
  receiveEnd(): void {
    if (!this.destroyed && !this.#ended) this.push(null);
    this.#ended = true;
  }

  override _read(): void {
    this.#wanted?.();
    this.#wanted = undefined;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#connection.sendData(this.id, chunk, false, done);
  }

  override _final(done: Done): void {
    this.#connection.sendData(this.id, Buffer.alloc(0), true, done);
  }

  override _destroy(error: Error | null, done: Done): void {
    this._read();
    this.#connection.forget(this, this.writableFinished);
    done(error);
  }
}

export interface SpdyConnectionOptions {
  /** Called for each stream the peer opens, after the reply to it was sent. */
  readonly onStream: (stream: SpdyStream) => void;
  /** A PING this often notices a dead peer also while reading is paused. Default 30,000. */
  readonly pingMs?: number;
  /** A peer that asks for more answers than this without reading them is not read either. Default 8 MB. */
  readonly maxUnreadBytes?: number;
}

/** More open streams at a time are refused: each costs memory, and a port-forward one socket for every two. */
const maxStreams = 2_000;

/**
 * The server's side of a SPDY/3.1 connection, as moby/spdystream (Go's clients) uses it: streams are opened by
 * the peer only. Neither side keeps windows: spdystream ignores them, so a slow reader of one stream pauses the
 * socket, and a slow peer pauses our writers through the socket.
 */
export class SpdyConnection {
  readonly #socket: Duplex;
  readonly #options: SpdyConnectionOptions;
  readonly #codec = new SpdyHeaderCodec();
  readonly #streams = new Map<number, SpdyStream>();
  #lastStreamId = 0;
  #pingId = 2;

  constructor(socket: Duplex, options: SpdyConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
  }

  /** Serves the connection until the peer or {@link destroy} ends it. Throws StreamError when the peer breaks the protocol. */
  async run(): Promise<void> {
    const parser = new SpdyFrameParser();
    const maxUnreadBytes = this.#options.maxUnreadBytes ?? 8 * 1024 * 1024;
    const ping = setInterval(() => {
      this.#ping();
    }, this.#options.pingMs ?? 30_000);
    // A reader that stands still must not keep us from seeing the end.
    this.#socket.once('close', () => {
      this.destroy();
    });
    try {
      for await (const chunk of this.#socket as AsyncIterable<Buffer>) {
        for (const frame of parser.push(chunk)) await this.#take(frame);
        if (this.#socket.writableLength > maxUnreadBytes) await this.#drained();
      }
    } catch (error) {
      // A socket that broke is an end like any other; what the peer did wrong is worth telling.
      if (error instanceof StreamError) throw error;
    } finally {
      clearInterval(ping);
      this.destroy();
      this.#codec.close();
    }
  }

  /** Ends the connection and all its streams at once. */
  destroy(): void {
    this.#socket.destroy();
    for (const stream of this.#streams.values()) stream.destroy();
  }

  sendData(streamId: number, data: Buffer, fin: boolean, done: Done): void {
    if (this.#socket.destroyed) {
      done(new Error('connection is closed'));
      return;
    }
    this.#socket.cork();
    this.#socket.write(encodeDataHeader(streamId, fin, data.length), data.length === 0 ? done : undefined);
    if (data.length > 0) this.#socket.write(data, done);
    this.#socket.uncork();
  }

  /** A stream ended; unless both sides finished properly the peer is told. */
  forget(stream: SpdyStream, finished: boolean): void {
    if (!this.#streams.delete(stream.id) || finished || this.#socket.destroyed) return;
    this.#socket.write(encodeWords(frameType.rstStream, stream.id, resetStatus.cancel));
  }

  async #take(frame: SpdyFrame): Promise<void> {
    if (frame.kind === 'data') return this.#takeData(frame.streamId, frame.data, frame.fin);
    const { type, flags, body } = frame;
    switch (type) {
      case frameType.synStream:
        return this.#takeSynStream(flags, body);
      case frameType.headers:
        // Its block must be decoded even if nobody reads it: the next blocks build upon it.
        await this.#codec.decode(body.subarray(4));
        return;
      case frameType.rstStream:
        this.#streams.get(word(body, 0))?.destroy();
        return;
      case frameType.ping:
        // Odd numbers are the client's: they are sent back; even ones are the answers to ours.
        if (word(body, 0) % 2 === 1) this.#socket.write(encodeWords(frameType.ping, word(body, 0)));
        return;
      default:
        // SETTINGS and WINDOW_UPDATE have no meaning without windows; GOAWAY is followed by the socket's end.
        return;
    }
  }

  async #takeSynStream(flags: number, body: Buffer): Promise<void> {
    const id = word(body, 0);
    const headers = await this.#codec.decode(body.subarray(10));
    if (id % 2 === 0 || id <= this.#lastStreamId) {
      this.#socket.write(encodeWords(frameType.rstStream, id, resetStatus.protocolError));
      return;
    }
    this.#lastStreamId = id;
    if (this.#streams.size >= maxStreams) {
      this.#socket.write(encodeWords(frameType.rstStream, id, resetStatus.refusedStream));
      return;
    }
    const stream = new SpdyStream(this, id, headers);
    this.#streams.set(id, stream);
    // Errors of a stream are its end; whoever uses it watches for 'close'.
    stream.on('error', () => stream.destroy());
    const reply = Buffer.concat([body.subarray(0, 4), await this.#codec.encode(new Map())]);
    this.#socket.write(encodeControl(frameType.synReply, 0, reply));
    if ((flags & flagFin) !== 0) stream.receiveEnd();
    this.#options.onStream(stream);
  }

  async #takeData(streamId: number, data: Buffer, fin: boolean): Promise<void> {
    const stream = this.#streams.get(streamId);
    // Data may still be on its way when a stream is reset.
    if (!stream) return;
    if (data.length > 0) await stream.receive(data);
    if (fin) stream.receiveEnd();
  }

  #drained(): Promise<unknown> {
    return new Promise((resolve) => this.#socket.once('drain', resolve).once('close', resolve));
  }

  #ping(): void {
    this.#socket.write(encodeWords(frameType.ping, this.#pingId));
    this.#pingId += 2;
  }
}

function word(body: Buffer, offset: number): number {
  if (body.length < offset + 4) throw new StreamError(400, 'SPDY control frame is cut short');
  return body.readUInt32BE(offset) & 0x7fffffff;
}
