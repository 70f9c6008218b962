import { addressDispatch, DispatchTree, portDispatch } from './dispatch.ts';
import type { Run } from './command.ts';
import { EndpointIndex } from './endpoint-index.ts';
import type { FamilyTraits } from './family.ts';
import type { FrontendChange } from './frontends.ts';
import { ofFamily, renderBlocked, renderFrontend } from './iptables-rules.ts';
import type { Rule } from './iptables-rules.ts';
import {
  countChanges,
  diffTable,
  emptyState,
  noteApplied,
  parseSave,
  renderRestore,
} from './iptables-save.ts';
import type { State, TableChange } from './iptables-save.ts';
import { renderEndpointChains, renderSkeleton, tables } from './iptables-skeleton.ts';
import type { Table } from './iptables-skeleton.ts';
import { protocols } from './model.ts';
import type { Frontend, NodeSettings, Protocol } from './model.ts';

/** Which kernel interface the programs use: `iptables-nft-restore` or `iptables-legacy-restore`. */
export type Variant = 'nft' | 'legacy';

/** A dispatch tree with the rules of each frontend under the address or port that leads to them. */
class Bank {
  readonly tree: DispatchTree;
  readonly #byKey = new Map<string, Map<string, readonly Rule[]>>();

  constructor(tree: DispatchTree) {
    this.tree = tree;
  }

  set(key: string, id: string, rules: readonly Rule[]): void {
    const byId = this.#byKey.get(key) ?? new Map<string, readonly Rule[]>();
    if (rules.length > 0) byId.set(id, rules);
    else byId.delete(id);
    if (byId.size > 0) this.#byKey.set(key, byId);
    else this.#byKey.delete(key);
    const ids = [...byId.keys()].sort();
    this.tree.set(
      key,
      ids.flatMap((each) => byId.get(each) ?? []),
    );
  }
}

/** The chains of one table in which frontends are found: by address, or by port on the node's own addresses. */
interface Banks {
  readonly vip: Bank;
  readonly nodePorts: Readonly<Record<Protocol, Bank>>;
}

/** What iptables or ip6tables should hold and, as far as is known, does hold. */
export class IptablesFamily {
  readonly #traits: FamilyTraits;
  readonly #variant: Variant;
  readonly #run: Run;
  #settings: NodeSettings | undefined;
  #active = false;
  /** The kernel may hold something else than {@link #current} says. */
  #doubtful = false;
  #banks: { readonly nat: Banks; readonly filter: Banks } | undefined;
  #index = new EndpointIndex([]);
  /** Chains of frontends that have their own, to know which go. */
  #ownChains = new Map<string, readonly string[]>();
  #wanted: Record<Table, Map<string, readonly Rule[]>> = {
    raw: new Map(),
    filter: new Map(),
    nat: new Map(),
  };
  #dirty: Record<Table, Set<string>> = { raw: new Set(), filter: new Set(), nat: new Set() };
  #current: State = emptyState();

  constructor(traits: FamilyTraits, variant: Variant, run: Run) {
    this.#traits = traits;
    this.#variant = variant;
    this.#run = run;
  }

  /** Starts over with an empty set of frontends under `settings`. */
  reset(settings: NodeSettings): void {
    this.#settings = settings;
    for (const table of tables) {
      for (const chain of this.#wanted[table].keys()) this.#dirty[table].add(chain);
      this.#wanted[table].clear();
    }
    this.#banks = {
      nat: this.#makeBanks('WEFT-VIP', 'WEFT-NP'),
      filter: this.#makeBanks('WEFT-BLOCK', 'WEFT-BNP'),
    };
    this.#index = new EndpointIndex(settings.clusterCIDRs);
    this.#ownChains = new Map();
    // A cluster without this family has no rules of it, only what an earlier configuration left.
    this.#active = ofFamily(this.#traits, [...settings.clusterCIDRs, ...settings.serviceCIDRs]).length > 0;
    if (!this.#active) return;
    this.#want(renderSkeleton(this.#traits, settings));
    this.#want(renderEndpointChains(this.#traits, { hairpin: [], far: [] }));
  }

  /** Takes frontends of this family over into the wanted chains; {@link apply} brings them to the kernel. */
  update(changes: readonly FrontendChange[]): void {
    if (!this.#active) return;
    let endpointsChanged = false;
    for (const { id, before, after } of changes) {
      if ((after ?? before)?.family !== this.#traits.family) continue;
      this.#updateFrontend(id, before, after);
      endpointsChanged = this.#index.update(before, after) || endpointsChanged;
    }
    if (!endpointsChanged) return;
    const endpoints = { hairpin: this.#index.hairpin(), far: this.#index.far() };
    this.#want(renderEndpointChains(this.#traits, endpoints));
  }

  /** Reads what the kernel holds, so that the next {@link apply} compares everything. */
  async read(): Promise<void> {
    this.#current = parseSave(await this.#run(`${this.#traits.command}-${this.#variant}-save`, []));
    this.#doubtful = false;
    for (const table of tables) {
      for (const chain of this.#wanted[table].keys()) this.#dirty[table].add(chain);
      for (const chain of this.#current[table].chains.keys()) this.#dirty[table].add(chain);
    }
  }

  /** Brings the kernel from what it holds to what is wanted. Returns the number of chains and hooks changed. */
  async apply(): Promise<number> {
    if (this.#doubtful) await this.read();
    this.#takeTrees();
    const changes = tables.map((table) =>
      diffTable(table, this.#current[table], this.#wanted[table], this.#dirty[table]),
    );
    await this.#restore(changes);
    for (const table of tables) this.#dirty[table].clear();
    return countChanges(changes);
  }

  /** Removes all chains and hooks of ours. */
  async remove(): Promise<boolean> {
    await this.read();
    const changes = tables.map((table) => diffTable(table, this.#current[table], new Map()));
    await this.#restore(changes);
    return countChanges(changes) > 0;
  }

  async #restore(changes: readonly TableChange[]): Promise<void> {
    if (countChanges(changes) === 0) return;
    const program = `${this.#traits.command}-${this.#variant}-restore`;
    // -w 10: wait for others who hold the lock (legacy only; nft transactions need none).
    // Each table is a transaction of its own: after a failure only the kernel knows how far it came.
    this.#doubtful = true;
    await this.#run(program, ['--noflush', '-w', '10'], renderRestore(changes));
    this.#doubtful = false;
    noteApplied(this.#current, changes);
  }

  #updateFrontend(id: string, before: Frontend | undefined, after: Frontend | undefined): void {
    const frontend = after ?? before;
    if (!frontend || !this.#banks || !this.#settings) return;
    const rules = after && renderFrontend(this.#traits, after, this.#settings);
    const blocked = after ? renderBlocked(this.#traits, after, this.#settings) : [];
    place(this.#banks.nat, frontend, id, rules?.leaf ?? []);
    place(this.#banks.filter, frontend, id, blocked);
    for (const chain of this.#ownChains.get(id) ?? []) {
      this.#wanted.nat.delete(chain);
      this.#dirty.nat.add(chain);
    }
    const chains = rules?.chains ?? new Map<string, readonly Rule[]>();
    if (chains.size > 0) this.#ownChains.set(id, [...chains.keys()]);
    else this.#ownChains.delete(id);
    this.#setChains('nat', chains);
  }

  #makeBanks(vip: string, nodePorts: string): Banks {
    const bank = (protocol: Protocol): [Protocol, Bank] => [
      protocol,
      new Bank(new DispatchTree(portDispatch(`${nodePorts}-${protocol.toUpperCase()}`, protocol))),
    ];
    return {
      vip: new Bank(new DispatchTree(addressDispatch(vip, this.#traits.family))),
      nodePorts: Object.fromEntries(protocols.map(bank)) as Record<Protocol, Bank>,
    };
  }

  #takeTrees(): void {
    if (!this.#banks || !this.#active) return;
    for (const table of ['nat', 'filter'] as const) {
      const { vip, nodePorts } = this.#banks[table];
      for (const { tree } of [vip, ...Object.values(nodePorts)]) this.#setChains(table, tree.takeChanged());
    }
  }

  #want(chains: Record<Table, ReadonlyMap<string, readonly Rule[]>>): void {
    for (const table of tables) this.#setChains(table, chains[table]);
  }

  #setChains(table: Table, chains: Iterable<readonly [string, readonly Rule[] | undefined]>): void {
    for (const [chain, rules] of chains) {
      if (rules) this.#wanted[table].set(chain, rules);
      else this.#wanted[table].delete(chain);
      this.#dirty[table].add(chain);
    }
  }
}

function place(banks: Banks, frontend: Frontend, id: string, rules: readonly Rule[]): void {
  if (frontend.address === undefined)
    banks.nodePorts[frontend.protocol].set(String(frontend.port), id, rules);
  else banks.vip.set(frontend.address, id, rules);
}
