import { randomBytes } from 'node:crypto';
import { encodeAnswer, type Answer } from './answer.ts';
import type { Message } from './message.ts';
import { encodeLabel, ROOT } from './names.ts';
import { textData, type ResourceRecord } from './records.ts';
import type { Question } from './upstream.ts';
import { FLAG, RCODE, TYPE } from './wire.ts';

/** 64 bits each: nobody has such a name, and nobody guesses it. */
const LABEL_BYTES = 8;
/** A label of 16 hexadecimal digits on the wire. */
const LABEL_LENGTH = 1 + LABEL_BYTES * 2;
const MARKER = textData('weft', 'loop');

/**
 * A question that shows whether a server leads back to us. Its name is below a label that nobody else knows;
 * when it comes in as a query, we answer it with a mark, and the mark in an upstream server's answer says that
 * this server sends our questions to ourselves. Any other answer says that it is alive.
 */
export class LoopProbe {
  /** Known to all servers of this process that answer on the same addresses. */
  readonly token: string;
  readonly #label: string;

  constructor(token: string = randomBytes(LABEL_BYTES).toString('hex')) {
    this.token = token;
    this.#label = encodeLabel(token);
  }

  /** A new question below `zone` (wire form): one that was asked before may be cached on its way. */
  createQuestion(zone: string = ROOT): Question {
    const nonce = encodeLabel(randomBytes(LABEL_BYTES).toString('hex'));
    return { name: nonce + this.#label + zone, type: TYPE.HINFO, dnssecOk: false, checkingDisabled: false };
  }

  /** Whether a query is a probe of ours that came back. */
  isProbe(name: string, type: number): boolean {
    return type === TYPE.HINFO && name.startsWith(this.#label, LABEL_LENGTH);
  }

  /** Whether an answer to a probe was given by ourselves. */
  isMarked({ answer }: Message): boolean {
    return answer.some(({ type, data }) => type === TYPE.HINFO && data === MARKER);
  }
}

/** The mark that a probe is answered with. */
export function markedAnswer(name: string): Answer {
  const record: ResourceRecord = { name, type: TYPE.HINFO, ttlSeconds: 0, data: MARKER };
  return encodeAnswer(
    { rcode: RCODE.NOERROR, flags: FLAG.RA, answer: [record] },
    { nameBytes: name.length, suffix: name },
  );
}
