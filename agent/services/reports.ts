import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { ApiClient } from '../../api/client/client.ts';
import type { Event } from '../../api/kinds/event.ts';
import type { Node } from '../../api/kinds/node.ts';
import type { Service } from '../../api/kinds/service.ts';
import type { Leftover } from '../../iptables/leftovers.ts';
import type { CompiledService } from '../../iptables/model.ts';
import { EventQueue } from './event-queue.ts';
import type { Subject } from './rule-source.ts';

type Services = ReadonlyMap<string, CompiledService>;
type Refused = ReadonlyMap<string, Error>;

/** Tells people about Services and rules: an Event each, once for the same words. */
export class ServiceReports {
  readonly #nodeName: string;
  readonly #log: Logger;
  readonly #queue: EventQueue;
  /** The last problem told, by Service. */
  readonly #told = new Map<string, string>();

  constructor(client: Pick<ApiClient, 'create'>, nodeName: string, log: Logger) {
    this.#nodeName = nodeName;
    this.#log = log;
    this.#queue = new EventQueue(client, log);
  }

  start(): void {
    this.#queue.start();
  }

  stop(): Promise<void> {
    return this.#queue.stop();
  }

  /** Services that are not programmed as they ask. */
  get troubled(): Iterable<string> {
    return this.#told.keys();
  }

  /**
   * Tells of the Services that a sync could not program as they ask. Looks only at those that changed, that are
   * refused or that had a problem before.
   */
  noteSync(
    changed: Iterable<string>,
    services: Services,
    refused: Refused,
    find: (key: string) => Subject | undefined,
  ): void {
    for (const key of new Set([...changed, ...refused.keys(), ...this.#told.keys()])) {
      const problem = problemOf(services.get(key), refused.get(key));
      const subject = find(key);
      if (problem === undefined || !subject) this.#told.delete(key);
      else if (this.#told.get(key) !== problem) this.#tellProblem(key, subject, problem);
    }
  }

  /** Tells that load balancers cannot ask this node about a Service. */
  noteHealthCheckFailure(service: Service | undefined, message: string): void {
    if (!service) return;
    const { namespace, object } = subjectOf(service);
    // kube-proxy's reason, which monitoring may look for.
    this.#send(namespace, object, 'FailedToStartServiceHealthcheck', message);
  }

  /** Tells that rules of ours were changed from outside, by whom as far as it is known, and put right. */
  noteRepair(node: Node | undefined, changes: number, by: readonly string[]): void {
    this.#log.warn({ changes, by }, 'rules were changed from outside; repaired');
    const whom = by.length > 0 ? ` by ${by.join(', ')}` : '';
    const message = `Service rules were changed from outside weft${whom} and repaired (${String(changes)} changes)`;
    this.#tellNode(node, 'ServiceRulesRepaired', message);
  }

  /** Tells what of other programs' rules stands in the way, and how to remove it. */
  noteLeftover(node: Node | undefined, { what, command }: Leftover): void {
    this.#log.warn({ what, command }, 'rules of another program rewrite packets to Services, too');
    this.#tellNode(
      node,
      'ForeignServiceRules',
      `${what} rewrite packets to Services, too; remove them with: ${command}`,
    );
  }

  #tellNode(node: Node | undefined, reason: string, message: string): void {
    const reference = { kind: 'Node', apiVersion: 'v1', name: this.#nodeName, uid: node?.metadata.uid ?? '' };
    this.#send('default', reference, reason, message);
  }

  #tellProblem(key: string, { namespace, object, reason }: Subject, problem: string): void {
    this.#told.set(key, problem);
    this.#log.warn({ service: key, problem }, 'Service not wholly programmed');
    this.#send(namespace, object, reason, problem);
  }

  #send(namespace: string, involvedObject: Event['involvedObject'], reason: string, message: string): void {
    const now = new Date();
    const time = `${now.toISOString().slice(0, 19)}Z`;
    // Other nodes may tell the same at the same moment.
    const suffix = now.getTime().toString(16) + randomBytes(2).toString('hex');
    this.#queue.add({
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${involvedObject.name ?? ''}.${suffix}`, namespace },
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
    });
  }
}

/** Where an Event about a Service that has not all its rules belongs, and what it names. */
export function subjectOf({ metadata }: Service): Subject {
  const { namespace = 'default', name, uid = '' } = metadata;
  const object = { kind: 'Service', apiVersion: 'v1', namespace, name, uid };
  return { namespace, object, reason: 'ServiceNotProgrammed' };
}

function problemOf(service: CompiledService | undefined, refusal: Error | undefined): string | undefined {
  const problems = [...(service?.problems ?? []), ...(refusal ? [refusal.message] : [])];
  return problems.length > 0 ? problems.join('; ') : undefined;
}
