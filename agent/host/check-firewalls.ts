import { runCommand } from '../../iptables/command.ts';
import type { Run } from '../../iptables/command.ts';
import { families } from '../../iptables/family.ts';
import { planPassage, withoutPassage } from '../../iptables/passage.ts';
import type { TracedNode } from '../../iptables/trace/packet.ts';
import { parseIptablesSave } from '../../iptables/trace/iptables.ts';
import { readNode } from '../../iptables/trace/node.ts';
import { listRuleTables } from '../../iptables/trace/rule-tables.ts';
import type { RuleTable } from '../../iptables/trace/rule-tables.ts';
import { listCrossings } from './crossings.ts';
import type { Crossing, Need } from './crossings.ts';
import type { Finding } from './finding.ts';
import { describeBlocks, judgeTable, listed } from './firewalls.ts';
import type { Judgement } from './firewalls.ts';
import { observeHost } from './observe.ts';
import { describeTable } from './rule-owners.ts';
import type { HostView } from './view.ts';

/** Tables that stop no packets of pods by their nature: our own, and those that only rewrite. */
const leftOut = ['nat', 'inet weft'];

/**
 * Follows packets of the cluster through everybody's rules in this network namespace. With `mend`, filter tables of
 * iptables that would stop them get rules of ours in front; others' tables are only told of.
 * @throws RulesError REFUSED
 */
export async function checkFirewalls(
  known: Parameters<typeof observeHost>[0],
  { mend, run = runCommand }: { readonly mend: boolean; readonly run?: Run },
): Promise<Finding[]> {
  const node = readNode();
  const view = observeHost(known, node);
  const crossings = listCrossings(view);
  const findings: Finding[] = [];
  for (const table of await listRuleTables(run, leftOut)) {
    const checked = mend ? await mendTable(table, { node, crossings, view, run }) : undefined;
    findings.push(...(checked ?? describeBlocks(table, judgeTable(table, node, crossings), view)));
  }
  if (findings.length > 0) return findings;
  const found =
    crossings.length === 0
      ? 'this node has no pod network yet: no rules were followed'
      : `nobody's rules stop packets of pods (${crossings.length} ways followed)`;
  return [{ check: 'firewall', state: crossings.length === 0 ? 'unclear' : 'well', found }];
}

/** What the passage lets through; who may speak to the host itself is not ours to say. */
function isOurs(need: Need): boolean {
  return need === 'pods' || need === 'inbound' || need === 'dns';
}

interface Circumstances {
  readonly node: TracedNode;
  readonly crossings: readonly Crossing[];
  readonly view: HostView;
  readonly run: Run;
}

/** Undefined where a passage is not ours to make: the table is not iptables' filter, or Service rules hold it. */
async function mendTable(
  table: RuleTable,
  { node, crossings, view, run }: Circumstances,
): Promise<Finding[] | undefined> {
  const traits = families.find(({ command }) => table.program.startsWith(`${command}-`));
  if (!traits || table.name !== 'filter' || /^:WEFT-FORWARD /m.test(table.text)) return undefined;
  const judge = (text: string): Judgement =>
    judgeTable({ chains: () => parseIptablesSave(text, traits.family) }, node, crossings);
  const bare = judge(withoutPassage(table.text));
  const isNeeded = bare.blocks.some(({ needs }) => needs.some(isOurs));
  const input = planPassage(table.text, traits, isNeeded ? view : undefined);
  if (input !== undefined) await run(`${table.program}-restore`, ['--noflush', '-w', '10'], input);
  if (!isNeeded) return describeBlocks(table, bare, view);
  const text = await run(`${table.program}-save`, ['-t', table.name]);
  const now = judge(text);
  const stopped = new Set(now.blocks.flatMap(({ what }) => what));
  const mended = bare.blocks.flatMap(({ rule, what }): Finding[] => {
    const passing = what.filter((each) => !stopped.has(each));
    if (passing.length === 0) return [];
    const found = `${describeTable(table)} would stop packets ${listed(passing)}: ${rule}; rules of weft let them through`;
    return [{ check: 'firewall', state: 'mended', found }];
  });
  return [...mended, ...describeBlocks({ ...table, text }, now, view)];
}
