import { isDeepStrictEqual } from 'node:util';

import type { Backend, SyncResult } from './backend.ts';
import { runCommand } from './command.ts';
import type { Run } from './command.ts';
import { isRulesError, RulesError } from './error.ts';
import { families } from './family.ts';
import { FrontendTable } from './frontends.ts';
import type { FrontendChange } from './frontends.ts';
import { IptablesFamily } from './iptables-family.ts';
import type { Variant } from './iptables-family.ts';
import { isAnyHeldBack, syncIsolated } from './isolation.ts';
import { frontendSettings } from './model.ts';
import type { NodeSettings, Ruleset } from './model.ts';

/** Services as iptables rules: a dispatch tree per family, read with `iptables -t nat -S`. */
export class IptablesBackend implements Backend {
  readonly name = 'iptables';
  readonly #run: Run;
  readonly #families: readonly IptablesFamily[];
  #table = new FrontendTable();
  #settings: NodeSettings | undefined;
  #refused = new Map<string, RulesError>();
  /** Not every Service has been asked for: to be asked for fewer would take an earlier process's rules from the others. */
  #incomplete = true;

  constructor(variant: Variant, run: Run = runCommand) {
    this.#run = run;
    this.#families = families.map((traits) => new IptablesFamily(traits, variant, this.#run));
  }

  async sync(rules: Ruleset, changed?: ReadonlySet<string>): Promise<SyncResult> {
    const known = this.#settings && frontendSettings(this.#settings);
    const anew = !isDeepStrictEqual(known, frontendSettings(rules.settings));
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
    this.#incomplete &&= isAnyHeldBack(this.#refused);
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
      const blamed = this.#incomplete ? await this.#blame(error, rules, keys) : error;
      this.#take(before.flatMap(([key, service]) => this.#table.update(key, service)));
      throw blamed;
    }
    return changes;
  }

  /** Finds who is refused where the kernel did not say it, without a change to what packets meet. */
  async #blame(error: unknown, { services }: Ruleset, keys: readonly string[]): Promise<unknown> {
    if (!isRulesError(error, 'REFUSED') || error.service !== undefined) return error;
    const isRefused = async (some: readonly string[]): Promise<boolean> => {
      const frontends = some.flatMap((key) => services.get(key)?.frontends ?? []);
      for (const family of this.#families) if (await family.refuses(frontends)) return true;
      return false;
    };
    let suspects = keys;
    while (suspects.length > 1) {
      const half = suspects.slice(0, Math.ceil(suspects.length / 2));
      suspects = (await isRefused(half)) ? half : suspects.slice(half.length);
    }
    const [service] = suspects;
    // No Service by itself: somebody else was in the way, and rules that stand are not given up for that.
    if (service === undefined || !(await isRefused(suspects)))
      return new RulesError('BUSY', error.message, { cause: error });
    return new RulesError('REFUSED', error.message, { cause: error, service });
  }

  async findsSockets(): Promise<boolean> {
    for (const family of this.#families) if (!(await family.findsSockets())) return false;
    return true;
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
    return [...new Set([...gone, ...others.map(([key]) => key), ...this.#refused.keys()])];
  }

  #restart(settings: NodeSettings): void {
    this.#table = new FrontendTable();
    this.#incomplete = true;
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
