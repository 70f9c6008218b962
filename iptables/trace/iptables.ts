import { RulesError } from '../error.ts';
import type { Family } from '../family.ts';
import { compileMatches } from './iptables-matches.ts';
import { compileTarget } from './iptables-targets.ts';
import { parseRule } from './iptables-words.ts';
import type { Flight, Step } from './packet.ts';
import { noteStep } from './program.ts';
import type { BaseChain, Branch, Hook, Rule } from './program.ts';

/** The tables with their chains' priorities (linux/netfilter_ipv4.h, NF_IP_PRI_…). */
const priorities: Readonly<Record<string, number | undefined>> = {
  raw: -300,
  mangle: -150,
  nat: -100,
  filter: 0,
  security: 50,
};

const hooks: Readonly<Record<string, Hook | undefined>> = {
  PREROUTING: 'prerouting',
  INPUT: 'input',
  FORWARD: 'forward',
  OUTPUT: 'output',
  POSTROUTING: 'postrouting',
};

interface Table {
  readonly name: string;
  /** The rules' text by chain. */
  readonly chains: Map<string, string[]>;
  readonly policies: Map<string, 'accept' | 'drop'>;
}

/**
 * The chains that the kernel calls, from what iptables-save or ip6tables-save prints: ours and everybody else's.
 * @throws RulesError UNREADABLE
 */
export function parseIptablesSave(text: string, family: Family): BaseChain[] {
  return readTables(text).flatMap((table) => compileTable(table, family));
}

function readTables(text: string): Table[] {
  const tables: Table[] = [];
  let table: Table | undefined;
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#') || line === 'COMMIT') continue;
    const [, name] = /^\*(\S+)$/.exec(line) ?? [];
    const [, chain, policy] = /^:(\S+) (\S+)/.exec(line) ?? [];
    // With -c each rule has its counters before it.
    const [, owner, rule] = /^(?:\[\d+:\d+\] )?-A (\S+)(?: (.*))?$/.exec(line) ?? [];
    if (name !== undefined) {
      table = { name, chains: new Map(), policies: new Map() };
      tables.push(table);
    } else if (table && chain !== undefined) {
      table.chains.set(chain, []);
      if (policy !== '-') table.policies.set(chain, policy === 'DROP' ? 'drop' : 'accept');
    } else if (table && owner !== undefined && table.chains.has(owner)) {
      table.chains.get(owner)?.push(rule ?? '');
    } else throw new RulesError('UNREADABLE', `iptables-save: ${JSON.stringify(line)} is not understood`);
  }
  return tables;
}

function compileTable({ name, chains, policies }: Table, family: Family): BaseChain[] {
  const names = new Set(chains.keys());
  const program = new Map<string, readonly Rule[]>();
  for (const [chain, rules] of chains)
    program.set(
      chain,
      rules.map((rule) => new IptablesRule(name, chain, rule, names)),
    );
  const priority = priorities[name];
  if (priority === undefined) throw new RulesError('UNREADABLE', `iptables-save: no such table: ${name}`);
  return [...policies].map(([chain, policy]) => {
    const hook = hooks[chain];
    if (!hook) throw new RulesError('UNREADABLE', `iptables-save: the kernel calls no chain ${chain}`);
    return {
      hook,
      priority,
      nat: name === 'nat',
      family,
      policy,
      title: `${name} ${chain}`,
      name: chain,
      program,
    };
  });
}

/** One rule; taken apart when the first packet comes to it: of many thousand a packet meets a few. */
class IptablesRule implements Rule {
  readonly #table: string;
  readonly #chain: string;
  readonly #text: string;
  readonly #chains: ReadonlySet<string>;
  #run: Rule['run'] | undefined;

  constructor(table: string, chain: string, text: string, chains: ReadonlySet<string>) {
    this.#table = table;
    this.#chain = chain;
    this.#text = text;
    this.#chains = chains;
  }

  run(...args: Parameters<Rule['run']>): ReturnType<Rule['run']> {
    this.#run ??= this.#compile();
    return this.#run(...args);
  }

  #compile(): Rule['run'] {
    const parsed = parseRule(this.#text);
    const { matches, unknown } = compileMatches(parsed);
    const effect = compileTarget(parsed.target, this.#chains);
    const step: Step = {
      chain: `${this.#table} ${this.#chain}`,
      rule: `-A ${this.#chain} ${this.#text}`,
      elements: [],
      decides: effect?.decides ?? true,
    };
    return (flight, node) => {
      let chance = 1;
      for (const match of matches) {
        chance *= match(flight, node);
        if (chance === 0) return undefined;
      }
      // What only writes a log line does not matter, whatever it is about.
      if (unknown.length > 0 && effect?.idle === true) return undefined;
      if (unknown.length > 0) throw this.#notKnown(`the match ${unknown.join(', ')}`);
      if (!effect) throw this.#notKnown(`the target ${parsed.target?.name ?? ''} with its options`);
      return fork(flight, chance, (taken) => effect.act(noteStep(taken, step)));
    };
  }

  #notKnown(what: string): RulesError {
    return new RulesError(
      'UNREADABLE',
      `the tracer does not know ${what}, on which it depends what happens: table ${this.#table}: -A ${this.#chain} ${this.#text}`,
    );
  }
}

/** Parts the courses of those that fit and those that do not. */
function fork(flight: Flight, chance: number, act: (flight: Flight) => Branch): Branch[] {
  if (chance === 1) return [act(flight)];
  const passed = { ...flight, probability: flight.probability * (1 - chance) };
  return [
    act({ ...flight, probability: flight.probability * chance }),
    { flight: passed, verdict: { kind: 'continue' } },
  ];
}
