import { families } from './family.ts';
import { bankObjects, banks } from './nftables-banks.ts';
import { changesWhole, identify } from './nftables-compare.ts';
import type { ElementDiff } from './nftables-compare.ts';
import type { Element, NftTransaction } from './nftables-door.ts';

/**
 * So many elements go in one transaction, whatever they are. While anybody listens to nf_tables (our own watch, `nft
 * monitor`) the kernel holds 4 KiB for each element until the transaction is done: 700 MB for 30,000 Services at once.
 */
const wholeElements = 4000;

/** Objects whose elements no packet meets unless an element of the same frontend in another object leads to them. */
const leaves = new Set([
  ...banks.map(bankObjects).flatMap(({ classes, endpoints, slots }) => [classes, endpoints, slots]),
  ...families.map(({ suffix }) => `allowed${suffix}`),
]);

/** Objects that lead to {@link leaves}, and that other objects lead to. */
const branches = new Set(
  banks.filter(({ view }) => view !== 'main').map((bank) => bankObjects(bank).services),
);

/**
 * A change of ordinary size as one transaction. A larger one (a first load, much that was damaged) as several, in which
 * no frontend is ever met half-programmed: first what only comes and nothing leads to yet; then, at once, all that packets
 * meet and that changes its value; then what only goes and nothing leads to any more.
 */
export function* splitTransaction({ removed, added, changes }: ElementDiff): Generator<NftTransaction> {
  if (changes <= wholeElements) {
    yield { removed, added };
    return;
  }
  const gone = new Map(Iterator.from(removed).map((element) => [identify(element), element]));
  const replaced = new Set<string>();
  const isNew = (element: Element): boolean => {
    if (gone.size === 0) return true;
    const id = identify(element);
    if (gone.has(id)) replaced.add(id);
    return !gone.has(id);
  };
  for (const early of [leaves, branches]) {
    const part = Iterator.from(added).filter((element) => early.has(element.object) && isNew(element));
    for (const some of inParts(part)) yield { removed: [], added: some };
  }
  const late = [...gone.values()].filter((each) => leaves.has(each.object) && !replaced.has(identify(each)));
  for (const element of late) gone.delete(identify(element));
  const rest = Iterator.from(added).filter((element) => {
    return !isNew(element) || !(leaves.has(element.object) || branches.has(element.object));
  });
  if (gone.size > 0) yield { removed: gone.values(), added: rest };
  // Where nothing has to go for them, each of these makes its frontend complete.
  else for (const part of inParts(rest)) yield { removed: [], added: part };
  for (const part of inParts(late.values())) yield { removed: part, added: [] };
}

function* inParts(all: Iterator<Element>): Generator<Element[]> {
  let part: Element[] = [];
  for (const element of Iterator.from(all)) {
    part.push(element);
    if (part.length < wholeElements || changesWhole(element.object)) continue;
    yield part;
    part = [];
  }
  if (part.length > 0) yield part;
}
