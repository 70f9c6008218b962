import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { addressBytes } from './names.ts';
import type { Datagram, DatagramHandlers, DatagramTransport } from './transport.ts';
import { MAX_UDP_BYTES } from './wire.ts';

/** A burst of this many bytes waits in the kernel while JavaScript is busy. */
const RECEIVE_BUFFER_BYTES = 1 << 20;

/** A UDP socket of Node's own, for whoever has nothing faster: two syscalls and some objects for each datagram. */
export class DgramTransport implements DatagramTransport {
  readonly #socket: Socket;
  readonly #out = Buffer.allocUnsafeSlow(MAX_UDP_BYTES);
  #open = true;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** @throws the system's error, e.g. EADDRINUSE or EADDRNOTAVAIL. */
  static async bind(host: string, port: number): Promise<DgramTransport> {
    const six = isIPv6(host);
    const socket = createSocket({
      type: six ? 'udp6' : 'udp4',
      ipv6Only: six,
      recvBufferSize: RECEIVE_BUFFER_BYTES,
    });
    socket.bind({ address: host, port, exclusive: true });
    await once(socket, 'listening');
    return new DgramTransport(socket);
  }

  start({ onDatagram, onError }: DatagramHandlers): void {
    this.#socket.on('error', onError);
    this.#socket.on('message', (packet: Buffer, client: RemoteInfo) => {
      const send = (answer: Uint8Array): void => {
        this.#socket.send(answer, client.port, client.address, (error) => {
          if (error) onError(error);
        });
      };
      const datagram: Datagram = {
        message: packet,
        out: this.#out,
        port: client.port,
        address: Buffer.from(addressBytes(client.address) ?? '', 'latin1'),
        later: () => (answer) => {
          if (this.#open) send(answer);
        },
      };
      const length = onDatagram(datagram);
      // The kernel may not take it at once: the bytes then wait in the socket's queue.
      if (length > 0) send(Buffer.copyBytesFrom(this.#out, 0, length));
    });
  }

  pause(): void {
    this.#socket.removeAllListeners('message');
  }

  /** Node reads all that waits in one turn of the event loop. */
  async drain(): Promise<void> {
    await setImmediate();
    await setImmediate();
    this.pause();
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
  }
}
