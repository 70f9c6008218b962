import { Counter, type Registry } from 'prom-client';
import type { Refusal } from '../../dns/server.ts';
import { SERVER } from './metrics.ts';

/** Why something was refused for other clients' sake: `upstream`, more queries that wait for DNS servers than its share. */
export type LimitReason = Refusal | 'upstream';

const reasons = ['rate', 'port', 'connections', 'length', 'upstream'] as const satisfies LimitReason[];

/** What clients were refused, by reason; all of them are there from the start, so that an alert can be made of each. */
export class LimitMetrics {
  /** Plain numbers: a flood is the wrong time for hashing labels. */
  readonly #counts: Record<LimitReason, number> = {
    rate: 0,
    port: 0,
    connections: 0,
    length: 0,
    upstream: 0,
  };

  constructor(registry: Registry) {
    const counts = this.#counts;
    new Counter({
      name: 'weft_dns_refused_total',
      help: 'What clients were refused for the sake of others, by reason.',
      labelNames: ['server', 'reason'],
      registers: [registry],
      collect() {
        this.reset();
        for (const reason of reasons) this.inc({ server: SERVER, reason }, counts[reason]);
      },
    });
  }

  refused(reason: LimitReason): void {
    this.#counts[reason] += 1;
  }
}
