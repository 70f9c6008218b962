import type { Logger } from 'pino';
import { nodeKind } from '../../kinds/node.ts';
import type { Node } from '../../kinds/node.ts';
import type { Store } from '../../store/store.ts';
import { conflict, modified } from '../status-error.ts';
import { networkOf } from './address-block.ts';
import type { AddressBlock } from './address-block.ts';
import { allBlockClaims, replaceClaims } from './block-claims.ts';
import { collectionPrefix, decodeEntry } from './codec.ts';
import { podBlocks } from './node-strategy.ts';
import { maxAttempts, tryWrite } from './resource.ts';

/** A Node and one of its ranges. */
interface Holding {
  readonly block: AddressBlock;
  readonly owner: string;
}

/**
 * Makes the claims on ranges those of the Nodes that there are: a store that a weft without claims has written has none,
 * or others. Of Nodes that share addresses since then the oldest has the claim: the agents fence the other one.
 * @returns whether Nodes are left without: once the older is gone theirs must be made
 */
export async function ensureNodeClaims(store: Store, log: Logger): Promise<boolean> {
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const { entries, revision } = await store.list(collectionPrefix(nodeKind, undefined));
    const claims = await store.list(allBlockClaims, { revision });
    const nodes = entries.map((entry) => decodeEntry(nodeKind, entry)).sort(compareAge);
    const { held, refused } = settle(
      nodes.flatMap((node) => podBlocks(node).map((block) => ({ block, owner: node.metadata.name }))),
    );
    const writes = replaceClaims(claims.entries, held);
    // A claim of another server in between has written the register, which makes this one fail.
    if (writes.length > 0 && (await tryWrite(store, writes)) === undefined) continue;
    for (const { owner, block } of refused)
      log.warn({ node: owner, podCIDR: block.cidr }, "podCIDR is also an older node's; delete one of them");
    return refused.length > 0;
  }
  throw conflict(nodeKind, '', modified);
}

/** Who gets what, the first first. Each block is compared with those around it only, by the prefix lengths there are. */
function settle(holdings: readonly Holding[]): { held: readonly Holding[]; refused: readonly Holding[] } {
  const prefixes = [...new Set(holdings.map(({ block }) => block.prefix))];
  const place = (block: AddressBlock, prefix: number): string =>
    `${block.family} ${networkOf(block, prefix)}/${prefix}`;
  const taken = new Set<string>();
  /** What has a taken block inside. */
  const broken = new Set<string>();
  const held: Holding[] = [];
  const refused: Holding[] = [];
  for (const holding of holdings) {
    const { block } = holding;
    const own = place(block, block.prefix);
    const around = prefixes.filter((prefix) => prefix < block.prefix).map((prefix) => place(block, prefix));
    if (broken.has(own) || [own, ...around].some((each) => taken.has(each))) {
      refused.push(holding);
      continue;
    }
    held.push(holding);
    taken.add(own);
    for (const each of around) broken.add(each);
  }
  return { held, refused };
}

/** Older first, as the agents judge. */
function compareAge({ metadata: a }: Node, { metadata: b }: Node): number {
  return compare(a.creationTimestamp ?? '', b.creationTimestamp ?? '') || compare(a.name, b.name);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
