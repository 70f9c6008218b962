import { request } from 'node:https';
import type { Duplex } from 'node:stream';
import {
  SpdyFrameParser,
  encodeControl,
  encodeDataHeader,
  encodeWords,
  frameType,
} from '../../../agent/streams/spdy-frames.ts';
import { SpdyHeaderCodec } from '../../../agent/streams/spdy-headers.ts';
import type { NodeFixture } from './fixture.ts';

/** A client's side of remotecommand over SPDY/3.1, with only what the tests need. */
export class SpdyClient {
  readonly #socket: Duplex;
  readonly #codec = new SpdyHeaderCodec();
  readonly #types = new Map<number, string>();
  /** What came per stream type. */
  readonly received = new Map<string, Buffer[]>();
  /** Stream types the server has ended. */
  readonly ended = new Set<string>();
  readonly replies: number[] = [];
  readonly pongs: number[] = [];
  readonly resets: number[] = [];
  readonly closed: Promise<void>;
  #nextId = 1;

  constructor(socket: Duplex) {
    this.#socket = socket;
    this.closed = this.#read();
  }

  /** The upgrade; rejects with the status line's code and body when it is refused. */
  static connect(node: NodeFixture, path: string, protocol = 'v4.channel.k8s.io'): Promise<SpdyClient> {
    return new Promise((resolve, reject) => {
      const outgoing = request({
        host: node.host,
        port: node.port,
        path,
        method: 'POST',
        ca: node.ca,
        cert: node.master.certificate,
        key: node.master.key,
        headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': protocol },
      });
      outgoing.on('upgrade', (_response, socket, head) => {
        if (head.length > 0) socket.unshift(head);
        resolve(new SpdyClient(socket));
      });
      outgoing.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          reject(new Error(`${response.statusCode ?? 0} ${Buffer.concat(chunks).toString()}`));
        });
      });
      outgoing.on('error', reject);
      outgoing.end();
    });
  }

  /** Opens streams of these types; returns their ids. */
  open(...types: string[]): Promise<number[]> {
    return this.openAll(types.map((streamtype) => ({ streamtype })));
  }

  /** Opens streams with these headers; returns their ids. */
  async openAll(streams: readonly Readonly<Record<string, string>>[]): Promise<number[]> {
    const ids: number[] = [];
    for (const stream of streams) {
      const id = this.#nextId;
      this.#nextId += 2;
      this.#types.set(id, stream['streamtype'] ?? '');
      const head = Buffer.alloc(10);
      head.writeUInt32BE(id, 0);
      const headers = await this.#codec.encode(new Map(Object.entries(stream)));
      this.#socket.write(encodeControl(frameType.synStream, 0, Buffer.concat([head, headers])));
      ids.push(id);
    }
    return ids;
  }

  /** Resolves when the socket takes more. */
  send(id: number, data: Buffer, fin = false): Promise<void> {
    this.#socket.write(encodeDataHeader(id, fin, data.length));
    return new Promise((resolve) =>
      this.#socket.write(data, () => {
        resolve();
      }),
    );
  }

  control(type: number, ...words: number[]): void {
    this.#socket.write(encodeWords(type, ...words));
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  text(type: string): string {
    return Buffer.concat(this.received.get(type) ?? []).toString();
  }

  close(): void {
    this.#socket.destroy();
  }

  async #read(): Promise<void> {
    const parser = new SpdyFrameParser();
    try {
      for await (const chunk of this.#socket as AsyncIterable<Buffer>) {
        for (const frame of parser.push(chunk)) {
          if (frame.kind === 'data') {
            const type = this.#types.get(frame.streamId) ?? String(frame.streamId);
            this.received.set(type, [...(this.received.get(type) ?? []), frame.data]);
            if (frame.fin) this.ended.add(type);
          } else if (frame.type === frameType.synReply) this.replies.push(frame.body.readUInt32BE(0));
          else if (frame.type === frameType.ping) this.pongs.push(frame.body.readUInt32BE(0));
          else if (frame.type === frameType.rstStream) this.resets.push(frame.body.readUInt32BE(0));
        }
      }
    } catch {
      // The test closes the socket in the middle of things.
    }
    this.#codec.close();
  }
}
