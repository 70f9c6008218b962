import type { Query } from './question.ts';

/**
 * Answers queries. It knows nothing of sockets.
 *
 * Either writes the whole message into `out` at once and returns its length (0: not answered here, ask the
 * next handler), or returns a promise of a message of its own, or, to a query over TCP, messages that follow each
 * other (a zone transfer). `query` and `out` belong to the caller and are used again as soon as the call returns:
 * whoever answers later takes a copy with `copyQuery`. A throw or a rejection is answered with SERVFAIL.
 */
export type Handler = (query: Query, out: Buffer) => number | Promise<Uint8Array> | AsyncIterable<Uint8Array>;

/** One finished exchange, as metrics and the query log want it. */
export interface Exchange {
  readonly protocol: 'udp' | 'tcp';
  readonly family: 4 | 6;
  /** The question; undefined where the message could not be read. */
  readonly query: Query | undefined;
  /** Bytes of the query and of its answer; an answer of 0 bytes was silence. */
  readonly queryBytes: number;
  readonly answerBytes: number;
  /** The header's response code. */
  readonly rcode: number;
  readonly seconds: number;
}
