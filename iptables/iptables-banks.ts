import { addressDispatch, DispatchTree, portDispatch } from './dispatch.ts';
import type { Source } from './iptables-chains.ts';
import type { Rule } from './iptables-rules.ts';
import { protocols } from './model.ts';
import type { Family } from './family.ts';
import type { Frontend, Protocol } from './model.ts';

/** Frontends by the address or port that leads to them, each list in the order of its rules. */
type Tree = DispatchTree<readonly Frontend[]>;

/** The chains of one table in which frontends are found: by address, or by port on the node's own addresses. */
export class FrontendBanks {
  readonly #addresses: Tree;
  readonly #nodePorts: Readonly<Record<Protocol, Tree>>;

  /** @param roots names of the root chains; those of node ports end in their protocol */
  constructor(
    family: Family,
    roots: { readonly address: string; readonly nodePort: string },
    render: (frontend: Frontend) => readonly Rule[],
  ) {
    const renderAll = (frontends: readonly Frontend[]): readonly Rule[] => frontends.flatMap(render);
    const ports = (protocol: Protocol): Tree =>
      new DispatchTree(portDispatch(`${roots.nodePort}-${protocol.toUpperCase()}`, protocol), renderAll);
    this.#addresses = new DispatchTree(addressDispatch(roots.address, family), renderAll);
    this.#nodePorts = { tcp: ports('tcp'), udp: ports('udp'), sctp: ports('sctp') };
  }

  /** Puts `after` in the place of `before`; undefined: nothing there. Both are the same frontend, so far as it is found. */
  replace(before: Frontend | undefined, after: Frontend | undefined): void {
    const place = after ?? before;
    if (!place) return;
    const tree = place.address === undefined ? this.#nodePorts[place.protocol] : this.#addresses;
    const key = place.address ?? String(place.port);
    const others = (tree.get(key) ?? []).filter((each) => compare(each, place) !== 0);
    const all = after ? [...others, after].sort(compare) : others;
    tree.set(key, all.length > 0 ? all : undefined);
  }

  /** The chains that differ since the last call; undefined for those that must go. */
  *takeChanged(): Generator<[chain: string, source: Source | undefined]> {
    for (const tree of [this.#addresses, ...protocols.map((protocol) => this.#nodePorts[protocol])]) {
      yield* tree.takeChanged();
    }
  }
}

/** Frontends of one address: the order of their rules in a leaf. */
function compare(a: Frontend, b: Frontend): number {
  return protocols.indexOf(a.protocol) - protocols.indexOf(b.protocol) || a.port - b.port;
}
