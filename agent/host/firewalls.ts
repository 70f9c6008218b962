import { RulesError } from '../../iptables/error.ts';
import type { TracedNode } from '../../iptables/trace/packet.ts';
import type { RuleTable } from '../../iptables/trace/rule-tables.ts';
import type { BaseChain } from '../../iptables/trace/program.ts';
import { tracePacket } from '../../iptables/trace/walk.ts';
import type { Crossing, Need } from './crossings.ts';
import type { Finding } from './finding.ts';
import { describeTable, remedyFor } from './rule-owners.ts';
import type { HostView } from './view.ts';

/** A rule that stops packets of the cluster. */
export interface Block {
  /** What would have to be let through. */
  readonly needs: readonly Need[];
  /** As its tool lists it, with the chain it stands in. */
  readonly rule: string;
  /** The name of that chain. */
  readonly decider: string;
  /** The chain that the kernel calls and that led to it: what is put first there comes before. */
  readonly chain: string;
  /** Which packets, for people. */
  readonly what: readonly string[];
}

/** What a table does with packets that must pass. */
export interface Judgement {
  readonly blocks: readonly Block[];
  /** Why some could not be followed. */
  readonly unclear: readonly string[];
}

/**
 * Finds what of the crossings a table stops. Each chain that the kernel calls is asked by itself: who is stopped by one is
 * stopped, and it shows where a rule that comes before would have to stand.
 */
export function judgeTable(
  table: Pick<RuleTable, 'chains'>,
  node: TracedNode,
  crossings: readonly Crossing[],
): Judgement {
  const blocks = new Map<string, Block>();
  const unclear = new Set<string>();
  const attempt = <T>(act: () => T): T | undefined => {
    try {
      return act();
    } catch (error) {
      if (!(error instanceof RulesError)) throw error;
      unclear.add(error.message);
      return undefined;
    }
  };
  for (const chain of attempt(() => table.chains()) ?? []) {
    for (const crossing of crossings) {
      const block = attempt(() => findBlock(chain, node, crossing));
      if (!block) continue;
      const key = [block.chain, block.rule].join('\n');
      const known = blocks.get(key);
      const needs = new Set([...(known?.needs ?? []), ...block.needs]);
      const what = new Set([...(known?.what ?? []), ...block.what]);
      blocks.set(key, { ...block, needs: [...needs], what: [...what] });
    }
  }
  return { blocks: [...blocks.values()], unclear: [...unclear] };
}

function findBlock(chain: BaseChain, node: TracedNode, { what, need, packet }: Crossing): Block | undefined {
  const device = node.deviceTo?.(packet.source);
  const { outcomes } = tracePacket([chain], node, { ...packet, ...(device !== undefined && { device }) });
  const stopped = outcomes.find(({ verdict }) => verdict === 'drop' || verdict === 'reject');
  const step = stopped?.decidedBy;
  if (!step) return undefined;
  const decider = step.chain.split(' ').at(-1) ?? '';
  return {
    needs: [need],
    rule: `"${step.rule}" in ${step.chain}`,
    decider,
    chain: chain.name,
    what: [what],
  };
}

/** Says of a table what it stops and what to do about it. */
export function describeBlocks(table: RuleTable, { blocks, unclear }: Judgement, view: HostView): Finding[] {
  const whose = describeTable(table);
  return [
    ...blocks.map((block): Finding => ({
      check: 'firewall',
      state: 'trouble',
      found: `${whose} stop packets ${listed(block.what)}: ${block.rule}`,
      remedy: remedyFor(table, block, view),
    })),
    ...unclear.map((why): Finding => ({
      check: 'firewall',
      state: 'unclear',
      found: `whether ${whose} stop packets of pods could not be told: ${why}`,
    })),
  ];
}

export function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1) ?? ''}`;
}
