import type { Run } from './command.ts';
import { EndpointIndex } from './endpoint-index.ts';
import { isRulesError, RulesError } from './error.ts';
import type { FamilyTraits } from './family.ts';
import type { FrontendChange } from './frontends.ts';
import { FrontendBanks } from './iptables-banks.ts';
import { WantedChains } from './iptables-chains.ts';
import type { Source } from './iptables-chains.ts';
import { renderProbe, renderProbeEnd, renderSocketProbe } from './iptables-probe.ts';
import { explainRefusal } from './iptables-refusal.ts';
import { countChanges, noteApplied, planChanges, renderRestore } from './iptables-restore.ts';
import type { TableChange } from './iptables-restore.ts';
import {
  isServed,
  listOwnChains,
  ofFamily,
  renderBlocked,
  renderLeaf,
  renderOwnChain,
} from './iptables-rules.ts';
import { emptyState, parseSave } from './iptables-save.ts';
import type { State } from './iptables-save.ts';
import {
  renderFarFilter,
  renderFarInvalid,
  renderFarNat,
  renderHairpin,
  renderSkeleton,
  tables,
} from './iptables-skeleton.ts';
import type { Table } from './iptables-skeleton.ts';
import type { Frontend, NodeSettings } from './model.ts';

/** Which kernel interface the programs use: `iptables-nft-restore` or `iptables-legacy-restore`. */
export type Variant = 'nft' | 'legacy';

/**
 * How many characters of new chains go into one call. iptables-nft-restore takes more than proportionally longer for
 * more (10,000 Services: 2.9 s in one, 2.0 s in ten or twenty). The legacy one writes the whole table each time, which
 * speaks for one call; but all that is sent in one is in this process's memory twice.
 */
const pieceLengths: Readonly<Record<Variant, number>> = { nft: 500_000, legacy: 5_000_000 };

/** How often a table is offered that was refused as a whole: somebody may have changed it at the same moment. */
const commitTries = 3;

type ByTable<T> = Readonly<Record<Table, T>>;

function eachTable<T>(make: (table: Table) => T): ByTable<T> {
  return { raw: make('raw'), filter: make('filter'), nat: make('nat') };
}

/**
 * What iptables or ip6tables should hold and, as far as is known, does hold. Neither is kept as text: rules are made
 * from their frontends when they are written, and of what the kernel has there is a digest per chain.
 */
export class IptablesFamily {
  readonly #traits: FamilyTraits;
  readonly #variant: Variant;
  readonly #run: Run;
  #settings: NodeSettings | undefined;
  #active = false;
  /** The kernel may hold something else than {@link #current} says. */
  #doubtful = false;
  #banks: { readonly nat: FrontendBanks; readonly filter: FrontendBanks } | undefined;
  #index = new EndpointIndex({ clusterCIDRs: [], podCIDRs: [] });
  readonly #wanted = eachTable(() => new WantedChains());
  /** Chains that may differ from what the kernel has. */
  readonly #dirty = eachTable(() => new Set<string>());
  #current: State = emptyState();

  constructor(traits: FamilyTraits, variant: Variant, run: Run) {
    this.#traits = traits;
    this.#variant = variant;
    this.#run = run;
  }

  /** Starts over with an empty set of frontends under `settings`. */
  reset(settings: NodeSettings): void {
    const { family } = this.#traits;
    this.#settings = settings;
    for (const table of tables) {
      for (const chain of this.#wanted[table].names()) this.#dirty[table].add(chain);
      this.#wanted[table].clear();
    }
    this.#banks = {
      nat: new FrontendBanks(family, { address: 'WEFT-VIP', nodePort: 'WEFT-NP' }, (frontend) =>
        renderLeaf(this.#traits, frontend),
      ),
      filter: new FrontendBanks(family, { address: 'WEFT-BLOCK', nodePort: 'WEFT-BNP' }, (frontend) =>
        renderBlocked(this.#traits, frontend, settings),
      ),
    };
    this.#index = new EndpointIndex(settings);
    // A cluster without this family has no rules of it, only what an earlier configuration left.
    this.#active = ofFamily(this.#traits, [...settings.clusterCIDRs, ...settings.serviceCIDRs]).length > 0;
    if (!this.#active) return;
    this.settle(settings);
    this.#wantEndpointChains();
  }

  /** Takes over settings that differ in nothing that rules of frontends depend on. */
  settle(settings: NodeSettings): void {
    this.#settings = settings;
    if (!this.#active) return;
    const skeleton = renderSkeleton(this.#traits, settings);
    for (const table of tables) {
      for (const [chain, rules] of skeleton[table]) this.#want(table, chain, () => rules);
    }
  }

  /** Takes frontends of this family over into the wanted chains; {@link apply} brings them to the kernel. */
  update(changes: readonly FrontendChange[]): void {
    if (!this.#active) return;
    let endpointsChanged = false;
    for (const { before, after } of changes) {
      if ((after ?? before)?.family !== this.#traits.family) continue;
      this.#updateFrontend(before, after);
      endpointsChanged = this.#index.update(before, after) || endpointsChanged;
    }
    if (endpointsChanged) this.#wantEndpointChains();
  }

  /** Reads what the kernel holds, so that the next {@link apply} compares everything. */
  async read(): Promise<void> {
    this.#current = parseSave(await this.#run(`${this.#traits.command}-${this.#variant}-save`, []));
    this.#doubtful = false;
    for (const table of tables) {
      for (const chain of this.#wanted[table].names()) this.#dirty[table].add(chain);
      for (const chain of this.#current[table].chains.keys()) this.#dirty[table].add(chain);
    }
  }

  /** Brings the kernel from what it holds to what is wanted. Returns the number of chains and hooks changed. */
  async apply(): Promise<number> {
    if (this.#doubtful) await this.read();
    if (this.#banks && this.#active) {
      for (const table of ['nat', 'filter'] as const) {
        for (const [chain, source] of this.#banks[table].takeChanged()) this.#want(table, chain, source);
      }
    }
    const changes = await this.#restore(this.#wanted, this.#dirty);
    for (const table of tables) this.#dirty[table].clear();
    return changes;
  }

  /** Whether the kernel refuses the rules of some of these frontends. Asking changes nothing that packets meet. */
  async refuses(frontends: readonly Frontend[]): Promise<boolean> {
    const ours = frontends.filter(({ family }) => family === this.#traits.family);
    if (!this.#settings || !this.#active || ours.length === 0) return false;
    return !(await this.#takes(renderProbe(this.#traits, ours, this.#settings)));
  }

  /** Whether the kernel has the matches `socket` and `recent`. Asking changes nothing that packets meet. */
  findsSockets(): Promise<boolean> {
    return this.#takes(renderSocketProbe(this.#traits));
  }

  /** Removes all chains and hooks of ours. */
  async remove(): Promise<boolean> {
    await this.read();
    const nothing = eachTable(() => new WantedChains());
    const all = eachTable((table) => [...this.#current[table].chains.keys()]);
    return (await this.#restore(nothing, all)) > 0;
  }

  async #restore(wanted: ByTable<WantedChains>, chains: ByTable<Iterable<string>>): Promise<number> {
    let count = 0;
    for (const changes of planChanges(this.#current, wanted, chains, pieceLengths[this.#variant])) {
      await this.#restoreOne(changes);
      count += countChanges(changes);
    }
    return count;
  }

  async #restoreOne(changes: readonly TableChange[]): Promise<void> {
    let left = changes;
    for (let tries = 1; ; tries++) {
      this.#doubtful = true;
      try {
        await this.#runRestore(renderRestore(left));
        noteApplied(this.#current, left);
        this.#doubtful = false;
        return;
      } catch (error) {
        if (!isRulesError(error, 'REFUSED')) throw error;
        const { applied, certain, service, atCommit } = explainRefusal(left, error.message);
        noteApplied(this.#current, applied);
        left = left.slice(applied.length);
        this.#doubtful = !certain;
        if (!atCommit || tries === commitTries) {
          throw new RulesError('REFUSED', error.message, { cause: error, ...(service ? { service } : {}) });
        }
      }
    }
  }

  async #runRestore(input: string): Promise<void> {
    const program = `${this.#traits.command}-${this.#variant}-restore`;
    // -w 10: wait for others who hold the lock (legacy only; nft transactions need none).
    await this.#run(program, ['--noflush', '-w', '10'], input);
  }

  /** Whether the kernel takes a probe, which is removed again. */
  async #takes(probe: string): Promise<boolean> {
    try {
      await this.#runRestore(probe);
      return true;
    } catch (error) {
      if (!isRulesError(error, 'REFUSED')) throw error;
      return false;
    } finally {
      await this.#runRestore(renderProbeEnd());
    }
  }

  #updateFrontend(before: Frontend | undefined, after: Frontend | undefined): void {
    const [settings, banks] = [this.#settings, this.#banks];
    if (!settings || !banks) return;
    const isBlocked = after && renderBlocked(this.#traits, after, settings).length > 0;
    banks.nat.replace(before, after && isServed(after) ? after : undefined);
    banks.filter.replace(before, isBlocked ? after : undefined);
    for (const chain of before ? listOwnChains(before) : []) this.#want('nat', chain, undefined);
    if (!after) return;
    for (const chain of listOwnChains(after)) {
      this.#want('nat', chain, () => renderOwnChain(this.#traits, after, settings, chain));
    }
  }

  #wantEndpointChains(): void {
    const [traits, index] = [this.#traits, this.#index];
    this.#want('nat', 'WEFT-HAIRPIN', () => renderHairpin(traits, index.hairpin()));
    this.#want('nat', 'WEFT-FAR', () => renderFarNat(traits, index.far()));
    this.#want('filter', 'WEFT-FAR', () => renderFarFilter(traits, index.far()));
    this.#want('filter', 'WEFT-INVALID-FAR', () => renderFarInvalid(traits, index.far()));
  }

  #want(table: Table, chain: string, source: Source | undefined): void {
    this.#wanted[table].set(chain, source);
    this.#dirty[table].add(chain);
  }
}
