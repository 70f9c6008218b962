import { hooks, tables } from './iptables-skeleton.ts';
import type { Table } from './iptables-skeleton.ts';
import type { Rule } from './iptables-rules.ts';

/** What of ours stands in one table. */
export interface TableState {
  /** Our chains by name. */
  readonly chains: Map<string, readonly Rule[]>;
  /** Rules in the kernel's chains that jump into ours, in order. */
  readonly hooks: Map<string, readonly Rule[]>;
}

export type State = Record<Table, TableState>;

export function emptyState(): State {
  const empty = (): TableState => ({ chains: new Map(), hooks: new Map() });
  return { raw: empty(), filter: empty(), nat: empty() };
}

const prefix = 'WEFT-';

/** Picks what is ours out of the output of iptables-save. Tables and rules of others are not even read. */
export function parseSave(text: string): State {
  const state = emptyState();
  let table: TableState | undefined;
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) {
      const name = tables.find((each) => each === line.slice(1));
      table = name && state[name];
    } else if (table && line.startsWith(`:${prefix}`)) {
      const chain = line.slice(1, line.indexOf(' '));
      if (!table.chains.has(chain)) table.chains.set(chain, []);
    } else if (table && line.startsWith('-A ')) {
      parseRule(table, line);
    }
  }
  return state;
}

function parseRule(table: TableState, line: string): void {
  const end = line.indexOf(' ', 3);
  const chain = line.slice(3, end);
  const rule = line.slice(end + 1);
  if (chain.startsWith(prefix)) append(table.chains, chain, rule);
  else if (/ -[jg] WEFT-\S+$/.test(line)) append(table.hooks, chain, rule);
}

function append(rules: Map<string, readonly Rule[]>, chain: string, rule: Rule): void {
  const known = rules.get(chain) as Rule[] | undefined;
  if (known) known.push(rule);
  else rules.set(chain, [rule]);
}

/** What turns one table from what it holds into what it should. */
export interface TableChange {
  readonly table: Table;
  /** Chains to write anew. */
  readonly written: readonly (readonly [chain: string, rules: readonly Rule[]])[];
  readonly removed: readonly string[];
  readonly hooked: readonly { readonly chain: string; readonly rule: Rule }[];
  readonly unhooked: readonly { readonly chain: string; readonly rule: Rule }[];
}

/** Compares whole tables, or only the `candidates` among their chains. */
export function diffTable(
  table: Table,
  current: TableState,
  wanted: ReadonlyMap<string, readonly Rule[]>,
  candidates: Iterable<string> = new Set([...wanted.keys(), ...current.chains.keys()]),
): TableChange {
  const written: (readonly [string, readonly Rule[]])[] = [];
  const removed: string[] = [];
  for (const chain of candidates) {
    const rules = wanted.get(chain);
    const known = current.chains.get(chain);
    if (!rules && known) removed.push(chain);
    else if (rules && !(known && sameRules(rules, known))) written.push([chain, rules]);
  }
  return { table, written, removed, ...diffHooks(table, current, wanted.size > 0) };
}

function diffHooks(
  table: Table,
  current: TableState,
  wanted: boolean,
): Pick<TableChange, 'hooked' | 'unhooked'> {
  const missing = new Set(wanted ? hooks[table] : []);
  const unhooked: { chain: string; rule: Rule }[] = [];
  for (const [chain, rules] of current.hooks) {
    for (const rule of rules) {
      const known = [...missing].find((hook) => hook.chain === chain && hook.rule === rule);
      if (known) missing.delete(known);
      else unhooked.push({ chain, rule });
    }
  }
  return { hooked: [...missing], unhooked };
}

function sameRules(a: readonly Rule[], b: readonly Rule[]): boolean {
  return a.length === b.length && a.every((rule, index) => rule === b[index]);
}

export function countChanges(changes: readonly TableChange[]): number {
  return changes.reduce(
    (sum, change) =>
      sum + change.written.length + change.removed.length + change.hooked.length + change.unhooked.length,
    0,
  );
}

/**
 * The input of `iptables-restore --noflush`: with it a `:CHAIN` line makes a chain or empties it, and all between
 * `*table` and `COMMIT` is one transaction.
 */
export function renderRestore(changes: readonly TableChange[]): string {
  return changes
    .filter((change) => countChanges([change]) > 0)
    .flatMap(({ table, written, removed, hooked, unhooked }) => [
      `*${table}`,
      ...written.map(([chain]) => `:${chain} - [0:0]`),
      ...removed.map((chain) => `:${chain} - [0:0]`),
      ...written.flatMap(([chain, rules]) => rules.map((rule) => `-A ${chain} ${rule}`)),
      ...unhooked.map(({ chain, rule }) => `-D ${chain} ${rule}`),
      ...hooked.map(({ chain, rule }) => `-I ${chain} 1 ${rule}`),
      ...removed.map((chain) => `-X ${chain}`),
      'COMMIT',
    ])
    .map((line) => `${line}\n`)
    .join('');
}

/** Notes in `current` that `changes` were applied. */
export function noteApplied(current: State, changes: readonly TableChange[]): void {
  for (const { table, written, removed, hooked, unhooked } of changes) {
    const state = current[table];
    for (const [chain, rules] of written) state.chains.set(chain, rules);
    for (const chain of removed) state.chains.delete(chain);
    for (const { chain, rule } of unhooked) {
      state.hooks.set(chain, without(state.hooks.get(chain) ?? [], rule));
    }
    for (const { chain, rule } of hooked) state.hooks.set(chain, [rule, ...(state.hooks.get(chain) ?? [])]);
  }
}

function without(rules: readonly Rule[], rule: Rule): Rule[] {
  const index = rules.indexOf(rule);
  return rules.filter((_, each) => each !== index);
}
