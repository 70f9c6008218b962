import type { Entry, Store, Write } from '../../store/store.ts';
import { networkOf, overlaps, parseBlock } from './address-block.ts';
import type { AddressBlock } from './address-block.ts';
import { claimKey } from './claims.ts';

/** A block of addresses and the only object that may have it, or any part of it. */
interface BlockClaim {
  readonly cidr: string;
  /** The object's name. */
  readonly owner: string;
}

/**
 * Every claim lies under a key of its own, by its first address. That two blocks of different sizes overlap shows in
 * no single key, so every transaction that claims writes the register besides: of two that read the same state only
 * one commits, and the other looks again.
 */
const register = claimKey('pod-range', 'register');

/** The prefix lengths that blocks were ever claimed with, a handful: a block around another is looked for by them. */
interface Register {
  readonly prefixes: Readonly<Record<AddressBlock['family'], readonly number[]>>;
}

/** Everything about blocks in the store. */
export const allBlockClaims = claimKey('pod-range', '');

/** What must be written to claim blocks that are free; or which of them is not, and whose it is. */
type Claiming =
  { readonly writes: readonly Write[] } | { readonly taken: AddressBlock; readonly by: BlockClaim };

/** Looks up in a number of steps that does not grow with the number of claims. */
export async function claimBlocks(
  store: Store,
  blocks: readonly AddressBlock[],
  owner: string,
): Promise<Claiming> {
  // Read first: whatever is claimed after this makes the transaction fail.
  const entry = await store.get(register);
  const { prefixes } = decodeRegister(entry);
  for (const block of blocks) {
    const by = await findOverlap(store, block, prefixes[block.family]);
    if (by) return { taken: block, by };
  }
  return { writes: [writeRegister(entry, blocks), ...blocks.map((block) => createClaim(block, owner))] };
}

/** What gives back the blocks that are the owner's. */
export async function releaseBlocks(
  store: Store,
  blocks: readonly AddressBlock[],
  owner: string,
): Promise<Write[]> {
  const entries = await Promise.all(blocks.map((block) => store.get(blockKey(block))));
  return entries
    .filter((entry) => entry !== undefined)
    .filter((entry) => decodeClaim(entry).owner === owner)
    .map(({ key, revision }) => ({ type: 'delete', key, expectedRevision: revision }));
}

/**
 * What makes the claims in the store (all entries under {@link allBlockClaims}) those that are wanted, which must not
 * overlap; nothing if they are.
 */
export function replaceClaims(
  entries: readonly Entry[],
  wanted: readonly { readonly block: AddressBlock; readonly owner: string }[],
): Write[] {
  const present = new Map(entries.map((entry) => [entry.key, entry]));
  const before = present.get(register);
  present.delete(register);
  const writes: Write[] = [];
  for (const { block, owner } of wanted) {
    const create = createClaim(block, owner);
    const entry = present.get(create.key);
    present.delete(create.key);
    if (!entry) writes.push(create);
    else if (entry.value !== create.value)
      writes.push({ ...create, type: 'update', expectedRevision: entry.revision });
  }
  for (const { key, revision } of present.values())
    writes.push({ type: 'delete', key, expectedRevision: revision });
  if (writes.length === 0) return [];
  return [
    writeRegister(
      before,
      wanted.map(({ block }) => block),
    ),
    ...writes,
  ];
}

async function findOverlap(
  store: Store,
  block: AddressBlock,
  prefixes: readonly number[],
): Promise<BlockClaim | undefined> {
  const family = familyPrefix(block);
  const startAfter = block.first === 0n ? family : family + renderFirst(block, block.first - 1n);
  const { entries } = await store.list(family, { startAfter, limit: 1 });
  const around = prefixes.filter((prefix) => prefix < block.prefix);
  const keys = around.map((prefix) => family + renderFirst(block, networkOf(block, prefix)));
  const others = await Promise.all(keys.map((key) => store.get(key)));
  return [...entries, ...others]
    .filter((entry) => entry !== undefined)
    .map(decodeClaim)
    .find(({ cidr }) => overlaps(parseBlock(cidr), block));
}

function createClaim(block: AddressBlock, owner: string) {
  const claim: BlockClaim = { cidr: block.cidr, owner };
  return { type: 'create', key: blockKey(block), value: JSON.stringify(claim) } as const;
}

function writeRegister(entry: Entry | undefined, blocks: readonly AddressBlock[]): Write {
  const { prefixes } = decodeRegister(entry);
  const merge = (family: AddressBlock['family']): number[] => {
    const added = blocks.filter((block) => block.family === family).map(({ prefix }) => prefix);
    return [...new Set([...prefixes[family], ...added])].sort((a, b) => a - b);
  };
  const next: Register = { prefixes: { ipv4: merge('ipv4'), ipv6: merge('ipv6') } };
  const write = { key: register, value: JSON.stringify(next) };
  return entry
    ? { ...write, type: 'update', expectedRevision: entry.revision }
    : { ...write, type: 'create' };
}

function decodeRegister(entry: Entry | undefined): Register {
  return entry ? (JSON.parse(entry.value) as Register) : { prefixes: { ipv4: [], ipv6: [] } };
}

function decodeClaim(entry: Entry): BlockClaim {
  return JSON.parse(entry.value) as BlockClaim;
}

function blockKey(block: AddressBlock): string {
  return familyPrefix(block) + renderFirst(block, block.first);
}

function familyPrefix({ family }: AddressBlock): string {
  return claimKey('pod-range', `${family}/`);
}

/** Hexadecimal and of one width, so that keys are in the order of the addresses. */
function renderFirst({ bits }: AddressBlock, first: bigint): string {
  return first.toString(16).padStart(bits / 4, '0');
}
