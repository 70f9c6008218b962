import { runCommand } from '../command.ts';
import type { Run } from '../command.ts';
import type { BaseChain } from './program.ts';
import { listRuleTables } from './rule-tables.ts';

/**
 * Reads the rules that packets meet in the network namespace of this process, ours and everybody else's.
 * @throws RulesError REFUSED, UNREADABLE
 */
export async function readRules(run: Run = runCommand): Promise<BaseChain[]> {
  const tables = await listRuleTables(run, []);
  return tables.flatMap((table) => table.chains());
}
