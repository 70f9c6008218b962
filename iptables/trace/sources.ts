import { runIfInstalled } from '../command.ts';
import type { Run } from '../command.ts';
import { families } from '../family.ts';
import type { FamilyTraits } from '../family.ts';
import { listLegacyTables } from '../legacy-counters.ts';
import { parseIptablesSave } from './iptables.ts';
import { parseNftListing } from './nftables.ts';
import type { BaseChain } from './program.ts';

/** One table of rules in the kernel, as the program that keeps it lists it. */
export interface RuleSource {
  /** Who lists and changes it: `iptables-nft`, `ip6tables-legacy`, `nft`. */
  readonly program: string;
  /** `filter`; with `nft` the family belongs to the name: `inet firewalld`. */
  readonly table: string;
  readonly text: string;
  /** What the listing comes to. @throws RulesError UNREADABLE */
  chains(): BaseChain[];
}

/** iptables' tables: nft lists what iptables-nft made of them, too, but not what their matches and targets mean. */
const iptablesTables = ['raw', 'mangle', 'nat', 'filter', 'security'];

/**
 * Lists the tables of this network namespace, whoever made them, each by the program that understands it. A program that
 * is not installed has nothing to list.
 * @param leaveOut names of tables, as in {@link RuleSource.table}, that are not asked for
 * @throws RulesError REFUSED
 */
export async function readRuleSources(run: Run, leaveOut: readonly string[]): Promise<RuleSource[]> {
  // Before anything is waited for: the thread may be in another network namespace then.
  const legacy = families.flatMap((traits) =>
    // Merely listing other legacy tables would create them.
    listLegacyTables(traits).map((table) => ({ traits, table })),
  );
  const names = await listNftTables(run);
  const sources: RuleSource[] = [];
  for (const name of names.filter((each) => !leaveOut.includes(each))) {
    const [family = '', table = ''] = name.split(' ');
    const traits = families.find(({ nftProtocol }) => nftProtocol === family);
    const isIptables = traits !== undefined && iptablesTables.includes(table);
    if (isIptables && leaveOut.includes(table)) continue;
    const source = isIptables ? await readSave(run, traits, 'nft', table) : undefined;
    sources.push(source ?? (await readNftTable(run, name)));
  }
  for (const { traits, table } of legacy.filter((each) => !leaveOut.includes(each.table))) {
    const source = await readSave(run, traits, 'legacy', table);
    if (source) sources.push(source);
  }
  return sources;
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
  table: string,
): Promise<RuleSource | undefined> {
  const program = `${command}-${variant}`;
  const text = await runIfInstalled(run, `${program}-save`, ['-t', table]);
  if (text === undefined || /^# Table .* incompatible/m.test(text)) return undefined;
  return { program, table, text, chains: () => parseIptablesSave(text, family) };
}

async function readNftTable(run: Run, table: string): Promise<RuleSource> {
  const text = await run('nft', ['-j', 'list', 'table', ...table.split(' ')]);
  return { program: 'nft', table, text, chains: () => parseNftListing(text) };
}
