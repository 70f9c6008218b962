import {
  AggregatorRegistry,
  Registry,
  type Metric,
  type MetricObjectWithValues,
  type MetricValue,
} from 'prom-client';
import { LimitMetrics } from './limit-metrics.ts';
import { NamesMetrics } from './metrics.ts';
import { WorkerMetrics } from './worker-metrics.ts';
import { UpstreamMetrics } from './upstream-metrics.ts';

/** One metric of one worker, as prom-client's registries tell it. */
export type Counts = MetricObjectWithValues<MetricValue<string>>;

/** What only grows; a gauge says how things are, and of a worker that is gone they are not. */
const totals: ReadonlySet<unknown> = new Set(['counter', 'histogram']);

/** Metrics of all workers together, read from them at each scrape. */
export class GatheredMetrics {
  readonly #gather: () => Promise<(readonly Counts[])[]>;
  /** What workers counted that are no more: a total must not fall because one crashed. */
  #lost: (readonly Counts[])[] = [];
  /** One answer serves all metrics of one scrape. */
  #reading: Promise<ReadonlyMap<string, Counts>> | undefined;

  constructor(registry: Registry, gather: () => Promise<(readonly Counts[])[]>) {
    this.#gather = gather;
    for (const { name, help, type, aggregator } of workerMetrics()) {
      const metric = {
        name,
        help,
        type,
        aggregator,
        get: async () => (await this.#read()).get(name) ?? { name, help, type, aggregator, values: [] },
      };
      registry.registerMetric(metric as unknown as Metric);
    }
  }

  /** Keeps the totals of a worker that ended. */
  keep(metrics: readonly Counts[]): void {
    const kept = metrics.filter(({ type }) => totals.has(type));
    if (kept.length > 0) this.#lost.push(kept);
  }

  #read(): Promise<ReadonlyMap<string, Counts>> {
    this.#reading ??= this.#sum().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #sum(): Promise<ReadonlyMap<string, Counts>> {
    const living = await this.#gather();
    // Many crashes are one sum.
    if (this.#lost.length > 1) this.#lost = [await sum(this.#lost)];
    const all = await sum([...this.#lost, ...living]);
    return new Map(all.map((metric) => [metric.name, metric]));
  }
}

async function sum(parts: readonly (readonly Counts[])[]): Promise<Counts[]> {
  const registry = AggregatorRegistry.aggregate([...parts]);
  return await registry.getMetricsAsJSON();
}

/** Names and help of what a worker counts. */
function workerMetrics(): readonly Counts[] {
  const registry = new Registry();
  new NamesMetrics(registry, []);
  new WorkerMetrics(registry);
  new LimitMetrics(registry);
  new UpstreamMetrics(registry, () => ({ entries: 0, bytes: 0 }));
  return registry.getMetricsAsArray() as unknown as Counts[];
}
