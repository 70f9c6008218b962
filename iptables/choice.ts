import type { Backend } from './backend.ts';
import { runCommand, runIfInstalled } from './command.ts';
import type { Run } from './command.ts';
import { isRulesError, RulesError } from './error.ts';
import { families } from './family.ts';
import { IptablesBackend } from './iptables.ts';
import type { Variant } from './iptables-family.ts';
import { listLegacyTables } from './legacy-counters.ts';
import { NftablesBackend } from './nftables.ts';
import type { RuleInterface } from './rule-watch.ts';

/** The backend to use, and those whose leftovers would stand in its way: packets would pass both. */
export interface Choice {
  readonly backend: Backend;
  readonly others: readonly Backend[];
  /** Where the backend's rules are. */
  readonly rules: RuleInterface;
}

/**
 * Picks the backend for this node. `iptables` means iptables-nft wherever it is installed: a change costs it a third.
 * Legacy is used only where it is all there is, or where the node's other rules already are in legacy.
 * @throws RulesError PROGRAM_MISSING when no program for it is installed
 */
export async function chooseBackend(name: Backend['name'], run: Run = runCommand): Promise<Choice> {
  const nft = new IptablesBackend('nft', run);
  const legacy = new IptablesBackend('legacy', run);
  const nftables = new NftablesBackend(run);
  if (name === 'nftables') return { backend: nftables, others: [nft, legacy], rules: 'nft' };
  return (await chooseVariant(run)) === 'nft'
    ? { backend: nft, others: [legacy, nftables], rules: 'nft' }
    : { backend: legacy, others: [nft, nftables], rules: 'legacy' };
}

/** Removes the traces that backends of ours left in this network namespace, whichever they are. */
export async function removeAllRules(run: Run = runCommand): Promise<boolean> {
  const { backend, others } = await chooseBackend('nftables', run);
  return removeRulesOf([backend, ...others]);
}

/** Removes the rules of `backends`. One whose program is not installed has none. */
export async function removeRulesOf(backends: readonly Backend[]): Promise<boolean> {
  let removed = false;
  for (const backend of backends) {
    try {
      removed = (await backend.remove()) || removed;
    } catch (error) {
      if (!isRulesError(error, 'PROGRAM_MISSING')) throw error;
    }
  }
  return removed;
}

async function chooseVariant(run: Run): Promise<Variant> {
  const others = (save: string | undefined): boolean => /^-A (?!WEFT-)(?!.* -j WEFT-)/m.test(save ?? '');
  const nft = await saved('nft', run);
  if (nft !== undefined && others(nft)) return 'nft';
  // Merely listing legacy tables would create them.
  const legacy =
    nft === undefined || families.some((traits) => listLegacyTables(traits).length > 0)
      ? await saved('legacy', run)
      : undefined;
  if (nft === undefined && legacy === undefined) {
    throw new RulesError(
      'PROGRAM_MISSING',
      'neither iptables-nft-restore nor iptables-legacy-restore is installed: install the package iptables',
    );
  }
  return nft === undefined || others(legacy) ? 'legacy' : 'nft';
}

function saved(variant: Variant, run: Run): Promise<string | undefined> {
  return runIfInstalled(run, `iptables-${variant}-save`, []);
}
