import type { Run } from '../../iptables/command.ts';
import { RulesError } from '../../iptables/error.ts';

/** Rules by chain. */
type Chains = Map<string, string[]>;

const kernelChains: Readonly<Record<string, readonly string[]>> = {
  raw: ['PREROUTING', 'OUTPUT'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
};

/** The tables of iptables and ip6tables, kept as `iptables-restore --noflush` and `iptables-save` keep them. */
export class FakeXtables {
  readonly #tables = new Map<string, Chains>();
  /** What was called since the last look: the program, and how many lines it was given. */
  readonly calls: { readonly program: string; readonly input: string }[] = [];
  /** Called when a table is about to be committed; throws what the program would say. */
  onCommit: (line: number) => void = () => undefined;

  readonly run: Run = (program, _args, input) => {
    const family = program.startsWith('ip6') ? 'ip6tables' : 'iptables';
    this.calls.push({ program, input: input ?? '' });
    try {
      if (program.endsWith('-save')) return Promise.resolve(this.#save(family));
      this.#restore(family, input ?? '');
      return Promise.resolve('');
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
  };

  /** The programs called since the last time, in order. */
  takeCalls(): string[] {
    return this.calls.splice(0).map(({ program }) => program);
  }

  /** The rules of a chain; undefined when it is not there. */
  rules(table: string, chain: string, family = 'iptables'): readonly string[] | undefined {
    return this.#table(family, table).get(chain);
  }

  /** All rules of a table, as `iptables -S` lists them. */
  list(table: string, family = 'iptables'): string[] {
    return [...this.#table(family, table)].flatMap(([chain, rules]) =>
      rules.map((rule) => `-A ${chain} ${rule}`),
    );
  }

  #table(family: string, table: string): Chains {
    const key = `${family} ${table}`;
    const known = this.#tables.get(key);
    if (known) return known;
    const made: Chains = new Map((kernelChains[table] ?? []).map((chain) => [chain, []]));
    this.#tables.set(key, made);
    return made;
  }

  #save(family: string): string {
    return Object.keys(kernelChains)
      .flatMap((table) => [
        `*${table}`,
        ...[...this.#table(family, table).keys()].map((chain) => `:${chain} - [0:0]`),
        ...this.list(table, family),
        'COMMIT',
      ])
      .map((line) => `${line}\n`)
      .join('');
  }

  #restore(family: string, input: string): void {
    let table = '';
    let chains: Chains = new Map();
    for (const [index, line] of input.split('\n').entries()) {
      const refuse = (reason: string): never => {
        throw new RulesError('REFUSED', `${reason}\nError occurred at line: ${String(index + 1)}`);
      };
      if (line.startsWith('*')) {
        table = line.slice(1);
        chains = new Map([...this.#table(family, table)].map(([chain, rules]) => [chain, [...rules]]));
      } else if (line === 'COMMIT') {
        this.onCommit(index + 1);
        this.#tables.set(`${family} ${table}`, chains);
      } else if (line !== '') {
        change(chains, line, refuse);
      }
    }
  }
}

function change(chains: Chains, line: string, refuse: (reason: string) => never): void {
  const [verb = '', chain = ''] = line.split(' ', 2);
  if (verb.startsWith(':')) {
    chains.set(verb.slice(1), []);
    return;
  }
  const rules = chains.get(chain) ?? refuse(`Chain '${chain}' does not exist`);
  const rule = line.slice(`${verb} ${chain} `.length);
  const target = / -[jg] (WEFT-\S+)$/.exec(line)?.[1];
  if (target !== undefined && !chains.has(target)) refuse(`Chain '${target}' does not exist`);
  const port = Number(/--to-destination \S+:(\d+)$/.exec(rule)?.[1] ?? 0);
  if (port > 65_535) refuse(`Port \`${String(port)}' not valid`);
  if (verb === '-A') rules.push(rule);
  else if (verb === '-I') rules.unshift(rule.replace(/^1 /, ''));
  else if (verb === '-D') {
    if (!rules.includes(rule)) refuse('Bad rule (does a matching rule exist in that chain?).');
    rules.splice(rules.indexOf(rule), 1);
  } else {
    const jumps = [...chains.values()].flat().some((each) => each.endsWith(` ${chain}`));
    if (verb !== '-X' || rules.length > 0 || jumps) refuse(`cannot ${line}`);
    chains.delete(chain);
  }
}
