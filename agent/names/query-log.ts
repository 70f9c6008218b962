import type { QueryLogConfig } from '../config/config.ts';
import type { Exchange } from '../../dns/handler.ts';
import { renderAddress, renderName } from '../../dns/names.ts';
import { RCODE, rcodeName, typeName } from '../../dns/wire.ts';

/** Lines a second of one worker: the log is written at once, which takes time from everything else. */
const MOST_LINES = 100;
const SECOND = 1;

/** Chooses queries to log: one in so many, or those that went wrong; never more than the log can take. */
export class QueryLog {
  readonly #config: QueryLogConfig;
  readonly #now: () => number;
  #until: number;
  #lines = 0;
  #startedAt = -Infinity;
  #dropped = 0;

  /** `now` tells seconds of any steady clock. */
  constructor(config: QueryLogConfig, now: () => number = () => performance.now() / 1000) {
    this.#config = config;
    this.#now = now;
    this.#until = config === 'errors' ? 0 : config.oneIn;
  }

  /** The fields of the query's line; undefined where it is not chosen. */
  note(exchange: Exchange): Readonly<Record<string, unknown>> | undefined {
    return this.#isChosen(exchange) && this.#hasRoom() ? this.#fieldsOf(exchange) : undefined;
  }

  #isChosen({ rcode }: Exchange): boolean {
    if (this.#config === 'errors') return rcode !== RCODE.NOERROR && rcode !== RCODE.NXDOMAIN;
    this.#until -= 1;
    if (this.#until > 0) return false;
    this.#until = this.#config.oneIn;
    return true;
  }

  #hasRoom(): boolean {
    const now = this.#now();
    if (now - this.#startedAt >= SECOND) {
      this.#startedAt = now;
      this.#lines = 0;
    }
    this.#lines += 1;
    if (this.#lines <= MOST_LINES) return true;
    this.#dropped += 1;
    return false;
  }

  #fieldsOf({ protocol, query, queryBytes, answerBytes, rcode, seconds }: Exchange): Record<string, unknown> {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return {
      ...(query && {
        client: renderAddress(Buffer.from(query.client).toString('latin1')),
        name: renderName(query.name),
        type: typeName(query.type),
        id: query.id,
      }),
      protocol,
      queryBytes,
      answerBytes,
      rcode: rcodeName(rcode),
      milliseconds: Math.round(seconds * 1e6) / 1e3,
      ...(dropped > 0 && { notLogged: dropped }),
    };
  }
}
