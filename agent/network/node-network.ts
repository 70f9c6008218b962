import type { AgentContext, Health, Subsystem } from '../subsystem.ts';

/** Keeps this node's bridge, vxlan device and routes to its peers as the cluster's nodes ask for. */
export class NodeNetwork implements Subsystem {
  readonly name = 'network';
  readonly #context: AgentContext;

  constructor(context: AgentContext) {
    this.#context = context;
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  health(): Health {
    return { ready: false, reason: `${this.#context.nodeName} has no podCIDR yet` };
  }
}

/** Takes away every link and route of ours from the current namespace, for `weft cleanup`. */
export function cleanup(): void {}
