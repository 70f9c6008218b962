import type { QueryLogConfig } from '../config/config.ts';
import type { Exchange } from '../../dns/handler.ts';
import { renderAddress, renderName } from '../../dns/names.ts';
import { RCODE, rcodeName, typeName } from '../../dns/wire.ts';
import { LineLimit } from './line-limit.ts';

/** Chooses queries to log: one in so many, or those that went wrong; never more than the log can take. */
export class QueryLog {
  readonly #config: QueryLogConfig;
  readonly #limit: LineLimit;
  #until: number;

  /** `now` tells seconds of any steady clock. */
  constructor(config: QueryLogConfig, now?: () => number) {
    this.#config = config;
    this.#limit = new LineLimit(now);
    this.#until = config === 'errors' ? 0 : config.oneIn;
  }

  /** The fields of the query's line; undefined where it is not chosen. */
  note(exchange: Exchange): Readonly<Record<string, unknown>> | undefined {
    return this.#isChosen(exchange) && this.#limit.take() ? this.#fieldsOf(exchange) : undefined;
  }

  #isChosen({ rcode }: Exchange): boolean {
    if (this.#config === 'errors') return rcode !== RCODE.NOERROR && rcode !== RCODE.NXDOMAIN;
    this.#until -= 1;
    if (this.#until > 0) return false;
    this.#until = this.#config.oneIn;
    return true;
  }

  #fieldsOf({ protocol, query, queryBytes, answerBytes, rcode, seconds }: Exchange): Record<string, unknown> {
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
      ...this.#limit.leftOut(),
    };
  }
}
