import { PassThrough, pipeline as join } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import type { DialPort, PodRef } from './pod-streams.ts';
import { describeFailure } from './forwarded-port.ts';
import { guardConnection } from './websocket-handshake.ts';

/**
 * Serves port-forward in plain WebSocket messages, as the client libraries speak it: port number n of the request
 * has channel 2n for its data and 2n + 1 for what went wrong, and each begins with its port in two bytes. There is
 * one connection per port, and its end is the end of both directions. Resolves when all are done or the client is
 * gone. Source: k8s.io/kubelet pkg/cri/streaming/portforward/websocket.go.
 */
export async function forwardOverMessages(
  webSocket: WebSocket,
  pod: PodRef,
  ports: readonly number[],
  dial: DialPort,
): Promise<void> {
  guardConnection(webSocket);
  const closed = new Promise<void>((resolve) => webSocket.once('close', () => resolve()));
  const channels = ports.map((port, index) => new PortChannel(webSocket, port, 2 * index));
  webSocket.on('message', (message: RawData) => {
    const bytes = message as Buffer;
    const number = bytes[0] ?? 0;
    // Clients write to no error channel; upstream ignores it as well.
    if (number % 2 === 0) channels[number / 2]?.take(bytes.subarray(1));
    const isFull = channels.some(({ input }) => input.writableNeedDrain);
    if (isFull) webSocket.pause();
  });
  for (const { input } of channels) {
    const look = (): void => {
      if (!channels.some(({ input }) => input.writableNeedDrain)) webSocket.resume();
    };
    input.on('drain', look).on('close', look);
  }
  void closed.then(() => {
    for (const { input } of channels) input.destroy();
  });
  await Promise.all(channels.map((channel) => channel.serve(pod, dial)));
  webSocket.close(1000);
  await closed;
}

/** One forwarded port's connection. */
class PortChannel {
  /** What the client sends to the port; it waits here until there is a connection. */
  readonly input = new PassThrough();
  readonly #webSocket: WebSocket;
  readonly #port: number;
  readonly #channel: number;

  constructor(webSocket: WebSocket, port: number, channel: number) {
    this.#webSocket = webSocket;
    this.#port = port;
    this.#channel = channel;
  }

  take(data: Buffer): void {
    if (!this.input.destroyed && data.length > 0) this.input.write(data);
  }

  /** Connects and sends what comes until one side ends. Never rejects. */
  async serve(pod: PodRef, dial: DialPort): Promise<void> {
    const port = Buffer.alloc(2);
    port.writeUInt16LE(this.#port);
    await this.#send(0, port);
    await this.#send(1, port);
    try {
      const connection = await dial(this.#port);
      // Either's end or break ends both; the loop below sees it.
      join(this.input, connection, () => connection.destroy());
      await this.#relay(connection);
    } catch (error) {
      await this.#send(1, Buffer.from(describeFailure(pod, this.#port, error)));
    } finally {
      this.input.destroy();
    }
  }

  async #relay(connection: AsyncIterable<unknown>): Promise<void> {
    try {
      for await (const chunk of connection) await this.#send(0, chunk as Buffer);
    } catch {
      // A connection that broke is an end like any other: the protocol knows only one.
    }
  }

  #send(offset: number, data: Buffer): Promise<void> {
    // Resolves when the kernel has taken the bytes: that is the back-pressure. 'close' tells of a failure.
    return new Promise((resolve) => {
      this.#webSocket.send(Buffer.concat([Buffer.from([this.#channel + offset]), data]), () => resolve());
    });
  }
}
