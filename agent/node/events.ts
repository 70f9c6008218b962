import type { Logger } from 'pino';
import { EventRecorder } from '../../api/controllers/event-recorder.ts';
import type { EventNote } from '../../api/controllers/event-recorder.ts';
import type { AgentContext } from '../subsystem.ts';

export type NodeEventsContext = Pick<AgentContext, 'nodeName'> & {
  readonly client: Pick<AgentContext['client'], 'create' | 'patch'>;
  readonly caches: { readonly nodes: Pick<AgentContext['caches']['nodes'], 'get'> };
};

/** Events on this agent's own Node. While the Node is not known there is nothing to hang them on: they are dropped. */
export class NodeEvents {
  readonly #context: NodeEventsContext;
  readonly #recorder: EventRecorder;

  constructor(context: NodeEventsContext, log: Logger) {
    this.#context = context;
    this.#recorder = new EventRecorder(context.client, log);
  }

  record(type: EventNote['type'], reason: string, message: string): void {
    const { nodeName, caches } = this.#context;
    const object = caches.nodes.get(nodeName);
    if (!object) return;
    this.#recorder.record({
      component: 'weft',
      apiVersion: 'v1',
      kind: 'Node',
      object,
      type,
      reason,
      message,
    });
  }
}
