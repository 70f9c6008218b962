import type { Responder } from './responder.ts';
import type { Datagram, DatagramTransport } from './transport.ts';

/** Serves DNS on one UDP socket. */
export class UdpListener {
  readonly #responder: Responder;
  readonly #transport: DatagramTransport;

  constructor(responder: Responder, transport: DatagramTransport, onError: (error: unknown) => void) {
    this.#responder = responder;
    this.#transport = transport;
    transport.start({ onDatagram: (datagram) => this.#answer(datagram), onError });
  }

  async close(): Promise<void> {
    await this.#transport.close();
  }

  #answer(datagram: Datagram): number {
    const { message, address, out } = datagram;
    const answer = this.#responder.respond(message, 'udp', address, out);
    if (typeof answer === 'number') return answer;
    void answer.then(datagram.later());
    return 0;
  }
}
