import type { IncomingMessage } from 'node:http';
import { Readable, Writable } from 'node:stream';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { RawData, WebSocket } from 'ws';
import type { Status } from '../../api/kinds/meta.ts';
import { SizeParser } from './channels.ts';
import type { Channels, WantedChannels } from './channels.ts';
import { guardConnection, offeredProtocols, shakeHands } from './websocket-handshake.ts';

/** The first byte of each message (k8s.io/apimachinery remotecommand constants). */
const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

/** Newest first: v5 adds the end of stdin to v4. */
const protocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'] as const;

const server = new WebSocketServer({
  noServer: true,
  // Clients send stdin in pieces of some 32 KB.
  maxPayload: 16 * 1024 * 1024,
  perMessageDeflate: false,
  handleProtocols: (offered) => protocols.find((protocol) => offered.has(protocol)) ?? false,
});

/** Whether the client offers a protocol of ours, by its Sec-WebSocket-Protocol header. */
export function offersChannels(request: IncomingMessage): boolean {
  const offered = offeredProtocols(request);
  return protocols.some((protocol) => offered.includes(protocol));
}

/** Answers the handshake; the channels are ready when this resolves. */
export async function acceptWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  wanted: WantedChannels,
): Promise<Channels> {
  return new WebSocketChannels(await shakeHands(server, request, socket, head), wanted);
}

class WebSocketChannels implements Channels {
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
  readonly closed: Promise<void>;
  readonly #webSocket: WebSocket;
  readonly #sizes = new SizeParser();
  #stdinEnded = false;
  #resize: ((columns: number, rows: number) => void) | undefined;

  constructor(webSocket: WebSocket, wanted: WantedChannels) {
    this.#webSocket = webSocket;
    this.stdin = wanted.stdin ? new Readable({ read: () => webSocket.resume() }) : undefined;
    this.stdout = wanted.stdout ? this.#output(channel.stdout) : undefined;
    this.stderr = wanted.stderr && !wanted.tty ? this.#output(channel.stderr) : undefined;
    webSocket.on('message', (data: RawData) => {
      this.#take(data as Buffer);
    });
    guardConnection(webSocket);
    this.closed = new Promise((resolve) => {
      webSocket.once('close', () => {
        for (const stream of [this.stdin, this.stdout, this.stderr]) stream?.destroy();
        resolve();
      });
    });
    // An empty message tells the client that the streams stand (kubelet does so, too).
    if (this.stdout) webSocket.send(Buffer.from([channel.stdout]));
  }

  onResize(listener: (columns: number, rows: number) => void): void {
    this.#resize = listener;
  }

  finish(status: Status): void {
    this.#webSocket.send(Buffer.concat([Buffer.from([channel.error]), Buffer.from(JSON.stringify(status))]));
    // The client's own close frame must be read even if nobody reads its stdin any more.
    this.stdin?.resume();
    this.#webSocket.resume();
    this.#webSocket.close(1000);
  }

  #output(number: number): Writable {
    const first = Buffer.from([number]);
    return new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        // `done` comes when the kernel has taken the bytes: that is the back-pressure.
        this.#webSocket.send(Buffer.concat([first, chunk]), (error) => done(error ?? null));
      },
    }).on('error', () => {
      this.#webSocket.terminate();
    });
  }

  #take(message: Buffer): void {
    const body = message.subarray(1);
    switch (message[0]) {
      case channel.stdin:
        // A client that goes on after the end of its stdin is not heard.
        if (this.#stdinEnded || body.length === 0) return;
        if (this.stdin?.push(body) === false) this.#webSocket.pause();
        return;
      case channel.resize:
        for (const { columns, rows } of this.#sizes.push(body.toString())) this.#resize?.(columns, rows);
        return;
      case channel.close:
        if (body[0] !== channel.stdin) return;
        this.#stdinEnded = true;
        this.stdin?.push(null);
        return;
      default:
        // Clients write to no other channel; upstream ignores it as well.
        return;
    }
  }
}
