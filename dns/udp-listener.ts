import type { ClientRates } from './client-rates.ts';
import type { Responder } from './responder.ts';
import type { Datagram, DatagramTransport, Finish } from './transport.ts';

export interface UdpLimits {
  readonly rates: ClientRates;
  readonly onError: (error: unknown) => void;
  /** Told of each query that gets no answer because of these limits, and why. */
  readonly onRefused: (reason: 'rate' | 'port') => void;
}

/**
 * Ports that no resolver asks from. To 0 nothing can be sent; behind the others are services that answer whatever they
 * are sent (echo, daytime, qotd, chargen, time), and with a forged question we would go on talking to them for ever.
 * Other DNS servers are no danger: they ask from 53 at times, and answers are never answered.
 */
const noClients: ReadonlySet<number> = new Set([0, 7, 13, 17, 19, 37]);

/** Serves DNS on one UDP socket. */
export class UdpListener {
  readonly #responder: Responder;
  readonly #transport: DatagramTransport;
  readonly #limits: UdpLimits;
  /** Answers that are waited for. */
  readonly #pending = new Set<Promise<void>>();

  constructor(responder: Responder, transport: DatagramTransport, limits: UdpLimits) {
    this.#responder = responder;
    this.#transport = transport;
    this.#limits = limits;
    limits.rates.catchUp();
    transport.start({
      onDatagram: (datagram) => this.#answer(datagram),
      onError: limits.onError,
      onBatch: (waits) => limits.rates.noteWaiting(waits),
    });
  }

  /** Takes no more questions, and resolves when those that were taken are answered; see {@link Finish}. */
  async finish(how: Finish): Promise<void> {
    this.#limits.rates.catchUp();
    await (how === 'drain' ? this.#transport.drain() : this.#transport.pause());
    await Promise.all(this.#pending);
  }

  async close(): Promise<void> {
    await this.#transport.close();
  }

  #answer(datagram: Datagram): number {
    const { message, address, out } = datagram;
    // Before anything else: refusing a flood must cost next to nothing.
    if (!this.#limits.rates.admits(address)) return this.#refuse('rate');
    if (noClients.has(datagram.port)) return this.#refuse('port');
    const answer = this.#responder.respond(message, 'udp', address, out);
    if (typeof answer === 'number') return answer;
    const sent = answer.then(datagram.later()).then(() => {
      this.#pending.delete(sent);
    });
    this.#pending.add(sent);
    return 0;
  }

  #refuse(reason: 'rate' | 'port'): 0 {
    this.#limits.onRefused(reason);
    return 0;
  }
}
