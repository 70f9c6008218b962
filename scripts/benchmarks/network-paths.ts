import { HandMadeSite } from './network-by-hand.ts';
import { NetworkLab } from './network-lab.ts';
import type { NetworkPath } from './network-path.ts';
import { median } from './statistics.ts';

const rounds = 9;

/** What was measured of each way, round by round. */
export class Rounds<Key extends string> {
  readonly #values: ReadonlyMap<Key, readonly number[]>;

  constructor(values: ReadonlyMap<Key, readonly number[]>) {
    this.#values = values;
  }

  median(way: Key): number {
    return median(this.#of(way));
  }

  /** The median of the rounds' ratios: what disturbs one way disturbs its neighbours in the round. */
  ratio(way: Key, base: Key): number {
    const bases = this.#of(base);
    return median(this.#of(way).map((value, round) => value / (bases[round] ?? NaN)));
  }

  #of(way: Key): readonly number[] {
    return this.#values.get(way) ?? [];
  }
}

/** All ways that are compared. */
export type WayName = keyof ReturnType<typeof waysOf>;

interface Places {
  readonly direct: NetworkLab;
  readonly routed: NetworkLab;
  readonly vxlan: NetworkLab;
  readonly flannel: HandMadeSite;
  readonly bare: HandMadeSite;
}

function waysOf({ direct, routed, vxlan, flannel, bare }: Places) {
  return {
    underlay: direct.underlay('underlay'),
    direct: direct.across('direct'),
    /** The same topology, pods' links and bridges, without an agent or any rule. */
    bare: bare.pods,
    vxlan: vxlan.across('vxlan'),
    flannel: flannel.pods,
    flannelUnderlay: flannel.underlay,
    bridged: direct.within('same node, bridge'),
    routed: routed.within('same node, routed'),
    directRouted: routed.across('direct, routed'),
  } satisfies Record<string, NetworkPath>;
}

/** The labs and hand-made hosts between which packets are sent. */
export class Paths implements Disposable {
  readonly #undo = new DisposableStack();
  readonly #ways: Readonly<Record<WayName, NetworkPath>>;

  constructor() {
    using undo = new DisposableStack();
    const open = (name: string, apiPort: number, ...flags: string[]): NetworkLab =>
      undo.use(new NetworkLab({ name, apiPort, flags }));
    this.#ways = waysOf({
      direct: open('bench-direct', 16443, '--network-mode', 'direct'),
      routed: open('bench-routed', 16445, '--network-mode', 'direct', '--pod-link', 'routed'),
      vxlan: open('bench-vxlan', 16444, '--network-mode', 'vxlan'),
      flannel: undo.use(new HandMadeSite('flannel')),
      bare: undo.use(new HandMadeSite('bare')),
    });
    this.#undo.use(undo.move());
  }

  [Symbol.dispose](): void {
    this.#undo.dispose();
  }

  /** Each way has a place in every round; every other round goes the other way about. */
  async measure<Value>(action: (path: NetworkPath) => Promise<Value>): Promise<Map<WayName, Value[]>> {
    const names = Object.keys(this.#ways) as WayName[];
    const values = new Map(names.map((name) => [name, [] as Value[]]));
    for (let round = 0; round < rounds; round += 1) {
      for (const name of round % 2 === 0 ? names : names.toReversed()) {
        values.get(name)?.push(await action(this.#ways[name]));
      }
    }
    return values;
  }
}
