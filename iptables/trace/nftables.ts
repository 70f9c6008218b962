import { RulesError } from '../error.ts';
import type { Run } from './nftables-expressions.ts';
import { listOf, readSets } from './nftables-sets.ts';
import type { TracedSet } from './nftables-sets.ts';
import { compileStatement } from './nftables-statements.ts';
import type { Done, Statement } from './nftables-statements.ts';
import { renderRule } from './nftables-text.ts';
import { member } from './nftables-values.ts';
import type { Json } from './nftables-values.ts';
import type { Flight, TracedNode } from './packet.ts';
import { noteStep } from './program.ts';
import type { BaseChain, Branch, Hook, Rule } from './program.ts';

const hooks: readonly Hook[] = ['prerouting', 'input', 'forward', 'output', 'postrouting'];

/** What a table's family says of the packets that it sees; bridge, arp and netdev see others than those traced here. */
const families: Readonly<Record<string, BaseChain['family'] | 'both'>> = {
  inet: 'both',
  ip: 'ipv4',
  ip6: 'ipv6',
};

/**
 * The chains that the kernel calls, from what `nft -j list table inet weft` prints (libnftables-json(5)).
 * @throws RulesError UNREADABLE
 */
export function parseNftListing(text: string): BaseChain[] {
  const entries = readEntries(text);
  const sets = readSets(entries);
  const program = new Map<string, Rule[]>();
  const bases: BaseChain[] = [];
  for (const entry of entries) {
    const chain = member(entry, 'chain');
    const rule = member(entry, 'rule');
    if (chain !== undefined) {
      program.set(nameOf(chain, 'name'), []);
      const base = baseChain(chain, program);
      if (base) bases.push(base);
    } else if (rule !== undefined) {
      const name = nameOf(rule, 'chain');
      program.get(name)?.push(new NftablesRule(titleOf(rule, name), rule, sets));
    }
  }
  return bases;
}

function readEntries(text: string): readonly Json[] {
  try {
    const { nftables } = JSON.parse(text) as { nftables: readonly Json[] };
    return [...nftables];
  } catch (error) {
    throw new RulesError('UNREADABLE', 'nft -j list: the answer is not what was expected', { cause: error });
  }
}

function nameOf(json: Json, key: string): string {
  const name = member(json, key);
  if (typeof name === 'string') return name;
  throw new RulesError('UNREADABLE', `nft -j list: ${key} is missing in ${JSON.stringify(json)}`);
}

function titleOf(json: Json, chain: string): string {
  return `${nameOf(json, 'family')} ${nameOf(json, 'table')} ${chain}`;
}

function baseChain(json: Json, program: BaseChain['program']): BaseChain | undefined {
  const hook = hooks.find((each) => each === member(json, 'hook'));
  const family = families[nameOf(json, 'family')];
  if (!hook || !family) return undefined;
  const name = nameOf(json, 'name');
  return {
    hook,
    priority: Number(member(json, 'prio')),
    nat: member(json, 'type') === 'nat',
    family: family === 'both' ? undefined : family,
    policy: member(json, 'policy') === 'drop' ? 'drop' : 'accept',
    title: titleOf(json, name),
    name,
    program,
  };
}

/** One rule; made ready when the first packet comes to it. */
class NftablesRule implements Rule {
  readonly #title: string;
  readonly #json: Json;
  readonly #sets: ReadonlyMap<string, TracedSet>;
  #statements: readonly Statement[] | undefined;
  #text: string | undefined;

  constructor(title: string, json: Json, sets: ReadonlyMap<string, TracedSet>) {
    this.#title = title;
    this.#json = json;
    this.#sets = sets;
  }

  run(flight: Flight, node: TracedNode): readonly Branch[] | undefined {
    const first = this.#execute(flight, node, 0);
    if (first.ways === 1) return first.branch && [first.branch];
    // A rule with numgen: every way in which it can come out has the same chance.
    const part = { ...flight, probability: flight.probability / first.ways };
    return Array.from({ length: first.ways }, (_, choice) => {
      const { branch } = this.#execute(part, node, choice);
      return branch ?? { flight: part, verdict: { kind: 'continue' } };
    });
  }

  /** Runs the statements in one of the ways; no branch when nothing came of it. */
  #execute(flight: Flight, node: TracedNode, choice: number): { ways: number; branch: Branch | undefined } {
    const run: Run = { flight, node, sets: this.#sets, found: [], choice, ways: 1 };
    let done: Done = { flight };
    try {
      this.#statements ??= listOf(member(this.#json, 'expr')).map(compileStatement);
      for (const statement of this.#statements) {
        done = statement(run);
        run.flight = done.flight;
        if (done.verdict !== undefined) break;
      }
    } catch (error) {
      if (!(error instanceof RulesError)) throw error;
      throw new RulesError(error.code, `${error.message}: ${this.#title}: ${this.#rule()}`, { cause: error });
    }
    return { ways: run.ways, branch: this.#branch(flight, done, run) };
  }

  #branch(before: Flight, { flight, verdict, decides = false }: Done, { found }: Run): Branch | undefined {
    if (flight === before && (verdict === undefined || verdict === 'break')) return undefined;
    if (verdict === 'break') return { flight, verdict: { kind: 'continue' } };
    const elements = found.map(({ text }) => text);
    const step = { chain: this.#title, rule: this.#rule(), elements, decides };
    return { flight: noteStep(flight, step), verdict: verdict ?? { kind: 'continue' } };
  }

  #rule(): string {
    this.#text ??= renderRule(listOf(member(this.#json, 'expr')));
    return this.#text;
  }
}
