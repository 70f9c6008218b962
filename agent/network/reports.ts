import type { Registry } from 'prom-client';
import { Counter, Histogram } from 'prom-client';
import { NodeEvents } from '../node/events.ts';
import type { NodeEventsContext } from '../node/events.ts';
import type { AgentContext } from '../subsystem.ts';

/** Tells people what became of this node's network. */
export interface NetworkReports {
  /** Its ranges are another's: it is cut off from the other nodes until that is put right. */
  noteFenced(reason: string): void;
  noteReleased(): void;
}

/** Reports as lines in the log and Events on the Node. */
export class NetworkEvents implements NetworkReports {
  readonly #events: NodeEvents;
  readonly #log: AgentContext['log'];

  constructor(context: NodeEventsContext & Pick<AgentContext, 'log'>) {
    this.#log = context.log.child({ subsystem: 'network' });
    this.#events = new NodeEvents(context, this.#log);
  }

  noteFenced(reason: string): void {
    this.#log.error({ reason }, 'this node is cut off from the others: its pod range is somebody else’s');
    this.#events.record('Warning', 'PodCIDRConflict', `cut off from the other nodes: ${reason}`);
  }

  noteReleased(): void {
    this.#log.info('the pod range is this node’s own again');
    const message = 'the pod range is its own: connected to the other nodes again';
    this.#events.record('Normal', 'PodCIDRConflictEnded', message);
  }
}

/** Counts passes over the node's network, and what they did. */
export function makeNetworkMetrics(registry: Registry): {
  readonly passSeconds: Histogram<'scope'>;
  readonly changes: Counter;
} {
  const registers = [registry];
  const passSeconds = new Histogram({
    name: 'weft_network_pass_seconds',
    help: "Time of one pass over the node's network: over all of it, or the ways to peers that changed.",
    labelNames: ['scope'] as const,
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5],
    registers,
  });
  const changes = new Counter({
    name: 'weft_network_changes_total',
    help: "What was asked of the kernel to make the node's network as it shall be.",
    registers,
  });
  return { passSeconds, changes };
}
