import { Counter, type CounterConfiguration, type Metric, type Registry } from 'prom-client';
import type { Exchange } from '../../dns/handler.ts';
import { rcodeName, TYPE, typeName } from '../../dns/wire.ts';
import { BucketHistogram, type Buckets } from './bucket-histogram.ts';

/** CoreDNS's label for a server on port 53 of any of its addresses. */
export const SERVER = 'dns://:53';

/** CoreDNS's buckets: 0.25 ms, doubled fifteen times. */
export const DURATION_BUCKETS: readonly number[] = Array.from(
  { length: 16 },
  (_, power) => 0.00025 * 2 ** power,
);
const SIZE_BUCKETS = [0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16e3, 32e3, 48e3, 64e3];

const protocols = ['udp', 'tcp'] as const;

/** Types that are not known by name count as `other`: a client must not be able to make up label values. */
const countedTypes: ReadonlySet<number> = new Set(Object.values(TYPE));

/** Counts of one zone. Plain numbers: a query must not pay for label hashing, which only a scrape needs. */
interface ZoneCounts {
  readonly zone: string;
  readonly duration: Buckets;
  readonly requestSize: Record<Exchange['protocol'], Buckets>;
  readonly responseSize: Record<Exchange['protocol'], Buckets>;
  /** By type, protocol and family, packed into one number. */
  readonly requests: Map<number, number>;
  readonly responses: Map<number, number>;
  dnssecRequests: number;
}

type Series = readonly [labels: Record<string, string>, count: number];

/**
 * What was asked and answered, under CoreDNS's names and labels with the prefix `weft_dns_` for `coredns_dns_`,
 * so that dashboards need a replacement only.
 */
export class NamesMetrics {
  readonly #zones: readonly ZoneCounts[];

  /** `zones` are the labels of the zones that {@link observe} tells apart by index. */
  constructor(registry: Registry, zones: readonly string[]) {
    const durations = histogram(
      registry,
      'request_duration_seconds',
      'Time of each request.',
      DURATION_BUCKETS,
    );
    const requestSizes = histogram(registry, 'request_size_bytes', 'Size of requests.', SIZE_BUCKETS);
    const responseSizes = histogram(registry, 'response_size_bytes', 'Size of responses.', SIZE_BUCKETS);
    this.#zones = zones.map((zone) => ({
      zone,
      duration: durations.series({ server: SERVER, zone }),
      requestSize: byProtocol(requestSizes, zone),
      responseSize: byProtocol(responseSizes, zone),
      requests: new Map(),
      responses: new Map(),
      dnssecRequests: 0,
    }));
    counter(registry, 'requests_total', 'Requests received.', ['proto', 'family', 'type'], () =>
      this.#series(({ requests }) => requests, requestLabels),
    );
    counter(registry, 'responses_total', 'Responses sent.', ['rcode'], () =>
      this.#series(
        ({ responses }) => responses,
        (rcode) => ({ rcode: rcodeName(rcode) }),
      ),
    );
    counter(registry, 'do_requests_total', 'Requests with the DNSSEC OK bit.', [], () =>
      this.#zones
        .filter(({ dnssecRequests }) => dnssecRequests > 0)
        .map(({ zone, dnssecRequests }) => [{ server: SERVER, zone }, dnssecRequests]),
    );
  }

  observe(exchange: Exchange, zoneIndex: number): void {
    const zone = this.#zones[zoneIndex];
    if (!zone) return;
    const { protocol, family, query, queryBytes, answerBytes, rcode, seconds } = exchange;
    const type = query && countedTypes.has(query.type) ? query.type : 0;
    const key = (type << 2) | (protocol === 'tcp' ? 2 : 0) | (family === 6 ? 1 : 0);
    zone.requests.set(key, (zone.requests.get(key) ?? 0) + 1);
    if (query?.dnssecOk) zone.dnssecRequests += 1;
    zone.requestSize[protocol].observe(queryBytes);
    if (answerBytes === 0) return;
    zone.responses.set(rcode, (zone.responses.get(rcode) ?? 0) + 1);
    zone.responseSize[protocol].observe(answerBytes);
    zone.duration.observe(seconds);
  }

  #series(
    counts: (zone: ZoneCounts) => ReadonlyMap<number, number>,
    labels: (key: number) => Record<string, string>,
  ): Series[] {
    return this.#zones.flatMap((zone) =>
      [...counts(zone)].map(
        ([key, count]) => [{ server: SERVER, zone: zone.zone, ...labels(key) }, count] as const,
      ),
    );
  }
}

function histogram(
  registry: Registry,
  name: string,
  help: string,
  bounds: readonly number[],
): BucketHistogram {
  const metric = new BucketHistogram(`weft_dns_${name}`, help, bounds);
  registry.registerMetric(metric as unknown as Metric);
  return metric;
}

/** A counter that is filled from our own counts at each scrape. */
function counter(
  registry: Registry,
  name: string,
  help: string,
  labels: readonly string[],
  read: () => Iterable<Series>,
): void {
  const configuration: CounterConfiguration<string> = {
    name: `weft_dns_${name}`,
    help,
    labelNames: ['server', 'zone', ...labels],
    registers: [registry],
    collect() {
      this.reset();
      for (const [values, count] of read()) this.inc(values, count);
    },
  };
  new Counter(configuration);
}

function byProtocol(metric: BucketHistogram, zone: string): Record<Exchange['protocol'], Buckets> {
  return {
    udp: metric.series({ server: SERVER, zone, proto: 'udp' }),
    tcp: metric.series({ server: SERVER, zone, proto: 'tcp' }),
  };
}

function requestLabels(key: number): Record<string, string> {
  const type = key >>> 2;
  return {
    proto: protocols[(key >> 1) & 1] ?? '',
    // IANA's address family numbers, as CoreDNS uses them.
    family: (key & 1) === 1 ? '2' : '1',
    type: type === 0 ? 'other' : typeName(type),
  };
}
