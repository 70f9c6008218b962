import { digestOf, emptyDigest } from './iptables-chains.ts';
import type { Rule } from './iptables-rules.ts';
import { tables } from './iptables-skeleton.ts';
import type { Table } from './iptables-skeleton.ts';

/** What of ours stands in one table. */
export interface TableState {
  /** Our chains by name, each as the digest of its rules. */
  readonly chains: Map<string, string>;
  /** Rules in the kernel's chains that jump into ours, in order. */
  readonly hooks: Map<string, readonly Rule[]>;
  /** Chains that were made ahead, to which nothing can jump yet. */
  readonly ahead: Set<string>;
}

export type State = Readonly<Record<Table, TableState>>;

export function emptyState(): State {
  const empty = (): TableState => ({ chains: new Map(), hooks: new Map(), ahead: new Set() });
  return { raw: empty(), filter: empty(), nat: empty() };
}

const prefix = 'WEFT-';
const ownRule = `-A ${prefix}`;

/** Picks what is ours out of the output of iptables-save. Tables and rules of others are not even read. */
export function parseSave(text: string): State {
  const state = emptyState();
  let table: TableState | undefined;
  for (let start = 0, end = 0; start < text.length; start = end) {
    end = endOfLine(text, start);
    if (text.startsWith('*', start)) {
      const name = tables.find((each) => each === text.slice(start + 1, end).trimEnd());
      table = name && state[name];
    } else if (!table) {
      continue;
    } else if (text.startsWith(`:${prefix}`, start)) {
      table.chains.set(copy(text.slice(start + 1, text.indexOf(' ', start))), emptyDigest);
    } else if (text.startsWith(ownRule, start)) {
      end = parseChain(table, text, start);
    } else if (text.startsWith('-A ', start)) {
      parseHook(table, copy(text.slice(start, end).trimEnd()));
    }
  }
  return state;
}

/** Takes all rules of the chain whose first one begins at `start`: they follow each other. Returns where they end. */
function parseChain({ chains }: TableState, text: string, start: number): number {
  const beginning = text.slice(start, text.indexOf(' ', start + ownRule.length) + 1);
  let end = endOfLine(text, start);
  while (text.startsWith(beginning, end)) end = endOfLine(text, end);
  chains.set(copy(beginning.slice('-A '.length, -1)), digestOf(text.slice(start, end)));
  return end;
}

function parseHook({ hooks }: TableState, line: string): void {
  const chainEnd = line.indexOf(' ', '-A '.length);
  const chain = line.slice('-A '.length, chainEnd);
  if (!/ -[jg] WEFT-\S+$/.test(line)) return;
  hooks.set(chain, [...(hooks.get(chain) ?? []), line.slice(chainEnd + 1)]);
}

/** The same characters without the text they were cut from, which V8 would keep in memory with them. */
function copy(part: string): string {
  return Buffer.from(part).toString();
}

/** Where the line after the one at `start` begins. */
function endOfLine(text: string, start: number): number {
  const newline = text.indexOf('\n', start);
  return newline < 0 ? text.length : newline + 1;
}
