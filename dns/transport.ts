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
  /** Told after each batch, where the transport has batches, whether more datagrams wait already. */
  readonly onBatch?: (waits: boolean) => void;
}

/** A bound UDP socket, however it is read. The agent's reads many datagrams with one syscall. */
export interface DatagramTransport {
  /** Serves until {@link close}. */
  start(handlers: DatagramHandlers): void;
  close(): void | Promise<void>;
}

/** Sockets that somebody else has bound to an address. */
export interface BoundSockets {
  readonly udp: DatagramTransport;
  /** The fd of a listening TCP socket, which is the server's from now on: it is closed with it. */
  readonly tcp: number;
}
