import { appendNote, NOTE, takeNote } from './answer-note.ts';
import { writeError } from './answer.ts';
import { DnsError } from './dns-error.ts';
import type { Exchange, Handler } from './handler.ts';
import { copyQuery, createQuery, parseQuery, refusals, type Protocol, type Query } from './question.ts';
import { FLAG, RCODE } from './wire.ts';

export interface ResponderOptions {
  readonly handler: Handler;
  /** What this server calls itself, for who asks (RFC 5001). */
  readonly serverName?: string | undefined;
  readonly observe?: ((exchange: Exchange) => void) | undefined;
  readonly onError?: ((error: unknown) => void) | undefined;
}

const noAnswer = new Uint8Array(0);
/** Room for an error: header, the longest question, OPT. */
const ERROR_BYTES = 12 + 255 + 4 + 11;
/** A server's name, a sentence, and their heads. */
const NOTE_BYTES = 512;

/** From a message's bytes to its answer's bytes, whatever they travel in. Never throws. */
export class Responder {
  readonly #options: ResponderOptions;
  /** Filled anew for each message. */
  readonly #query: Query = createQuery();

  constructor(options: ResponderOptions) {
    this.#options = options;
  }

  respond(packet: Buffer, protocol: 'udp', client: Uint8Array, out: Buffer): number | Promise<Uint8Array>;
  respond(
    packet: Buffer,
    protocol: Protocol,
    client: Uint8Array,
    out: Buffer,
  ): number | Promise<Uint8Array> | AsyncIterable<Uint8Array>;
  /**
   * Answers one message: writes into `out` and returns the length, 0 for silence; or returns a promise, never
   * rejected, of an answer that has to be waited for; or, over TCP, messages that follow each other. `client` is the
   * address of whoever asks, 4 or 16 bytes. All may be used again after the call; `out` may be longer memory that
   * starts with `packet`.
   */
  respond(
    packet: Buffer,
    protocol: Protocol,
    client: Uint8Array,
    out: Buffer,
  ): number | Promise<Uint8Array> | AsyncIterable<Uint8Array> {
    const startedAt = performance.now();
    const query = this.#query;
    query.client = client;
    const family = client.length === 4 ? 4 : 6;
    const verdict = parseQuery(packet, protocol, query);
    if (verdict === 'drop') {
      this.#observe(undefined, packet.length, protocol, family, out, 0, startedAt);
      return 0;
    }
    if (verdict !== 'query') {
      const length = writeError(query, refusals[verdict], 0, out);
      this.#observe(undefined, packet.length, protocol, family, out, length, startedAt);
      return length;
    }
    const result = this.#ask(query, out);
    if (typeof result === 'number') {
      const length = query.note ? this.#sign(query, out, result) : result;
      this.#observe(query, packet.length, protocol, family, out, length, startedAt);
      return length;
    }
    const kept = copyQuery(query);
    if (!(result instanceof Promise)) return this.#observeEach(result, kept, protocol, family, startedAt);
    return result
      .catch((error: unknown) => {
        this.#options.onError?.(error);
        const failure = Buffer.alloc(ERROR_BYTES);
        if (error instanceof DnsError) takeNote(kept, NOTE.NO_UPSTREAM, () => error.message);
        return failure.subarray(0, writeError(kept, RCODE.SERVFAIL, FLAG.RA, failure));
      })
      .then((unsigned) => {
        const answer = kept.note ? this.#signCopy(kept, unsigned) : unsigned;
        this.#observe(kept, kept.packet.length, protocol, family, answer, answer.length, startedAt);
        return answer;
      });
  }

  /** Several messages are one exchange, told of when its last one is made. */
  async *#observeEach(
    messages: AsyncIterable<Uint8Array>,
    query: Query,
    protocol: Protocol,
    family: 4 | 6,
    startedAt: number,
  ): AsyncGenerator<Uint8Array> {
    let last: Uint8Array = noAnswer;
    for await (const message of messages) yield (last = message);
    this.#observe(query, query.packet.length, protocol, family, last, last.length, startedAt);
  }

  #ask(query: Query, out: Buffer): number | Promise<Uint8Array> | AsyncIterable<Uint8Array> {
    try {
      const result = this.#options.handler(query, out);
      return result === 0 ? writeError(query, RCODE.REFUSED, 0, out) : result;
    } catch (error) {
      this.#options.onError?.(error);
      return writeError(query, RCODE.SERVFAIL, 0, out);
    }
  }

  /** Tells who asks for it who answered, and how. Returns the answer's length. */
  #sign({ note, limit }: Query, out: Buffer, length: number): number {
    const { serverName = '' } = this.#options;
    return note ? appendNote(out, length, limit, serverName, note) : length;
  }

  #signCopy(query: Query, answer: Uint8Array): Uint8Array {
    const signed = Buffer.alloc(Math.min(query.limit, answer.length + NOTE_BYTES));
    signed.set(answer);
    return signed.subarray(0, this.#sign(query, signed, answer.length));
  }

  #observe(
    query: Query | undefined,
    queryBytes: number,
    protocol: Protocol,
    family: 4 | 6,
    answer: Uint8Array,
    answerBytes: number,
    startedAt: number,
  ): void {
    const { observe } = this.#options;
    if (!observe) return;
    const rcode = answerBytes > 0 ? (answer[3] ?? 0) & 15 : 0;
    const seconds = (performance.now() - startedAt) / 1000;
    observe({ protocol, family, query, queryBytes, answerBytes, rcode, seconds });
  }
}
