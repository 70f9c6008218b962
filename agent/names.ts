import type { AgentContext, Health, Subsystem } from './subsystem.ts';

/** Cluster DNS on this node: answers on the cluster's DNS addresses, port 53, UDP and TCP. */
export class ClusterNames implements Subsystem {
  readonly name = 'names';
  readonly #context: AgentContext;

  constructor(context: AgentContext) {
    this.#context = context;
  }

  start(): Promise<void> {
    this.#context.log.debug('names: start');
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  health(): Health {
    return { ready: false, reason: 'not started' };
  }
}
