import { runIfInstalled } from '../command.ts';
import type { Run } from '../command.ts';
import { families } from '../family.ts';
import type { FamilyTraits } from '../family.ts';
import { listLegacyTables } from '../legacy-counters.ts';
import { parseIptablesSave } from './iptables.ts';
import { parseNftListing } from './nftables.ts';
import type { BaseChain } from './program.ts';

/** One table of rules in the kernel, as the program that keeps it lists it. */
export interface RuleTable {
  /** Who lists and changes it: `iptables-nft`, `ip6tables-legacy`, `nft`. */
  readonly program: string;
  /** `filter`; with `nft` the family belongs to the name: `inet firewalld`. */
  readonly name: string;
  readonly text: string;
  /** What the listing comes to. @throws RulesError UNREADABLE */
  chains(): BaseChain[];
}

/** iptables' tables: nft lists what iptables-nft made of them, too, but not what their matches and targets mean. */
const iptablesTables = ['raw', 'mangle', 'nat', 'filter', 'security'];

/**
 * Lists the tables of this network namespace, whoever made them, each by the program that understands it. A program that
 * is not installed has nothing to list.
 * @param leaveOut names of tables, as in {@link RuleTable.name}, that are not asked for
 * @throws RulesError REFUSED
 */
export async function listRuleTables(run: Run, leaveOut: readonly string[]): Promise<RuleTable[]> {
  // Before anything is waited for: the thread may be in another network namespace then.
  const legacy = families.flatMap((traits) =>
    // Merely listing other legacy tables would create them.
    listLegacyTables(traits).map((table) => ({ traits, table })),
  );
  const names = await listNftTables(run);
  const tables: RuleTable[] = [];
  for (const name of names.filter((each) => !leaveOut.includes(each))) {
    const [family = '', table = ''] = name.split(' ');
    const traits = families.find(({ nftProtocol }) => nftProtocol === family);
    const isIptables = traits !== undefined && iptablesTables.includes(table);
    if (isIptables && leaveOut.includes(table)) continue;
    const saved = isIptables ? await readSave(run, traits, 'nft', table) : undefined;
    tables.push(saved ?? (await readNftTable(run, name)));
  }
  for (const { traits, table } of legacy.filter((each) => !leaveOut.includes(each.table))) {
    const saved = await readSave(run, traits, 'legacy', table);
    if (saved) tables.push(saved);
  }
  return tables;
}

/** By family and name. Tables of other families see no IP packets, or not in these hooks. */
async function listNftTables(run: Run): Promise<string[]> {
  const text = await runIfInstalled(run, 'nft', ['list', 'tables']);
  return (text ?? '').split('\n').flatMap((line) => /^table ((?:inet|ip|ip6) \S+)/.exec(line)?.[1] ?? []);
}

/** Undefined when the table only has the name of one of iptables'. */
async function readSave(
  run: Run,
  { command, family }: FamilyTraits,
  variant: 'nft' | 'legacy',
  name: string,
): Promise<RuleTable | undefined> {
  const program = `${command}-${variant}`;
  const text = await runIfInstalled(run, `${program}-save`, ['-t', name]);
  if (text === undefined || /^# Table .* incompatible/m.test(text)) return undefined;
  return { program, name, text, chains: () => parseIptablesSave(text, family) };
}

async function readNftTable(run: Run, name: string): Promise<RuleTable> {
  const text = await run('nft', ['-j', 'list', 'table', ...name.split(' ')]);
  return { program: 'nft', name, text, chains: () => parseNftListing(text) };
}
