import type { AgentContext } from '../subsystem.ts';

/** Which pod a namespace is for. */
export interface PodIdentity {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
}

/** A pod's place in the network. */
export interface PodAttachment {
  /** Path of the pod's network namespace, e.g. `/run/netns/weft-<uid>`. */
  readonly netns: string;
  /** Its addresses, primary family first. */
  readonly ips: readonly string[];
}

/** Gives pods their network namespaces, links, addresses and routes, and takes them away again. */
export class PodNetwork {
  readonly #context: AgentContext;

  constructor(context: AgentContext) {
    this.#context = context;
  }

  /**
   * Gives a pod its namespace, link, addresses and routes. Idempotent: attaching an attached pod repairs and
   * returns what it has. On failure nothing is left behind.
   */
  attach(pod: PodIdentity): Promise<PodAttachment> {
    return Promise.reject(new Error(`${this.#context.nodeName}: cannot attach ${pod.uid} yet`));
  }

  /** Takes a pod's link, namespace and addresses away. A pod that has none is fine. */
  detach(uid: string): Promise<void> {
    return Promise.reject(new Error(`${this.#context.nodeName}: cannot detach ${uid} yet`));
  }

  /** The uids of all pods that have a namespace, a link or addresses here. */
  list(): string[] {
    return [];
  }
}
