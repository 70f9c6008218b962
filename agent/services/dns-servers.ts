import { hash } from 'node:crypto';

import type { Node } from '../../api/kinds/node.ts';
import { RangeTable } from '../network/ranges.ts';
import { toClusterNode } from '../network/cluster-node.ts';
import type { PodRange } from '../network/view.ts';

interface Neighbor {
  readonly name: string;
  /** By chance, but always the same: another one for each node that asks. */
  readonly rank: string;
  readonly isReady: boolean;
}

/**
 * The other nodes of a cluster in the order in which one node has their DNS servers stand in for its own. A node that
 * changes costs a search among all, not a look at each.
 */
export class DnsServers {
  readonly #nodeName: string;
  readonly #ranges: RangeTable;
  readonly #neighbors: Neighbor[];

  /** @param nodeName the node that asks */
  constructor(nodeName: string, nodes: readonly Node[]) {
    this.#nodeName = nodeName;
    this.#ranges = new RangeTable(nodes.map(toClusterNode));
    this.#neighbors = nodes
      .filter(({ metadata: { name } }) => name !== nodeName)
      .map((node) => this.#toNeighbor(node))
      .sort((a, b) => compare(a.rank, b.rank));
  }

  /** Takes in a node as it is now. */
  set(node: Node): void {
    this.#ranges.set(toClusterNode(node));
    if (node.metadata.name === this.#nodeName) return;
    const neighbor = this.#toNeighbor(node);
    const at = this.#placeOf(neighbor.rank);
    this.#neighbors.splice(at, Number(this.#neighbors[at]?.rank === neighbor.rank), neighbor);
  }

  delete(name: string): void {
    this.#ranges.delete(name);
    const rank = this.#rankOf(name);
    const at = this.#placeOf(rank);
    if (this.#neighbors[at]?.rank === rank) this.#neighbors.splice(at, 1);
  }

  /** The ranges of so many nodes that answer and have ranges. */
  first(count: number): (readonly PodRange[])[] {
    const found: (readonly PodRange[])[] = [];
    for (const { name, isReady } of this.#neighbors) {
      const ranges = isReady ? this.#ranges.rangesOf(name) : [];
      if (ranges.length > 0 && found.push(ranges) === count) break;
    }
    return found;
  }

  #toNeighbor(node: Node): Neighbor {
    const { name } = node.metadata;
    return { name, rank: this.#rankOf(name), isReady: isReady(node) };
  }

  #rankOf(name: string): string {
    return hash('sha256', `${this.#nodeName} ${name}`);
  }

  /** Where a neighbor of this rank stands, or would. */
  #placeOf(rank: string): number {
    let [low, high] = [0, this.#neighbors.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compare(this.#neighbors[middle]?.rank ?? '', rank) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export function isReady({ status }: Node): boolean {
  return status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
