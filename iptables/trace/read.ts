import { runCommand } from '../command.ts';
import type { Run } from '../command.ts';
import { RulesError } from '../error.ts';
import { families } from '../family.ts';
import type { FamilyTraits } from '../family.ts';
import { listLegacyTables } from '../legacy-counters.ts';
import { table } from '../nftables-banks.ts';
import { parseIptablesSave } from './iptables.ts';
import { parseNftListing } from './nftables.ts';
import type { BaseChain } from './program.ts';

/**
 * Reads the rules that packets meet in the network namespace of this process: those of iptables, ours and others', and
 * our nftables table. Not those in nftables tables of others.
 * @throws RulesError REFUSED, UNREADABLE
 */
export async function readRules(run: Run = runCommand): Promise<BaseChain[]> {
  // Merely listing legacy tables would create them.
  const legacy = families.filter((traits) => listLegacyTables(traits).length > 0);
  const chains: BaseChain[] = [];
  for (const traits of families) chains.push(...(await readSave(traits, 'nft', run)));
  for (const traits of legacy) chains.push(...(await readSave(traits, 'legacy', run)));
  const listing = await orNothing(run('nft', ['-j', 'list', 'table', ...table.split(' ')]));
  if (listing !== undefined) chains.push(...parseNftListing(listing));
  return chains;
}

async function readSave(
  { command, family }: FamilyTraits,
  variant: 'nft' | 'legacy',
  run: Run,
): Promise<BaseChain[]> {
  const text = await orNothing(run(`${command}-${variant}-save`, []));
  return text === undefined ? [] : parseIptablesSave(text, family);
}

/** What a program says; undefined when there is no such program, or nothing that it could list. */
async function orNothing(answer: Promise<string>): Promise<string | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof RulesError)) throw error;
    if (error.code === 'PROGRAM_MISSING' || /No such file or directory/.test(error.message)) return undefined;
    throw error;
  }
}
