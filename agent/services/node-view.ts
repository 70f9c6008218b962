import { isDeepStrictEqual } from 'node:util';

import type { CacheEvent } from '../../api/client/cache.ts';
import type { Node } from '../../api/kinds/node.ts';
import type { NodeSettings } from '../../iptables/model.ts';
import type { CompileContext } from '../../iptables/services.ts';
import type { AgentContext } from '../subsystem.ts';
import { compileContext, nodeSettings, rulesPartOf } from './view.ts';

/**
 * What the rules must know of nodes and ranges. Nodes tell every few seconds that they live; the same objects are
 * given out until something has changed that rules depend on, so that who asks can compare them by identity.
 */
export class NodeView {
  readonly #agent: AgentContext;
  #known: { readonly context: CompileContext; readonly settings: NodeSettings } | undefined;
  #stale = true;
  #dnsFallback = false;

  constructor(agent: AgentContext) {
    this.#agent = agent;
  }

  get context(): CompileContext {
    return this.#read().context;
  }

  get settings(): NodeSettings {
    return this.#read().settings;
  }

  /** From now on: queries that this node's DNS server does not take go to other nodes. */
  useDnsFallback(): void {
    this.#dnsFallback = true;
    this.#stale = true;
  }

  /** Takes over one event of the nodes; returns whether rules may depend on what has changed. */
  note(event: CacheEvent<Node>): boolean {
    if (event.type === 'updated' && isDeepStrictEqual(rulesPartOf(event.object), rulesPartOf(event.previous)))
      return false;
    this.#stale = true;
    return true;
  }

  #read() {
    if (this.#known && !this.#stale) return this.#known;
    const context = compileContext(this.#agent);
    const settings = nodeSettings(this.#agent, this.#dnsFallback);
    this.#known = {
      context: isDeepStrictEqual(context, this.#known?.context) ? (this.#known?.context ?? context) : context,
      settings: isDeepStrictEqual(settings, this.#known?.settings)
        ? (this.#known?.settings ?? settings)
        : settings,
    };
    this.#stale = false;
    return this.#known;
  }
}
