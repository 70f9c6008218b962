import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { ForwarderObserver } from '../../dns/forward.ts';
import type { ResolverObserver } from '../../dns/resolver.ts';
import { rcodeName } from '../../dns/wire.ts';
import { DURATION_BUCKETS, SERVER } from './metrics.ts';

/** CoreDNS's label for what its plugin `forward` asks. */
const PROXY = 'forward';

/** The resolver's cache, as it is now. */
export interface CacheSize {
  readonly entries: number;
  readonly bytes: number;
}

/** Metrics of the cache and of upstream servers, under CoreDNS's names and labels with the prefix `weft_dns_`. */
export class UpstreamMetrics implements ForwarderObserver, ResolverObserver {
  readonly #hits: Counter<'server' | 'type'>;
  readonly #misses: Counter<'server'>;
  readonly #asked: Counter<'server'>;
  readonly #stale: Counter<'server'>;
  readonly #duration: Histogram<'proxy_name' | 'to' | 'rcode'>;
  readonly #up: Gauge<'proxy_name' | 'to'>;
  readonly #failures: Counter<'proxy_name' | 'to'>;

  constructor(registry: Registry, readCache: () => CacheSize) {
    const registers = [registry];
    const metric = <Label extends string>(name: string, help: string, ...labelNames: Label[]) => ({
      name: `weft_dns_${name}`,
      help,
      labelNames,
      registers,
    });
    this.#hits = new Counter(
      metric('cache_hits_total', 'Answers from the cache, by kind.', 'server', 'type'),
    );
    this.#misses = new Counter(
      metric('cache_misses_total', 'Questions the cache had no answer to.', 'server'),
    );
    this.#asked = new Counter(metric('cache_requests_total', 'Questions the cache was asked.', 'server'));
    this.#stale = new Counter(
      metric(
        'cache_served_stale_total',
        'Answers past their time, given as upstream servers failed.',
        'server',
      ),
    );
    this.#duration = new Histogram({
      ...metric(
        'proxy_request_duration_seconds',
        'Time of each question to an upstream server.',
        'proxy_name',
        'to',
        'rcode',
      ),
      buckets: [...DURATION_BUCKETS],
    });
    this.#up = new Gauge({
      ...metric('proxy_up', 'Whether an upstream server answers.', 'proxy_name', 'to'),
      // Each worker finds out by itself.
      aggregator: 'min',
    });
    this.#failures = new Counter(
      metric(
        'proxy_healthcheck_failures_total',
        'How often an upstream server was found dead.',
        'proxy_name',
        'to',
      ),
    );
    new Gauge({
      ...metric('cache_entries', 'Answers in the cache.', 'server'),
      collect() {
        this.set({ server: SERVER }, readCache().entries);
      },
    });
    new Gauge({
      ...metric('cache_bytes', 'About how much memory the cached answers take.', 'server'),
      collect() {
        this.set({ server: SERVER }, readCache().bytes);
      },
    });
  }

  hit(type: 'success' | 'denial'): void {
    this.#asked.inc({ server: SERVER });
    this.#hits.inc({ server: SERVER, type });
  }

  miss(): void {
    this.#asked.inc({ server: SERVER });
    this.#misses.inc({ server: SERVER });
  }

  stale(): void {
    this.#stale.inc({ server: SERVER });
  }

  asked(to: string, rcode: number | undefined, seconds: number): void {
    // No response code: the server did not answer.
    this.#duration.observe(
      { proxy_name: PROXY, to, rcode: rcode === undefined ? '' : rcodeName(rcode) },
      seconds,
    );
  }

  health(to: string, healthy: boolean): void {
    this.#up.set({ proxy_name: PROXY, to }, healthy ? 1 : 0);
    if (!healthy) this.#failures.inc({ proxy_name: PROXY, to });
  }
}
