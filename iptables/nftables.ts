import { isDeepStrictEqual } from 'node:util';

import type { Backend, SyncResult } from './backend.ts';
import { runCommand } from './command.ts';
import type { Run } from './command.ts';
import { EndpointIndex } from './endpoint-index.ts';
import { RulesError } from './error.ts';
import { FrontendTable } from './frontends.ts';
import type { FrontendChange } from './frontends.ts';
import { syncIsolated } from './isolation.ts';
import type { NodeSettings, Ruleset } from './model.ts';
import { classChain, table } from './nftables-banks.ts';
import type { EndpointClass } from './nftables-banks.ts';
import { renderEndpointElements, renderFrontendElements, renderSettings } from './nftables-elements.ts';
import type { Element } from './nftables-elements.ts';
import { ElementStore } from './nftables-store.ts';
import { parseListing } from './nftables-listing.ts';
import type { Listing } from './nftables-listing.ts';
import { classElement, listSplitElements, renderClass } from './nftables-classes.ts';
import { listChains, renderChains, renderSkeleton } from './nftables-skeleton.ts';

/** Services as elements of nftables maps, without a chain or rule per Service: read with `nft list table inet weft`. */
export class NftablesBackend implements Backend {
  readonly name = 'nftables';
  readonly #run: Run;
  #frontends = new FrontendTable();
  #settings: NodeSettings | undefined;
  #index = new EndpointIndex([]);
  #store = new ElementStore();
  /** Chains of endpoint classes that are needed, and those that the kernel has. */
  readonly #classes = new Map<string, EndpointClass>();
  readonly #classChains = new Set<string>();
  /** How our chains looked when they had just been written; empty: write them. */
  #written: ReadonlyMap<string, string> = new Map();
  /** Chains in our table that nothing needs any more. */
  #strayChains: readonly string[] = [];
  #refused = new Map<string, RulesError>();
  /** The kernel may hold something else than we believe. */
  #doubtful = true;

  constructor(run: Run = runCommand) {
    this.#run = run;
  }

  async sync(rules: Ruleset, changed?: ReadonlySet<string>): Promise<SyncResult> {
    const moved = !isDeepStrictEqual(this.#settings, rules.settings);
    const full = changed === undefined || moved;
    if (full) this.#doubtful = true;
    if (moved) this.#restart(rules.settings);
    let changes = 0;
    const attempt = async (keys: readonly string[]): Promise<void> => {
      changes += await this.#attempt(rules, keys);
    };
    const keys = full ? [...new Set([...this.#frontends.keys(), ...rules.services.keys()])] : [...changed];
    await syncIsolated(keys, this.#refused, attempt);
    return { changes, refused: new Map([...this.#frontends.listConflicts(), ...this.#refused]) };
  }

  async remove(): Promise<boolean> {
    const there = await this.#list();
    if (there) await this.#run('nft', ['-f', '-'], `delete table ${table}\n`);
    this.#settings = undefined;
    this.#doubtful = true;
    return there !== undefined;
  }

  #restart(settings: NodeSettings): void {
    this.#settings = settings;
    this.#frontends = new FrontendTable();
    this.#index = new EndpointIndex(settings.clusterCIDRs);
    this.#store.clearWanted();
    this.#classes.clear();
    for (const { object, key, value } of listSplitElements()) this.#store.add({ object, key, value });
    for (const element of renderSettings(settings)) this.#store.add(element);
  }

  /** Programs these Services on top of the others, or none of them. */
  async #attempt(rules: Ruleset, keys: readonly string[]): Promise<number> {
    const before = keys.map((key) => [key, this.#frontends.get(key)] as const);
    this.#take(
      keys.flatMap((key) => this.#frontends.update(key, rules.services.get(key))),
      rules.settings,
    );
    try {
      return await this.#apply();
    } catch (error) {
      this.#take(
        before.flatMap(([key, service]) => this.#frontends.update(key, service)),
        rules.settings,
      );
      throw error;
    }
  }

  #take(changes: readonly FrontendChange[], settings: NodeSettings): void {
    const endpoints = renderEndpointElements(this.#index);
    let endpointsChanged = false;
    for (const { before, after } of changes) {
      endpointsChanged = this.#index.update(before, after) || endpointsChanged;
      // The new ones first: what both have is then never taken out.
      if (after) this.#takeElements(renderFrontendElements(after, settings));
      if (before)
        for (const element of renderFrontendElements(before, settings).elements) this.#store.drop(element);
    }
    if (!endpointsChanged) return;
    for (const element of renderEndpointElements(this.#index)) this.#store.add(element);
    for (const element of endpoints) this.#store.drop(element);
  }

  #takeElements({
    elements,
    classes,
  }: {
    elements: readonly Element[];
    classes: readonly EndpointClass[];
  }): void {
    for (const element of elements) this.#store.add(element);
    for (const endpointClass of classes) {
      const chain = classChain(endpointClass);
      if (this.#classes.has(chain)) continue;
      this.#classes.set(chain, endpointClass);
      this.#store.add(classElement(endpointClass));
    }
  }

  /** Brings the kernel from what it holds to what is wanted, in one transaction. */
  async #apply(): Promise<number> {
    if (this.#doubtful) await this.#read();
    const skeleton = this.#written.size === 0;
    const newClasses = [...this.#classes].filter(([chain]) => !this.#classChains.has(chain));
    const { lines, changes } = this.#store.renderChanges();
    const script = [
      ...(skeleton ? [renderSkeleton()] : []),
      ...renderChains(newClasses.map(([, endpointClass]) => renderClass(endpointClass))),
      ...lines,
      ...(skeleton ? this.#strayChains.map((chain) => `delete chain ${table} ${chain}`) : []),
    ];
    if (script.length === 0) return 0;
    this.#doubtful = true;
    await this.#run('nft', ['-f', '-'], `${script.join('\n')}\n`);
    this.#store.noteApplied();
    for (const [chain] of newClasses) this.#classChains.add(chain);
    this.#doubtful = false;
    if (skeleton || newClasses.length > 0) this.#written = (await this.#list(['-t']))?.chains ?? new Map();
    return changes + newClasses.length + (skeleton ? listChains().length : 0);
  }

  /** Reads what the kernel holds, so that everything is compared. */
  async #read(): Promise<void> {
    const listing = await this.#list();
    this.#store.setCurrent(listing?.elements ?? new Map());
    const intact = [...this.#written].every(([chain, text]) => listing?.chains.get(chain) === text);
    if (!intact || this.#written.size === 0) {
      this.#written = new Map();
      this.#classChains.clear();
      const needed = new Set([...listChains().map(({ name }) => name), ...this.#classes.keys()]);
      this.#strayChains = [...(listing?.chains.keys() ?? [])].filter((chain) => !needed.has(chain));
    }
    this.#doubtful = false;
  }

  async #list(options: readonly string[] = []): Promise<Listing | undefined> {
    try {
      return parseListing(await this.#run('nft', ['-j', ...options, 'list', 'table', ...table.split(' ')]));
    } catch (error) {
      if (error instanceof RulesError && /No such file or directory/.test(error.message)) return undefined;
      throw error;
    }
  }
}
