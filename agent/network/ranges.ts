import type { Cidr } from '../../netns/ip.ts';
import { addressAt, parseCidr, renderCidr } from '../../netns/ip.ts';
import { RangeIndex } from './range-index.ts';
import type { ClusterNode, PodRange } from './view.ts';

/** The ranges with their gateways: the first address of each. */
export function podRanges(cidrs: readonly string[]): PodRange[] {
  return cidrs.map((text) => toPodRange(parseCidr(text)));
}

function toPodRange(cidr: Cidr): PodRange {
  return { family: cidr.family, cidr: renderCidr(cidr), gateway: addressAt(cidr, 1n) };
}

/** What one node says that it has. */
interface Claim {
  readonly created: string;
  readonly cidrs: readonly Cidr[];
  /** The same, as it is given to the node. */
  readonly ranges: readonly PodRange[];
}

const claims = new WeakMap<ClusterNode, Claim>();

/** Read once per node: a table of thousands is made anew at each full pass. */
function claimOf(node: ClusterNode): Claim {
  const known = claims.get(node);
  if (known) return known;
  const cidrs = node.podCIDRs.map(parseCidr);
  const claim = { created: node.created, cidrs, ranges: cidrs.map(toPodRange) };
  claims.set(node, claim);
  return claim;
}

/**
 * Which node has which ranges. One that overlaps an older node's is nobody's: packets must not go two ways.
 * A change costs what it concerns: the nodes whose ranges overlap with the changed one's, and theirs.
 */
export class RangeTable {
  readonly #claims = new Map<string, Claim>();
  readonly #index: RangeIndex;
  readonly #accepted = new Map<string, readonly PodRange[]>();
  /** The older node that keeps a node from its ranges, by that node. */
  readonly #rivals = new Map<string, string>();

  constructor(nodes: Iterable<ClusterNode> = []) {
    for (const node of nodes) if (node.podCIDRs.length > 0) this.#claims.set(node.name, claimOf(node));
    this.#index = new RangeIndex(
      [...this.#claims].flatMap(([owner, { cidrs }]) => cidrs.map((cidr) => ({ cidr, owner }))),
    );
    const contested = this.#index.contested();
    for (const [name, { ranges }] of this.#claims) if (!contested.has(name)) this.#accepted.set(name, ranges);
    this.#judge(contested);
  }

  /** Takes in a node as it is now. Returns the nodes whose ranges may have changed by it, itself among them. */
  set(node: ClusterNode): string[] {
    const concerned = this.#neighborhood([node.name]);
    this.#unclaim(node.name);
    this.#claim(node);
    return this.#judge(concerned);
  }

  /** Forgets a node. Returns the nodes whose ranges may have changed by it. */
  delete(name: string): string[] {
    const concerned = this.#neighborhood([name]);
    this.#unclaim(name);
    return this.#judge(concerned);
  }

  /** A node's ranges; none when it has none or they are somebody else's. */
  rangesOf(name: string): readonly PodRange[] {
    return this.#accepted.get(name) ?? [];
  }

  /** The older node that has a range of this one's. */
  rivalOf(name: string): string | undefined {
    return this.#rivals.get(name);
  }

  #claim(node: ClusterNode): void {
    if (node.podCIDRs.length === 0) return;
    const claim = claimOf(node);
    this.#claims.set(node.name, claim);
    for (const cidr of claim.cidrs) this.#index.add(cidr, node.name);
  }

  #unclaim(name: string): void {
    for (const cidr of this.#claims.get(name)?.cidrs ?? []) this.#index.remove(cidr, name);
    this.#claims.delete(name);
    this.#accepted.delete(name);
    this.#rivals.delete(name);
  }

  /** The nodes and all that overlap with them, directly or through others. */
  #neighborhood(names: Iterable<string>): Set<string> {
    const found = new Set(names);
    for (const each of found) {
      for (const cidr of this.#claims.get(each)?.cidrs ?? []) {
        for (const other of this.#index.overlapping(cidr)) found.add(other);
      }
    }
    return found;
  }

  /** Decides anew about these nodes and all that overlap with them. */
  #judge(names: Iterable<string>): string[] {
    const concerned = this.#neighborhood(names);
    for (const name of concerned) {
      this.#accepted.delete(name);
      this.#rivals.delete(name);
    }
    const oldestFirst = [...concerned]
      .map((name) => ({ name, created: this.#claims.get(name)?.created ?? '' }))
      .sort((a, b) => compare(a.created, b.created) || compare(a.name, b.name));
    for (const { name } of oldestFirst) {
      const claim = this.#claims.get(name);
      if (!claim) continue;
      const rival = this.#holderOf(claim.cidrs);
      if (rival !== undefined) this.#rivals.set(name, rival);
      else this.#accepted.set(name, claim.ranges);
    }
    return [...concerned];
  }

  /** A node that has been given one of these ranges, or a part of it. */
  #holderOf(cidrs: readonly Cidr[]): string | undefined {
    for (const cidr of cidrs) {
      for (const other of this.#index.overlapping(cidr)) if (this.#accepted.has(other)) return other;
    }
    return undefined;
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
