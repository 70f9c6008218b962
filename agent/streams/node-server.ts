import type { AgentContext, Health, Subsystem } from '../subsystem.ts';
import type { PodStreams } from './pod-streams.ts';

/** PEM texts: the node's own certificate and key, and the CA that clients must be signed by. */
export interface NodeServerTls {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** The node's HTTPS server (port config.port): exec, attach and logs for the API server. */
export class NodeServer implements Subsystem {
  readonly name = 'streams';
  readonly #ctx: AgentContext;
  readonly #streams: PodStreams;
  readonly #tls: NodeServerTls;

  constructor(ctx: AgentContext, streams: PodStreams, tls: NodeServerTls) {
    this.#ctx = ctx;
    this.#streams = streams;
    this.#tls = tls;
  }

  start(): Promise<void> {
    return Promise.reject(
      new Error(`not yet: ${this.#ctx.nodeName} ${typeof this.#streams} ${this.#tls.ca}`),
    );
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  health(): Health {
    return { ready: false, reason: 'not started' };
  }
}
