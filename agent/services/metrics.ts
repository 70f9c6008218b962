import { Counter, Gauge, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';

/** What is read when somebody asks, instead of being counted. */
interface ServiceFacts {
  /** Services that changed and are not programmed yet. */
  readonly waiting: number;
  /** `namespace/name` of Services that are not programmed as they ask. */
  readonly troubled: Iterable<string>;
}

/** What can be counted about Services. Durations in seconds. */
export function makeServiceMetrics(registry: Registry, facts: () => ServiceFacts) {
  const registers = [registry];
  makeFactGauges(registers, facts);
  return {
    syncSeconds: new Histogram({
      name: 'weft_services_sync_duration_seconds',
      help: 'Time from the start of a sync to the kernel holding its rules',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    }),
    lastSync: new Gauge({
      name: 'weft_services_last_sync_timestamp_seconds',
      help: 'When the kernel last held all rules, in seconds since the epoch',
      registers,
    }),
    changes: new Counter({
      name: 'weft_services_changes_total',
      help: 'Chains, rules and elements written to the kernel or removed from it',
      registers,
    }),
    repairs: new Counter({
      name: 'weft_services_repairs_total',
      help: 'Syncs that put right what somebody else had changed',
      registers,
    }),
    compares: new Counter({
      name: 'weft_services_compares_total',
      help: 'Times that all rules were read back from the kernel and compared',
      registers,
    }),
    failures: new Counter({
      name: 'weft_services_sync_failures_total',
      help: 'Syncs that changed nothing because the kernel or its tools refused',
      registers,
    }),
    programmed: new Gauge({ name: 'weft_services', help: 'Services with rules on this node', registers }),
  };
}

function makeFactGauges(registers: Registry[], facts: () => ServiceFacts): void {
  new Gauge({
    name: 'weft_services_waiting',
    help: 'Services that changed and are not programmed yet',
    registers,
    collect() {
      this.set(facts().waiting);
    },
  });
  new Gauge({
    name: 'weft_services_refused',
    help: 'Services that could not be programmed as they ask',
    registers,
    collect() {
      this.set([...facts().troubled].length);
    },
  });
  new Gauge({
    name: 'weft_service_refused',
    help: '1 for each Service that could not be programmed as it asks; an Event on it says why',
    labelNames: ['namespace', 'service'],
    registers,
    collect() {
      this.reset();
      for (const key of facts().troubled) {
        const [namespace = '', service = ''] = key.split('/');
        this.set({ namespace, service }, 1);
      }
    },
  });
}
