import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import type { ApiClient } from '../../api/client/client.ts';
import { EventRecorder } from '../../api/controllers/event-recorder.ts';
import type { Service } from '../../api/kinds/service.ts';
import type { AgentContext } from '../subsystem.ts';

/** Tells people what is announced from where: a line in the log and an Event on the Service. */
export class AnnouncementReports {
  readonly #events: EventRecorder;
  readonly #node: string;
  readonly #log: AgentContext['log'];

  constructor(client: ApiClient, node: string, log: AgentContext['log']) {
    this.#events = new EventRecorder(client, log);
    this.#node = node;
    this.#log = log;
  }

  noteTaken(address: string, before: string | undefined, services: readonly Service[]): void {
    this.#log.info({ address, before }, 'announcing');
    // One that is back after a restart is no news.
    if (before === this.#node) return;
    const message = `Announcing ${address} from node "${this.#node}"`;
    this.#tell(services, 'Normal', 'NodeAssigned', message);
  }

  noteConflict(address: string, mac: string, services: readonly Service[]): void {
    this.#log.warn({ address, mac }, 'another host claims an announced address');
    const message = `${address}, announced from node "${this.#node}", is claimed by a host with hardware address ${mac}`;
    this.#tell(services, 'Warning', 'AddressConflict', message);
  }

  #tell(services: readonly Service[], type: 'Normal' | 'Warning', reason: string, message: string): void {
    for (const object of services) {
      this.#events.record({
        component: 'weft',
        apiVersion: 'v1',
        kind: 'Service',
        object,
        type,
        reason,
        message,
      });
    }
  }
}

/** What can be counted about announced addresses. */
export function makeAnnouncementMetrics(registry: Registry, countAnnounced: () => number) {
  const registers = [registry];
  new Gauge({
    name: 'weft_announced_addresses',
    help: 'Load balancer addresses that this node announces now.',
    registers,
    collect() {
      this.set(countAnnounced());
    },
  });
  const counter = (name: string, help: string): Counter => new Counter({ name, help, registers });
  return {
    taken: counter('weft_announce_taken_total', 'Addresses that this node began to announce.'),
    lapsed: counter(
      'weft_announce_lapsed_total',
      'Addresses that this node stopped announcing because no heartbeat reached the API in time.',
    ),
    answers: counter('weft_announce_answers_total', 'ARP requests and neighbour solicitations answered.'),
    conflicts: counter('weft_announce_conflicts_total', "Claims of other hosts to this node's addresses."),
  };
}
