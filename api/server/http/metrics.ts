import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

/** What one request was, for its metrics; low-cardinality values only. */
export interface RequestLabels {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
}

/** Counts and durations of requests under kube-apiserver's own metric names, so that its dashboards work. */
export class RequestMetrics {
  readonly registry = new Registry();
  readonly #total: Counter;
  readonly #duration: Histogram;
  readonly #running: Gauge;

  constructor() {
    const registers = [this.registry];
    const labelNames = ['verb', 'group', 'resource', 'subresource'];
    this.#total = new Counter({
      name: 'apiserver_request_total',
      help: 'Requests answered, by verb, resource and HTTP status.',
      labelNames: [...labelNames, 'code'],
      registers,
    });
    this.#duration = new Histogram({
      name: 'apiserver_request_duration_seconds',
      help: 'Time to answer, without watches and streams.',
      labelNames,
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    });
    this.#running = new Gauge({
      name: 'apiserver_longrunning_requests',
      help: 'Watches and streams under way.',
      labelNames,
      registers,
    });
    collectDefaultMetrics({ register: this.registry });
  }

  /** Notes a request's start; call the result when it has ended. */
  begin(labels: RequestLabels): (code: number) => void {
    const isLong = labels.verb === 'WATCH' || labels.verb === 'CONNECT' || labels.subresource === 'log';
    const startMs = performance.now();
    if (isLong) this.#running.inc({ ...labels });
    return (code) => {
      this.#total.inc({ ...labels, code: String(code) });
      if (isLong) this.#running.dec({ ...labels });
      else this.#duration.observe({ ...labels }, (performance.now() - startMs) / 1000);
    };
  }
}
