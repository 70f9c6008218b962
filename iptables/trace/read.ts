import { runCommand } from '../command.ts';
import type { Run } from '../command.ts';
import type { BaseChain } from './program.ts';
import { readRuleSources } from './sources.ts';

/**
 * Reads the rules that packets meet in the network namespace of this process, ours and everybody else's.
 * @throws RulesError REFUSED, UNREADABLE
 */
export async function readRules(run: Run = runCommand): Promise<BaseChain[]> {
  const sources = await readRuleSources(run, []);
  return sources.flatMap((source) => source.chains());
}
