import type { Logger } from 'pino';
import { Counter, Gauge, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import type { ApiClient } from '../../api/client/client.ts';
import { events } from '../../api/client/resources.ts';
import type { Event } from '../../api/kinds/event.ts';
import type { Node } from '../../api/kinds/node.ts';
import type { Service } from '../../api/kinds/service.ts';

/** Tells people about Services and rules: an Event each, once for the same words. */
export class ServiceReports {
  readonly #client: Pick<ApiClient, 'create'>;
  readonly #nodeName: string;
  readonly #log: Logger;
  /** The last problem told, by Service. */
  readonly #told = new Map<string, string>();

  constructor(client: Pick<ApiClient, 'create'>, nodeName: string, log: Logger) {
    this.#client = client;
    this.#nodeName = nodeName;
    this.#log = log;
  }

  /** Tells what is wrong with a Service; undefined: nothing any more. */
  noteProblem(key: string, service: Service | undefined, problem: string | undefined): void {
    if (problem === undefined || !service) {
      this.#told.delete(key);
      return;
    }
    if (this.#told.get(key) === problem) return;
    this.#told.set(key, problem);
    this.#log.warn({ service: key, problem }, 'Service not wholly programmed');
    this.#send(...referenceOf(service), 'ServiceNotProgrammed', problem);
  }

  /** Tells that load balancers cannot ask this node about a Service. */
  noteHealthCheckFailure(service: Service | undefined, message: string): void {
    if (!service) return;
    // kube-proxy's reason, which monitoring may look for.
    this.#send(...referenceOf(service), 'FailedToStartServiceHealthcheck', message);
  }

  /** Tells that rules of ours were changed from outside and put right. */
  noteRepair(node: Node | undefined, changes: number): void {
    this.#log.warn({ changes }, 'rules were changed from outside; repaired');
    const reference = { kind: 'Node', apiVersion: 'v1', name: this.#nodeName, uid: node?.metadata.uid ?? '' };
    const message = `Service rules were changed from outside weft and repaired (${String(changes)} changes)`;
    this.#send('default', reference, 'ServiceRulesRepaired', message);
  }

  #send(namespace: string, involvedObject: Event['involvedObject'], reason: string, message: string): void {
    const now = new Date();
    const time = `${now.toISOString().slice(0, 19)}Z`;
    const event: Event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${involvedObject.name ?? ''}.${now.getTime().toString(16)}`, namespace },
      involvedObject,
      type: 'Warning',
      reason,
      message,
      source: { component: 'weft', host: this.#nodeName },
      firstTimestamp: time,
      lastTimestamp: time,
      count: 1,
      reportingComponent: 'weft',
      reportingInstance: this.#nodeName,
    };
    this.#client.create(events, event).catch((error: unknown) => {
      this.#log.warn({ err: error, reason }, 'event not written');
    });
  }
}

/** Where an Event about a Service belongs, and what it names. */
function referenceOf({ metadata }: Service): [namespace: string, involvedObject: Event['involvedObject']] {
  const { namespace = 'default', name, uid = '' } = metadata;
  return [namespace, { kind: 'Service', apiVersion: 'v1', namespace, name, uid }];
}

/** What can be counted about Services. Durations in seconds. */
export function makeServiceMetrics(registry: Registry) {
  const registers = [registry];
  return {
    syncSeconds: new Histogram({
      name: 'weft_services_sync_duration_seconds',
      help: 'Time from the start of a sync to the kernel holding its rules',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
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
    failures: new Counter({
      name: 'weft_services_sync_failures_total',
      help: 'Syncs that changed nothing because the kernel or its tools refused',
      registers,
    }),
    programmed: new Gauge({ name: 'weft_services', help: 'Services with rules on this node', registers }),
    refused: new Gauge({
      name: 'weft_services_refused',
      help: 'Services that could not be programmed as they ask',
      registers,
    }),
  };
}
