import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import type { Responder } from './responder.ts';
import { MAX_UDP_BYTES } from './wire.ts';

/** A burst of this many bytes waits in the kernel while JavaScript is busy. */
const RECEIVE_BUFFER_BYTES = 1 << 20;

/** Serves DNS on one UDP socket. */
export class UdpListener {
  readonly #responder: Responder;
  readonly #onError: (error: unknown) => void;
  #socket: Socket | undefined;
  /** The answer is written here and sent from here. */
  #out = Buffer.allocUnsafeSlow(MAX_UDP_BYTES);

  constructor(responder: Responder, onError: (error: unknown) => void) {
    this.#responder = responder;
    this.#onError = onError;
  }

  /** @throws the system's error, e.g. EADDRINUSE or EADDRNOTAVAIL. */
  async listen(host: string, port: number): Promise<void> {
    const six = isIPv6(host);
    const socket = createSocket({
      type: six ? 'udp6' : 'udp4',
      ipv6Only: six,
      recvBufferSize: RECEIVE_BUFFER_BYTES,
    });
    this.#socket = socket;
    socket.bind({ address: host, port, exclusive: true });
    await once(socket, 'listening');
    socket.on('error', this.#onError);
    socket.on('message', (packet: Buffer, client: RemoteInfo) => this.#answer(socket, packet, client));
  }

  async close(): Promise<void> {
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = undefined;
    const closed = once(socket, 'close');
    socket.close();
    await closed;
  }

  #answer(socket: Socket, packet: Buffer, client: RemoteInfo): void {
    const family = client.family === 'IPv6' ? 6 : 4;
    const answer = this.#responder.respond(packet, 'udp', family, this.#out);
    if (typeof answer === 'number') {
      if (answer > 0) this.#send(socket, this.#out.subarray(0, answer), client);
      // The kernel did not take it at once: the bytes now belong to the socket's queue.
      if (socket.getSendQueueCount() > 0) this.#out = Buffer.allocUnsafeSlow(MAX_UDP_BYTES);
      return;
    }
    void answer.then((bytes) => {
      if (this.#socket === socket) this.#send(socket, bytes, client);
    });
  }

  #send(socket: Socket, bytes: Uint8Array, { address, port }: RemoteInfo): void {
    socket.send(bytes, port, address, (error) => {
      if (error) this.#onError(error);
    });
  }
}
