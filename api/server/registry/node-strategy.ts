import { isCIDR } from '../../kinds/ip.ts';
import { invalid as invalidField } from '../../kinds/field-error.ts';
import { nodeKind } from '../../kinds/node.ts';
import type { Node } from '../../kinds/node.ts';
import type { Store, Write } from '../../store/store.ts';
import { invalid } from '../status-error.ts';
import { parseBlock } from './address-block.ts';
import type { AddressBlock } from './address-block.ts';
import { claimBlocks, releaseBlocks } from './block-claims.ts';
import type { Strategy } from './strategy.ts';

/** Sees to it that no two Nodes have a pod address in common, whoever writes their podCIDRs. */
export class NodeStrategy implements Strategy<Node> {
  readonly #store: Store;
  #lastTurn: Promise<unknown> = Promise.resolve();

  constructor(store: Store) {
    this.#store = store;
  }

  /**
   * All claims of ranges write one key. Requests to this server queue for it: of many at once each would have to start
   * over as often as others come before it. Those of other servers are rare enough for that.
   */
  async turn(node: Node, old?: Node): Promise<Disposable | undefined> {
    if (newBlocks(node, old).length === 0) return undefined;
    const before = this.#lastTurn;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#lastTurn = promise;
    await before;
    return { [Symbol.dispose]: () => resolve(undefined) };
  }

  claimForCreate(node: Node): Promise<readonly Write[]> {
    return this.#claim(node, newBlocks(node));
  }

  claimForUpdate(node: Node, old: Node): Promise<readonly Write[]> {
    return this.#claim(node, newBlocks(node, old));
  }

  release(node: Node): Promise<Write[]> {
    return releaseBlocks(this.#store, podBlocks(node), node.metadata.name);
  }

  async #claim({ metadata: { name } }: Node, blocks: readonly AddressBlock[]): Promise<readonly Write[]> {
    if (blocks.length === 0) return [];
    const claiming = await claimBlocks(this.#store, blocks, name);
    if ('writes' in claiming) return claiming.writes;
    const { taken, by } = claiming;
    const field = `spec.podCIDRs[${blocks.indexOf(taken)}]`;
    const why = `overlaps with ${by.cidr}, which is the podCIDR of node ${by.owner}`;
    throw invalid(nodeKind, name, [invalidField(field, taken.cidr, why)]);
  }
}

/** A Node's ranges. */
export function podBlocks({ spec }: Node): AddressBlock[] {
  return (spec?.podCIDRs ?? []).filter(isCIDR).map(parseBlock);
}

/** Those that a write gives it: validation lets none of a Node that has some change. */
function newBlocks(node: Node, old?: Node): AddressBlock[] {
  return old && podBlocks(old).length > 0 ? [] : podBlocks(node);
}
