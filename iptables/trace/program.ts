import { RulesError } from '../error.ts';
import type { Flight, Step, TracedNode } from './packet.ts';

/** Where the kernel calls base chains (linux/netfilter.h, NF_INET_…). */
export type Hook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';

/** What a rule says about a packet. `continue`: the next rule has its word. */
export type Verdict =
  | { readonly kind: 'continue' | 'return' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }
  | FinalVerdict;

/** What ends the chains of a table. */
type FinalVerdict =
  | { readonly kind: 'accept' | 'drop' }
  | { readonly kind: 'reject'; readonly answer: 'reset' | 'unreachable' };

/** One way a rule can go. */
export interface Branch {
  readonly flight: Flight;
  readonly verdict: Verdict;
}

/** A rule of either kind, ready to be run. */
export interface Rule {
  /** What it does with a packet; undefined when it does not concern it. Branches' probabilities add up to the packet's. */
  run(flight: Flight, node: TracedNode): readonly Branch[] | undefined;
}

/** The chains that can reach each other. */
export type Program = ReadonlyMap<string, readonly Rule[]>;

/** A chain that the kernel calls. */
export interface BaseChain {
  readonly hook: Hook;
  readonly priority: number;
  /** Chains of type nat are called for a connection's first packet until one of them rewrites it. */
  readonly nat: boolean;
  /** Undefined: both. */
  readonly family: Flight['source']['family'] | undefined;
  /** What happens to packets that no rule decides. */
  readonly policy: 'accept' | 'drop';
  /** Names it in steps: `filter FORWARD`. */
  readonly title: string;
  readonly name: string;
  readonly program: Program;
}

/** How a chain ended for one course; `end`: no rule decided. */
export interface Ended {
  readonly flight: Flight;
  readonly verdict: FinalVerdict | { readonly kind: 'end' };
}

/** Jumps nest at most so deep: NFT_JUMP_STACK_SIZE of net/netfilter/nf_tables.h. */
const maxDepth = 16;

/** Runs a chain for one packet: every way it can end, with its chance. */
export function runChain(
  program: Program,
  name: string,
  start: Flight,
  node: TracedNode,
  depth = 0,
): readonly Ended[] {
  const rules = program.get(name);
  if (!rules) throw new RulesError('UNREADABLE', `a rule leads to the chain ${name}, which is not there`);
  if (depth > maxDepth) throw new RulesError('UNREADABLE', `chain ${name}: jumps go round in circles`);
  const ended: Ended[] = [];
  let flights: Flight[] = [start];
  for (const rule of rules) {
    const next: Flight[] = [];
    for (const flight of flights) {
      const branches = rule.run(flight, node);
      if (branches) for (const branch of branches) follow(branch, next, ended);
      else next.push(flight);
    }
    flights = next;
    if (flights.length === 0) break;
  }
  return [...ended, ...flights.map((flight) => ({ flight, verdict: { kind: 'end' } as const }))];

  function follow({ flight, verdict }: Branch, next: Flight[], ended: Ended[]): void {
    switch (verdict.kind) {
      case 'continue':
        next.push(flight);
        return;
      case 'return':
        ended.push({ flight, verdict: { kind: 'end' } });
        return;
      case 'jump':
        for (const each of runChain(program, verdict.chain, flight, node, depth + 1)) {
          if (each.verdict.kind === 'end') next.push(each.flight);
          else ended.push(each);
        }
        return;
      case 'goto':
        ended.push(...runChain(program, verdict.chain, flight, node, depth + 1));
        return;
      default:
        ended.push({ flight, verdict });
    }
  }
}

/** The packet after a rule had an effect on it. */
export function noteStep(flight: Flight, step: Step): Flight {
  return { ...flight, steps: { step, before: flight.steps } };
}
