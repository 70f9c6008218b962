import type { MetricValueWithName } from 'prom-client';

/** One series of a histogram: counting is an addition, labels are put on when it is read. */
export class Buckets {
  sum = 0;
  count = 0;
  readonly #bounds: readonly number[];
  readonly #counts: Float64Array;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length);
  }

  observe(value: number): void {
    this.sum += value;
    this.count += 1;
    for (let index = 0; index < this.#bounds.length; index += 1) {
      if (value > (this.#bounds[index] ?? Infinity)) continue;
      this.#counts[index] = (this.#counts[index] ?? 0) + 1;
      return;
    }
  }

  /** Pairs of upper bound and how many values were not above it. */
  *cumulative(): Iterable<[bound: number | '+Inf', count: number]> {
    let total = 0;
    for (const [index, bound] of this.#bounds.entries()) {
      total += this.#counts[index] ?? 0;
      yield [bound, total];
    }
    yield ['+Inf', this.count];
  }
}

/** What prom-client's registry turns into text. */
export interface HistogramValues {
  readonly name: string;
  readonly help: string;
  readonly type: 'histogram';
  readonly aggregator: 'sum';
  readonly values: MetricValueWithName<string>[];
}

interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly buckets: Buckets;
}

/**
 * A histogram for hot paths. prom-client's own hashes its labels at each observation, which costs more than a
 * DNS query does; this one hands out a series once. Give it to `Registry.registerMetric`.
 */
export class BucketHistogram {
  readonly type = 'histogram';
  readonly aggregator = 'sum';
  readonly name: string;
  readonly help: string;
  readonly #bounds: readonly number[];
  readonly #series: Series[] = [];

  constructor(name: string, help: string, bounds: readonly number[]) {
    this.name = name;
    this.help = help;
    this.#bounds = bounds;
  }

  /** A new series; call it once for each set of labels. */
  series(labels: Readonly<Record<string, string>>): Buckets {
    const buckets = new Buckets(this.#bounds);
    this.#series.push({ labels, buckets });
    return buckets;
  }

  /** What a registry reads at a scrape; series without a value are left out. */
  get(): Promise<HistogramValues> {
    const { name, help, type, aggregator } = this;
    const values = this.#series
      .filter(({ buckets }) => buckets.count > 0)
      .flatMap((one) => this.#values(one));
    return Promise.resolve({ name, help, type, aggregator, values });
  }

  #values({ labels, buckets }: Series): MetricValueWithName<string>[] {
    const counts = Array.from(buckets.cumulative(), ([le, value]) => ({
      metricName: `${this.name}_bucket`,
      labels: { ...labels, le },
      value,
    }));
    return [
      ...counts,
      { metricName: `${this.name}_sum`, labels, value: buckets.sum },
      { metricName: `${this.name}_count`, labels, value: buckets.count },
    ];
  }
}
