import { isDeepStrictEqual } from 'node:util';

import type { Backend, SyncResult } from './backend.ts';
import { runCommand } from './command.ts';
import type { Run } from './command.ts';
import type { RulesError } from './error.ts';
import { families } from './family.ts';
import { FrontendTable } from './frontends.ts';
import type { FrontendChange } from './frontends.ts';
import { IptablesFamily } from './iptables-family.ts';
import type { Variant } from './iptables-family.ts';
import { syncIsolated } from './isolation.ts';
import type { NodeSettings, Ruleset } from './model.ts';

/** Services as iptables rules: a dispatch tree per family, read with `iptables -t nat -S`. */
export class IptablesBackend implements Backend {
  readonly name = 'iptables';
  readonly #run: Run;
  readonly #families: readonly IptablesFamily[];
  #table = new FrontendTable();
  #settings: NodeSettings | undefined;
  #refused = new Map<string, RulesError>();

  constructor(variant: Variant, run: Run = runCommand) {
    this.#run = run;
    this.#families = families.map((traits) => new IptablesFamily(traits, variant, this.#run));
  }

  async sync(rules: Ruleset, changed?: ReadonlySet<string>): Promise<SyncResult> {
    const known = this.#settings && frontendPart(this.#settings);
    const anew = !isDeepStrictEqual(known, frontendPart(rules.settings));
    const full = changed === undefined || anew;
    if (full) for (const family of this.#families) await family.read();
    if (anew) this.#restart(rules.settings);
    else if (!isDeepStrictEqual(this.#settings, rules.settings)) this.#settle(rules.settings);
    let changes = 0;
    const attempt = async (keys: readonly string[]): Promise<void> => {
      changes += await this.#attempt(rules, keys);
    };
    const keys = full ? this.#listDiffering(rules.services) : [...changed];
    await syncIsolated(keys, this.#refused, attempt);
    return { changes, refused: new Map([...this.#table.listConflicts(), ...this.#refused]) };
  }

  /** Programs these Services on top of the others, or none of them. */
  async #attempt(rules: Ruleset, keys: readonly string[]): Promise<number> {
    const before = keys.map((key) => [key, this.#table.get(key)] as const);
    this.#take(keys.flatMap((key) => this.#table.update(key, rules.services.get(key))));
    let changes = 0;
    try {
      for (const family of this.#families) changes += await family.apply();
    } catch (error) {
      this.#take(before.flatMap(([key, service]) => this.#table.update(key, service)));
      throw error;
    }
    return changes;
  }

  async remove(): Promise<boolean> {
    let removed = false;
    for (const family of this.#families) removed = (await family.remove()) || removed;
    this.#settings = undefined;
    return removed;
  }

  /** Services that are not as they were programmed last; a Service that is another object may be another Service. */
  #listDiffering(services: Ruleset['services']): string[] {
    const gone = [...this.#table.keys()].filter((key) => !services.has(key));
    const others = [...services].filter(([key, service]) => this.#table.get(key) !== service);
    return [...gone, ...others.map(([key]) => key)];
  }

  #restart(settings: NodeSettings): void {
    this.#table = new FrontendTable();
    this.#settings = settings;
    for (const family of this.#families) family.reset(settings);
  }

  #settle(settings: NodeSettings): void {
    this.#settings = settings;
    for (const family of this.#families) family.settle(settings);
  }

  #take(changes: readonly FrontendChange[]): void {
    for (const family of this.#families) family.update(changes);
  }
}

/** What the rules of frontends depend on. All else, as the nodes that come and go, concerns the chains around them. */
function frontendPart({ clusterCIDRs, serviceCIDRs, podCIDRs }: NodeSettings): Partial<NodeSettings> {
  return { clusterCIDRs, serviceCIDRs, podCIDRs };
}
