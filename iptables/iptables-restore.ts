import type { RenderedChain, WantedChains } from './iptables-chains.ts';
import { emptyDigest } from './iptables-chains.ts';
import type { Rule } from './iptables-rules.ts';
import type { State, TableState } from './iptables-save.ts';
import { hooks, tables } from './iptables-skeleton.ts';
import type { Hook, Table } from './iptables-skeleton.ts';

/** What turns one table, or a part of it, from what it holds into what it should. */
export interface TableChange {
  readonly table: Table;
  /** Only chains that nothing jumps to. */
  readonly ahead: boolean;
  /** Chains to make, or to empty where they are. */
  readonly emptied: readonly string[];
  /** Rules for chains that are empty now. */
  readonly written: readonly (readonly [chain: string, rendered: RenderedChain])[];
  readonly removed: readonly string[];
  readonly hooked: readonly Hook[];
  readonly unhooked: readonly Hook[];
}

/**
 * Plans the transactions that turn `current` into `wanted`, looking only at the chains `candidates`. All but the last
 * hold nothing but chains that nobody jumps to yet, at most some `pieceLength` characters of them: packets meet only
 * what the last one does. Each must be noted in `current` before the next is asked for.
 */
export function* planChanges(
  current: State,
  wanted: Readonly<Record<Table, WantedChains>>,
  candidates: Readonly<Record<Table, Iterable<string>>>,
  pieceLength: number,
): Generator<readonly TableChange[]> {
  const last: TableChange[] = [];
  for (const table of tables) {
    let change: TableChange | undefined;
    for (const part of planTable(table, current[table], wanted[table], candidates[table], pieceLength)) {
      if (change) yield [change];
      change = part;
    }
    if (change && countChange(change) > 0) last.push(change);
  }
  if (last.length > 0) yield last;
}

function* planTable(
  table: Table,
  current: TableState,
  wanted: WantedChains,
  candidates: Iterable<string>,
  pieceLength: number,
): Generator<TableChange> {
  const { chains, ahead } = current;
  const [unlinked, standing, removed]: [string[], string[], string[]] = [[], [], []];
  for (const chain of candidates) {
    if (!wanted.has(chain)) {
      if (chains.has(chain)) removed.push(chain);
    } else if (chains.has(chain) && !ahead.has(chain)) standing.push(chain);
    else unlinked.push(chain);
  }
  // All are made in the first piece, so that each can jump to any other.
  let emptied = unlinked.filter((chain) => !chains.has(chain));
  let written: (readonly [string, RenderedChain])[] = [];
  let length = 0;
  for (const chain of unlinked) {
    if (length > pieceLength) {
      yield { table, ahead: true, emptied, written, removed: [], hooked: [], unhooked: [] };
      [emptied, written, length] = [[], [], 0];
    }
    const isMade = ahead.has(chain);
    const rendered = wanted.renderUnless(isMade ? chains.get(chain) : undefined, chain);
    if (!rendered) continue;
    if (isMade && chains.get(chain) !== emptyDigest) emptied.push(chain);
    written.push([chain, rendered]);
    length += rendered.text.length;
  }
  const rewritten: typeof written = [];
  for (const chain of standing) {
    const rendered = wanted.renderUnless(chains.get(chain), chain);
    if (rendered) rewritten.push([chain, rendered]);
  }
  yield {
    table,
    ahead: false,
    emptied: [...emptied, ...rewritten.map(([chain]) => chain), ...removed],
    written: [...written, ...rewritten],
    removed,
    ...diffHooks(table, current, wanted.size > 0),
  };
}

function diffHooks(
  table: Table,
  current: TableState,
  wanted: boolean,
): Pick<TableChange, 'hooked' | 'unhooked'> {
  const missing = new Set(wanted ? hooks[table] : []);
  const unhooked: Hook[] = [];
  for (const [chain, rules] of current.hooks) {
    for (const rule of rules) {
      const known = [...missing].find((hook) => hook.chain === chain && hook.rule === rule);
      if (known) missing.delete(known);
      else unhooked.push({ chain, rule });
    }
  }
  return { hooked: [...missing], unhooked };
}

/** Number of chains and hooks that the changes write or remove. */
export function countChanges(changes: readonly TableChange[]): number {
  return changes.reduce((sum, change) => sum + countChange(change), 0);
}

function countChange({ written, removed, hooked, unhooked }: TableChange): number {
  return written.length + removed.length + hooked.length + unhooked.length;
}

/**
 * The input of `iptables-restore --noflush`: with it a `:CHAIN` line makes a chain or empties it, and all between
 * `*table` and `COMMIT` is one transaction.
 */
export function renderRestore(changes: readonly TableChange[]): string {
  return changes
    .flatMap(({ table, emptied, written, removed, hooked, unhooked }) => [
      `*${table}\n`,
      ...emptied.map((chain) => `:${chain} - [0:0]\n`),
      ...written.map(([, { text }]) => text),
      ...unhooked.map(({ chain, rule }) => `-D ${chain} ${rule}\n`),
      ...hooked.map(({ chain, rule }) => `-I ${chain} 1 ${rule}\n`),
      ...removed.map((chain) => `-X ${chain}\n`),
      'COMMIT\n',
    ])
    .join('');
}

/** Notes in `current` that `changes` were applied. */
export function noteApplied(current: State, changes: readonly TableChange[]): void {
  for (const { table, ahead, emptied, written, removed, hooked, unhooked } of changes) {
    const state = current[table];
    if (!ahead) state.ahead.clear();
    for (const chain of emptied) {
      if (ahead && !state.chains.has(chain)) state.ahead.add(chain);
      state.chains.set(chain, emptyDigest);
    }
    for (const [chain, { digest }] of written) state.chains.set(chain, digest);
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
