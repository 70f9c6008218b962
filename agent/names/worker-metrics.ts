import { Counter, Gauge, type Registry } from 'prom-client';

/** How a worker itself does; all workers' are added up. */
export class WorkerMetrics {
  readonly #panics: Counter;

  constructor(registry: Registry) {
    const registers = [registry];
    // CoreDNS's name for what is the same here: a query that was answered SERVFAIL because of a defect of ours.
    this.#panics = new Counter({
      name: 'weft_dns_panics_total',
      help: 'Queries whose handling failed by a defect.',
      registers,
    });
    new Gauge({
      name: 'weft_dns_worker_memory_bytes',
      help: 'Memory of the DNS workers: objects on their heaps, and buffers outside of them.',
      labelNames: ['kind'],
      registers,
      collect() {
        // Of this thread's own heap; the process's other figures are all threads'.
        const { heapUsed, external } = process.memoryUsage();
        this.set({ kind: 'heap' }, heapUsed);
        this.set({ kind: 'external' }, external);
      },
    });
  }

  panicked(): void {
    this.#panics.inc();
  }
}
