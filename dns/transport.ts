/** A datagram with a question in it; only valid during the call that hands it over. */
export interface Datagram {
  readonly message: Buffer;
  /** Where an answer that is given at once has to be written; may be the message's own place, with room behind it. */
  readonly out: Buffer;
  /** The client's address: 4 bytes, or 16. */
  readonly address: Uint8Array;
  readonly port: number;
  /** For an answer that has to be waited for: how to send it then. */
  later(): (answer: Uint8Array) => void;
}

export interface DatagramHandlers {
  /** Told of each datagram; returns how many bytes of `out` to send back now, 0 for none. Never throws. */
  readonly onDatagram: (datagram: Datagram) => number;
  /** Told of failures that no client hears of. */
  readonly onError: (error: unknown) => void;
  /** Told again and again, where the transport can tell, whether many more datagrams wait already: 10 ms of work. */
  readonly onBatch?: (waits: boolean) => void;
}

/**
 * How to take no more questions: `leave` those that wait in the sockets to whoever has them next, or `drain` the sockets,
 * which nothing new reaches any more.
 */
export type Finish = 'leave' | 'drain';

/** A bound UDP socket, however it is read. The agent's reads many datagrams with one syscall. */
export interface DatagramTransport {
  /** Serves until {@link close}. */
  start(handlers: DatagramHandlers): void;
  /** Hands over nothing that comes from now on; answers that are waited for can still be sent. */
  pause(): void | Promise<void>;
  /** Hands over what has come already, and then nothing more, as {@link pause}. */
  drain(): void | Promise<void>;
  close(): void | Promise<void>;
}

/** Sockets that somebody else has bound to an address. */
export interface BoundSockets {
  readonly udp: DatagramTransport;
  /** The fd of a listening TCP socket, which is the server's from now on: it is closed with it. */
  readonly tcp: number;
}
