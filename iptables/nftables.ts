import { isDeepStrictEqual } from 'node:util';

import type { Backend, SyncResult } from './backend.ts';
import { runCommand } from './command.ts';
import type { Run } from './command.ts';
import { isRulesError, RulesError } from './error.ts';
import { isAnyHeldBack, syncIsolated } from './isolation.ts';
import { frontendSettings } from './model.ts';
import type { NodeSettings, Ruleset } from './model.ts';
import { table } from './nftables-banks.ts';
import type { EndpointClass } from './nftables-banks.ts';
import { renderChains } from './nftables-chain.ts';
import { classElement, renderClass } from './nftables-classes.ts';
import { compareElements } from './nftables-compare.ts';
import type { ElementDiff } from './nftables-compare.ts';
import { ElementRefusal } from './nftables-door.ts';
import type { Layout, NftDoor } from './nftables-door.ts';
import { NetlinkDoor } from './nftables-netlink.ts';
import { listObjects } from './nftables-objects.ts';
import { splitTransaction } from './nftables-parts.ts';
import { renderElements } from './nftables-replacement.ts';
import { listChains, renderDeclarations } from './nftables-skeleton.ts';
import { WantedElements } from './nftables-wanted.ts';
import type { WantedChange } from './nftables-wanted.ts';

/**
 * Services as elements of nftables maps, without a chain or rule per Service: read with `nft list table inet weft`.
 *
 * What is the same on every node is text for `nft`; all that changes with Services is elements, and those go to the
 * kernel by netlink, in one transaction per sync for both families (only thousands go in several: see
 * nftables-parts.ts). Where a sync needs both, nobody meets one without the other:
 *
 * 1. declarations, and chains that are new: nothing leads to them yet;
 * 2. elements: those that lead to new chains find them complete, and every Service changes at once;
 * 3. when our chains are missing or are not as we wrote them: all of them, in one transaction. On a node without rules
 *    of ours this is when the first packet meets them, and all elements are there. On one that has them, chains of
 *    another version find old objects with their old meaning until then: what an element means belongs to the name of
 *    its object.
 */
export class NftablesBackend implements Backend {
  readonly name = 'nftables';
  readonly #run: Run;
  readonly #door: NftDoor;
  #wanted: WantedElements | undefined;
  /** The settings whose elements the kernel has. */
  #settings: NodeSettings | undefined;
  /** Endpoint classes whose chain and element the kernel has, by chain. */
  readonly #classes = new Set<string>();
  /** How our chains looked when they had just been written; empty: write them. */
  #written: Layout['chains'] = new Map();
  #refused = new Map<string, RulesError>();
  /** The kernel may hold something else than we believe. */
  #doubtful = true;
  /** Not every Service has been asked for: rules that nobody wants may be those of an earlier process for it. */
  #incomplete = true;
  /** The rules' generation while nobody but us has touched them since they were compared; undefined: somebody may have. */
  #generation: number | undefined;

  constructor(run: Run = runCommand, door: NftDoor = new NetlinkDoor()) {
    this.#run = run;
    this.#door = door;
  }

  async sync(rules: Ruleset, changed?: ReadonlySet<string>): Promise<SyncResult> {
    const known = this.#wanted;
    const wanted = this.#want(rules.settings);
    const full = changed === undefined || wanted !== known;
    if (full && !this.#isUntouched()) this.#doubtful = true;
    let changes = 0;
    const attempt = async (keys: readonly string[], undecided: boolean): Promise<void> => {
      changes += await this.#attempt(wanted, rules, keys, undecided && this.#incomplete);
    };
    const candidates = full ? new Set([...wanted.frontends.keys(), ...rules.services.keys()]) : changed;
    const keys = [...candidates, ...(full ? this.#refused.keys() : [])].filter(
      (key) => this.#refused.has(key) || wanted.frontends.get(key) !== rules.services.get(key),
    );
    await syncIsolated(keys, this.#refused, attempt);
    this.#incomplete &&= isAnyHeldBack(this.#refused);
    return { changes, refused: new Map([...wanted.frontends.listConflicts(), ...this.#refused]) };
  }

  async findsSockets(): Promise<boolean> {
    try {
      await this.#run('nft', ['--check', '-f', '-'], socketProbe);
      return true;
    } catch (error) {
      if (isRulesError(error, 'REFUSED')) return false;
      throw error;
    }
  }

  async remove(): Promise<boolean> {
    const there = this.#door.readLayout() !== undefined;
    if (there) await this.#run('nft', ['-f', '-'], `delete table ${table}\n`);
    this.#wanted = undefined;
    this.#doubtful = true;
    return there;
  }

  /** What is wanted under these settings; a new, empty one where every frontend depends on what differs. */
  #want(settings: NodeSettings): WantedElements {
    const known = this.#wanted;
    if (!known || !isDeepStrictEqual(frontendSettings(known.settings), frontendSettings(settings))) {
      this.#doubtful = true;
      this.#incomplete = true;
      return (this.#wanted = new WantedElements(settings));
    }
    if (known.settings.dnsFallback !== settings.dnsFallback) {
      // Other chains, of which none leads to a Service.
      this.#doubtful = true;
      this.#written = new Map();
    }
    if (!isDeepStrictEqual(known.settings, settings)) known.settings = settings;
    return known;
  }

  /** Whether the kernel is known to hold what we wrote last. */
  #isUntouched(): boolean {
    return this.#generation !== undefined && this.#door.generation() === this.#generation;
  }

  /**
   * Programs these Services on top of the others, or none of them.
   * @param keep leave standing what is not wanted
   */
  async #attempt(
    wanted: WantedElements,
    rules: Ruleset,
    keys: readonly string[],
    keep: boolean,
  ): Promise<number> {
    const before = keys.map((key) => [key, wanted.frontends.get(key)] as const);
    const change = wanted.update(keys.map((key) => [key, rules.services.get(key)] as const));
    try {
      return await this.#apply(wanted, change, keep);
    } catch (error) {
      const blamed = blame(error, wanted, rules, keys);
      wanted.update(before);
      throw blamed;
    }
  }

  /** Brings the kernel from what it holds to what is wanted. */
  async #apply(wanted: WantedElements, change: WantedChange | undefined, keep: boolean): Promise<number> {
    if (change && !this.#doubtful) {
      const diff = wanted.diff(change, this.#settings ?? wanted.settings);
      const elements = this.#newClasses(wanted).map(([, endpointClass]) => classElement(endpointClass));
      try {
        return await this.#write(wanted, { ...diff, added: [...diff.added, ...elements] });
      } catch (error) {
        // The kernel may not be as we believe: that is looked into before anybody is blamed.
        if (!isRulesError(error, 'REFUSED')) throw error;
      }
    }
    return this.#applyCompared(wanted, keep);
  }

  /** The same from what the kernel really holds. */
  async #applyCompared(wanted: WantedElements, keep: boolean): Promise<number> {
    const tables = wanted.tables();
    this.#generation = this.#door.generation();
    const layout = this.#door.readLayout();
    const intact = layout !== undefined && isIntact(layout, this.#written);
    if (!intact) {
      this.#written = new Map();
      this.#classes.clear();
    }
    const diff = compareElements(tables, this.#door, keep);
    // A class that nothing needs loses its element, and must get it again when something does.
    for (const chain of this.#classes) if (!wanted.classes.has(chain)) this.#classes.delete(chain);
    const changes = await this.#write(wanted, diff, intact ? undefined : (layout ?? emptyLayout), keep);
    if (keep) {
      // There is more than is wanted, chains among it: the next one looks again.
      this.#doubtful = true;
      this.#written = new Map();
    }
    return changes;
  }

  /** @param found what our table is made of, when our chains are to be written anew */
  async #write(wanted: WantedElements, diff: ElementDiff, found?: Layout, keep = false): Promise<number> {
    const { settings } = wanted;
    const classes = this.#newClasses(wanted);
    const declared = renderNewChains(classes, found, settings);
    const chains = found ? renderOurChains(classes, found, keep, settings) : [];
    if (diff.changes > 0 || declared.length > 0 || chains.length > 0) {
      this.#doubtful = true;
      try {
        await this.#runScript(declared);
      } catch (error) {
        if (!isRulesError(error, 'REFUSED') || found === undefined || found.objects.size === 0) throw error;
        await this.#replace(wanted);
        return (await this.#applyCompared(wanted, keep)) + diff.changes;
      }
      for (const part of splitTransaction(diff)) {
        await this.#commit(() => {
          this.#door.apply(part);
        });
      }
      await this.#runScript(chains);
    }
    for (const [chain] of classes) this.#classes.add(chain);
    if (declared.length > 0 || chains.length > 0)
      this.#written = this.#door.readLayout()?.chains ?? new Map();
    this.#settings = wanted.settings;
    this.#doubtful = false;
    return diff.changes + classes.length + (found ? listChains(settings).length : 0);
  }

  /**
   * Puts a new table in the place of one of another version whose sets cannot become ours, in one transaction.
   * Clients are no longer remembered then.
   * @throws RulesError REFUSED when it was for another reason that the declarations were refused
   */
  async #replace(wanted: WantedElements): Promise<void> {
    const { added } = compareElements(wanted.tables(), { readElements: () => true });
    const classes = [...wanted.classes].map(([, endpointClass]) => renderClass(endpointClass));
    await this.#runScript([
      `delete table ${table}`,
      ...renderDeclarations(wanted.settings),
      ...renderChains([...listChains(wanted.settings), ...classes]),
      ...renderElements(added),
    ]);
  }

  /** Classes that a frontend needs and the kernel may not have. */
  #newClasses(wanted: WantedElements): Classes {
    return [...wanted.classes].filter(([chain]) => !this.#classes.has(chain));
  }

  async #runScript(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return;
    await this.#commit(() => this.#run('nft', ['-f', '-'], `${lines.join('\n')}\n`));
  }

  /** Makes at most one transaction, and notices whether somebody else made one meanwhile. */
  async #commit(write: () => unknown): Promise<void> {
    const before = this.#door.generation();
    await write();
    const after = this.#door.generation();
    const alone = before === this.#generation && (after === before || after === (before ?? 0) + 1);
    this.#generation = alone ? after : undefined;
  }
}

/** In a table of no name of ours: the kernel looks at it and forgets it again. */
const socketProbe = 'table inet weft-probe { chain c { socket wildcard 0 notrack; }; }\n';

const emptyLayout: Layout = { chains: new Map(), objects: new Set() };

function isIntact(layout: Layout, written: Layout['chains']): boolean {
  return (
    written.size > 0 &&
    [...written].every(([chain, text]) => layout.chains.get(chain) === text) &&
    listObjects().every(({ name }) => layout.objects.has(name))
  );
}

type Classes = readonly (readonly [chain: string, endpointClass: EndpointClass])[];

/** Declarations, and chains of classes that no element leads to yet. */
function renderNewChains(classes: Classes, found: Layout | undefined, settings: NodeSettings): string[] {
  const fresh = classes.filter(([chain]) => found?.chains.has(chain) !== true);
  return [
    ...(found ? renderDeclarations(settings) : []),
    ...renderChains(fresh.map(([, endpointClass]) => renderClass(endpointClass))),
  ];
}

/** All chains that packets may already meet, and, unless it is kept, the removal of what of ours nothing needs. */
function renderOurChains(classes: Classes, found: Layout, keep: boolean, settings: NodeSettings): string[] {
  const skeleton = listChains(settings);
  const old = classes.filter(([chain]) => found.chains.has(chain));
  const needed = new Set([...skeleton.map(({ name }) => name), ...classes.map(([chain]) => chain)]);
  const objects = new Set(listObjects().map(({ name }) => name));
  const strayChains = [...found.chains.keys()].filter((chain) => !keep && !needed.has(chain));
  // Sets without a name of their own go with their rule.
  const strayObjects = [...found.objects].filter(
    (name) => !keep && !objects.has(name) && !name.startsWith('__'),
  );
  return [
    ...renderChains([...skeleton, ...old.map(([, endpointClass]) => renderClass(endpointClass))]),
    // Chains lead to objects and to chains, and so do verdict maps to chains.
    ...strayChains.map((chain) => `flush chain ${table} ${chain}`),
    ...strayObjects.map((name) => `delete set ${table} ${name}`),
    ...strayChains.map((chain) => `delete chain ${table} ${chain}`),
  ];
}

/** Names the Service that a refusal is about, if one of these is to blame. */
function blame(
  error: unknown,
  wanted: WantedElements,
  { services }: Ruleset,
  keys: readonly string[],
): unknown {
  if (!isRulesError(error, 'REFUSED')) return error;
  const element = error instanceof ElementRefusal ? error.element : undefined;
  const culprit = keys.find((key) => {
    const service = services.get(key);
    return service !== undefined && wanted.isToBlame(service, element);
  });
  if (culprit === undefined) return error;
  return new RulesError('REFUSED', error.message, { cause: error, service: culprit });
}
