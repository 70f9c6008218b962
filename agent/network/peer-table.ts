import type { NetworkState } from '../../netns/state.ts';
import type { PeerWays, Standpoint } from './peers.ts';
import { planPeer } from './peers.ts';
import type { RangeTable } from './ranges.ts';
import type { ClusterNode, PodRange } from './view.ts';

/** The part of a network that leads to other nodes. */
export type PeersState = Pick<NetworkState, 'routes' | 'neighbors' | 'fdb'>;

/** What a few nodes' ways were and shall be. */
export interface PeersChange {
  readonly before: PeersState;
  readonly after: PeersState;
}

/** The ways to all other nodes, kept by node: one that changes costs itself, however many there are. */
export class PeerTable {
  readonly #ranges: RangeTable;
  #from: Standpoint;
  readonly #nodes = new Map<string, ClusterNode>();
  readonly #ways = new Map<string, PeerWays>();
  readonly #problems = new Map<string, readonly string[]>();

  /** @param ranges who of these nodes has which ranges; belongs to the table from now on */
  constructor(ranges: RangeTable, nodes: Iterable<ClusterNode>, from: Standpoint) {
    this.#ranges = ranges;
    this.#from = from;
    for (const node of nodes) this.#nodes.set(node.name, node);
    for (const name of this.#nodes.keys()) this.#plan(name);
  }

  /** The ways to all of them. */
  get state(): PeersState {
    return merge([...this.#ways.values()]);
  }

  /** Each node that has ranges, with the ways there. */
  *entries(): Generator<{
    readonly name: string;
    readonly ranges: readonly PodRange[];
    readonly ways: PeerWays;
  }> {
    for (const [name, ways] of this.#ways) yield { name, ranges: this.#ranges.rangesOf(name), ways };
  }

  /** What is wrong with single nodes, a sentence each. */
  get problems(): string[] {
    return [...this.#problems.values()].flat();
  }

  /**
   * Takes in the nodes of these names as they are now, and what of their straight ways is proven by now; `undefined` is
   * one that is gone.
   * @returns undefined when it concerns this node's own ranges: then everything has to be planned again
   */
  change(
    nodes: ReadonlyMap<string, ClusterNode | undefined>,
    proven: Standpoint['proven'] = this.#from.proven,
  ): PeersChange | undefined {
    this.#from = { ...this.#from, proven };
    const concerned = new Set<string>();
    for (const [name, node] of nodes) {
      const judged = node ? this.#ranges.set(node) : this.#ranges.delete(name);
      if (node) this.#nodes.set(name, node);
      else this.#nodes.delete(name);
      for (const each of [name, ...judged]) concerned.add(each);
    }
    if (concerned.has(this.#from.nodeName)) return undefined;
    const ways = (): PeerWays[] => [...concerned].flatMap((name) => this.#ways.get(name) ?? []);
    const before = merge(ways());
    for (const name of concerned) this.#plan(name);
    return { before, after: merge(ways()) };
  }

  #plan(name: string): void {
    this.#ways.delete(name);
    this.#problems.delete(name);
    const node = this.#nodes.get(name);
    if (!node || name === this.#from.nodeName) return;
    const rival = this.#ranges.rivalOf(name);
    const ranges = this.#ranges.rangesOf(name);
    const ways = ranges.length === 0 ? undefined : planPeer(node, ranges, this.#from);
    if (ways) this.#ways.set(name, ways);
    const problems = [
      ...(node.flaws ?? []),
      ...(rival === undefined ? [] : [describeRivalry(node, rival)]),
      ...(ways?.problem === undefined ? [] : [ways.problem]),
    ];
    if (problems.length > 0) this.#problems.set(name, problems);
  }
}

/** Says that a node has no network, and what to do about it. */
export function describeRivalry({ name, podCIDRs }: ClusterNode, rival: string): string {
  return `podCIDR ${podCIDRs.join(',')} of node ${name} is node ${rival}'s; delete one of them`;
}

function merge(ways: readonly PeerWays[]): PeersState {
  return {
    routes: ways.flatMap(({ routes }) => routes),
    neighbors: ways.flatMap(({ neighbors }) => neighbors),
    fdb: ways.flatMap(({ fdb }) => fdb),
  };
}
