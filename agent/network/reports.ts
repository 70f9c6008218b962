import type { ApiClient } from '../../api/client/client.ts';
import { EventRecorder } from '../../api/controllers/event-recorder.ts';
import type { Node } from '../../api/kinds/node.ts';
import type { AgentContext } from '../subsystem.ts';

/** Tells people what became of this node's network. */
export interface NetworkReports {
  /** Its ranges are another's: it is cut off from the other nodes until that is put right. */
  noteFenced(node: Node, reason: string): void;
  noteReleased(node: Node): void;
}

/** Reports as lines in the log and Events on the Node. */
export class NetworkEvents implements NetworkReports {
  readonly #events: EventRecorder;
  readonly #log: AgentContext['log'];

  constructor(client: ApiClient, log: AgentContext['log']) {
    this.#log = log.child({ subsystem: 'network' });
    this.#events = new EventRecorder(client, this.#log);
  }

  noteFenced(object: Node, reason: string): void {
    this.#log.error({ reason }, 'this node is cut off from the others: its pod range is somebody else’s');
    const message = `cut off from the other nodes: ${reason}`;
    this.#record({ object, type: 'Warning', reason: 'PodCIDRConflict', message });
  }

  noteReleased(object: Node): void {
    this.#log.info('the pod range is this node’s own again');
    const message = 'the pod range is its own: connected to the other nodes again';
    this.#record({ object, type: 'Normal', reason: 'PodCIDRConflictEnded', message });
  }

  #record(
    note: Pick<Parameters<EventRecorder['record']>[0], 'object' | 'type' | 'reason' | 'message'>,
  ): void {
    this.#events.record({ component: 'weft', apiVersion: 'v1', kind: 'Node', ...note });
  }
}
