import { createHash } from 'node:crypto';
import type { AddressLease } from './leases.ts';
import type { Candidate, WantedAddress } from './wanted.ts';

/** All that a node's next steps follow from. */
export interface AnnouncementView {
  readonly self: string;
  readonly wanted: readonly WantedAddress[];
  /** By address. */
  readonly leases: ReadonlyMap<string, AddressLease>;
  /** Nodes that certainly announce nothing any more. */
  readonly gone: ReadonlySet<string>;
  /** What this node announces now. */
  readonly held: ReadonlySet<string>;
  /** Whether this node has a link on which to announce it. */
  readonly isReachable: (address: string) => boolean;
}

/** What a node shall do about an address. `rank`: how many others should try before it. */
export type Step =
  /** Take it: write the Lease, then announce. */
  | { readonly kind: 'acquire'; readonly address: string; readonly rank: number }
  /** Another has it, or the Lease was deleted: stop announcing. */
  | { readonly kind: 'lose'; readonly address: string }
  /** Stop announcing, then give the Lease away. */
  | { readonly kind: 'release'; readonly address: string }
  /** No Service has the address any more: stop announcing, then delete the Lease. */
  | { readonly kind: 'remove'; readonly address: string; readonly rank: number };

/**
 * Decides what this node has to do. Who holds an address keeps it while it lives and is a candidate, whoever joins;
 * free addresses go to the candidates with the fewest, and between equals each address has its own order of nodes.
 */
export function planSteps(view: AnnouncementView): Step[] {
  const { self, leases, gone, held } = view;
  const holderOf = (address: string): string | undefined => {
    const holder = leases.get(address)?.holder;
    return holder === undefined || gone.has(holder) ? undefined : holder;
  };
  const steps: Step[] = [];
  for (const address of held) if (holderOf(address) !== self) steps.push({ kind: 'lose', address });
  const loads = countLoads(leases.keys().map(holderOf));
  const byAddress = new Map(view.wanted.map((wanted) => [wanted.address, wanted]));
  for (const address of [...new Set([...byAddress.keys(), ...leases.keys()])].sort()) {
    const holder = holderOf(address);
    const wanted = byAddress.get(address);
    if (!wanted) {
      const rank = holder === undefined ? rankAmong([...loads.keys(), self], address, self) : 0;
      if (holder === self || holder === undefined) steps.push({ kind: 'remove', address, rank });
      continue;
    }
    const mayHold = wanted.candidates.some(({ node }) => node === self) && view.isReachable(address);
    if (holder === self) {
      if (!mayHold) steps.push({ kind: 'release', address });
      else if (!held.has(address)) steps.push({ kind: 'acquire', address, rank: 0 });
    } else if (holder === undefined) {
      const order = orderCandidates(address, wanted.candidates, gone, loads);
      const [first] = order;
      if (first !== undefined) loads.set(first, (loads.get(first) ?? 0) + 1);
      // A node that was gone for the others does not know; it tries behind them.
      const rank = order.includes(self) ? order.indexOf(self) : order.length;
      if (mayHold) steps.push({ kind: 'acquire', address, rank });
    }
  }
  return steps;
}

/** Who should take a free address, best first. */
function orderCandidates(
  address: string,
  candidates: readonly Candidate[],
  gone: ReadonlySet<string>,
  loads: ReadonlyMap<string, number>,
): string[] {
  const rated = candidates
    .filter(({ node }) => !gone.has(node))
    .map(({ node, ready }) => ({ node, ready, load: loads.get(node) ?? 0, weight: weightOf(node, address) }));
  return rated
    .sort((a, b) => Number(b.ready) - Number(a.ready) || a.load - b.load || (a.weight < b.weight ? -1 : 1))
    .map(({ node }) => node);
}

function countLoads(holders: Iterable<string | undefined>): Map<string, number> {
  const loads = new Map<string, number>();
  for (const holder of holders) if (holder !== undefined) loads.set(holder, (loads.get(holder) ?? 0) + 1);
  return loads;
}

/** How many of these nodes come before `self`: they need not all do the same thing. */
function rankAmong(nodes: readonly string[], address: string, self: string): number {
  const own = weightOf(self, address);
  return new Set(nodes.filter((node) => weightOf(node, address) < own)).size;
}

/** Rendezvous hashing: each address sees the nodes in an order of its own, which no other node's coming changes. */
function weightOf(node: string, address: string): string {
  return createHash('sha256').update(`${node}\0${address}`).digest('hex');
}
