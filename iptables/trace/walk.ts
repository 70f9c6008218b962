import { isLocal, listSteps, parseAddress } from './packet.ts';
import type { Address, Flight, Outcome, Packet, Step, Trace, TracedNode } from './packet.ts';
import { noteStep, runChain } from './program.ts';
import type { BaseChain, Ended, Hook } from './program.ts';

/** The first port of the range that is nobody's (RFC 6335 section 6). */
const ephemeralPort = 49_152;

/** Rewriting happens at these priorities, whatever a chain of type nat says (linux/netfilter_ipv4.h, NF_IP_PRI_NAT_…). */
const natPriority: Readonly<Record<Hook, number>> = {
  prerouting: -100,
  output: -100,
  input: 100,
  postrouting: 100,
  forward: 0,
};

/**
 * Says what rules do with a packet, with the exact chance of each thing that can happen. Rules of several sources go in
 * together: the kernel calls all chains of a hook one after the other.
 *
 * It is about a client's first connection: nobody is remembered by affinity.
 * @throws RulesError UNREADABLE naming the rule, when a rule that matters does something that is not known here
 */
export function tracePacket(chains: readonly BaseChain[], node: TracedNode, packet: Packet): Trace {
  const source = parseAddress(packet.source);
  const destination = parseAddress(packet.destination);
  const fromNode = isLocal(node, source);
  const flight: Flight = {
    source,
    destination,
    asked: destination,
    protocol: packet.protocol,
    port: packet.port,
    sourcePort: packet.sourcePort ?? ephemeralPort,
    mark: 0,
    tracked: true,
    settled: { destination: false, source: false },
    rewritten: packet.rewritten ?? false,
    masqueraded: false,
    inDevice: fromNode ? undefined : packet.device,
    outDevice: undefined,
    probability: 1,
    steps: undefined,
  };
  const walk = new Walk(chains, node, source.family);
  walk.start(flight, fromNode);
  return { outcomes: merge(walk.outcomes) };
}

/** The way of one packet through the hooks (net/ipv4/ip_input.c, ip_forward.c, ip_output.c). */
class Walk {
  readonly outcomes: Outcome[] = [];
  readonly #chains: readonly BaseChain[];
  readonly #node: TracedNode;

  constructor(chains: readonly BaseChain[], node: TracedNode, family: Address['family']) {
    this.#chains = chains
      .filter((chain) => chain.family === undefined || chain.family === family)
      .sort((a, b) => effectivePriority(a) - effectivePriority(b) || a.priority - b.priority);
    this.#node = node;
  }

  start(flight: Flight, fromNode: boolean): void {
    if (fromNode) this.#send(flight);
    else for (const passed of this.#pass('prerouting', flight)) this.#route(passed);
  }

  #route(flight: Flight): void {
    if (isLocal(this.#node, flight.destination)) this.#receive(flight);
    else {
      for (const passed of this.#pass('forward', { ...flight, outDevice: this.#device(flight) })) {
        this.#leave(passed);
      }
    }
  }

  /** The chains of output see the device of the first routing: what follows from a rewriting is noticed behind them. */
  #send(flight: Flight): void {
    for (const passed of this.#pass('output', { ...flight, outDevice: this.#device(flight) })) {
      const rerouted = { ...passed, outDevice: this.#device(passed) };
      if (!isLocal(this.#node, passed.destination)) this.#leave(rerouted);
      else {
        for (const left of this.#pass('postrouting', rerouted)) {
          const looped = { ...left, inDevice: 'lo', outDevice: undefined };
          for (const arrived of this.#pass('prerouting', looped)) this.#receive(arrived);
        }
      }
    }
  }

  #receive(flight: Flight): void {
    for (const passed of this.#pass('input', { ...flight, outDevice: undefined })) this.#arrive(passed);
  }

  #leave(flight: Flight): void {
    for (const passed of this.#pass('postrouting', { ...flight, inDevice: undefined })) this.#arrive(passed);
  }

  #arrive(flight: Flight): void {
    this.outcomes.push(outcomeOf(flight, flight.rewritten ? 'forward' : 'pass'));
  }

  #device({ destination }: Flight): string | undefined {
    return isLocal(this.#node, destination) ? 'lo' : this.#node.deviceTo?.(destination.text);
  }

  /** Runs all chains of a hook; returns the courses that go on. */
  #pass(hook: Hook, start: Flight): Flight[] {
    let flights = [start];
    for (const chain of this.#chains) {
      if (chain.hook === hook) flights = flights.flatMap((flight) => this.#call(chain, flight));
    }
    // Whoever had the chance to rewrite and did not has decided, too.
    return flights.map((flight) => settle(flight, hook));
  }

  #call(chain: BaseChain, flight: Flight): Flight[] {
    if (chain.nat && (!flight.tracked || flight.settled[manipOf(chain.hook)])) return [flight];
    return runChain(chain.program, chain.name, flight, this.#node).flatMap((ended) =>
      this.#judge(chain, ended),
    );
  }

  #judge(chain: BaseChain, { flight, verdict }: Ended): Flight[] {
    if (verdict.kind === 'reject') {
      this.outcomes.push({ ...outcomeOf(flight, 'reject'), answer: verdict.answer });
      return [];
    }
    if (verdict.kind === 'drop') {
      this.outcomes.push(outcomeOf(flight, 'drop'));
      return [];
    }
    if (verdict.kind === 'accept' || chain.policy === 'accept') return [flight];
    const step = { chain: chain.title, rule: 'policy drop', elements: [], decides: true };
    this.outcomes.push(outcomeOf(noteStep(flight, step), 'drop'));
    return [];
  }
}

function effectivePriority({ nat, hook, priority }: BaseChain): number {
  return nat ? natPriority[hook] : priority;
}

function manipOf(hook: Hook): 'destination' | 'source' {
  return hook === 'prerouting' || hook === 'output' ? 'destination' : 'source';
}

function settle(flight: Flight, hook: Hook): Flight {
  if (hook === 'forward' || flight.settled[manipOf(hook)]) return flight;
  return { ...flight, settled: { ...flight.settled, [manipOf(hook)]: true } };
}

const decides = (step: Step): boolean => step.decides;

function outcomeOf(flight: Flight, verdict: Outcome['verdict']): Outcome {
  const steps = listSteps(flight.steps);
  return {
    verdict,
    probability: flight.probability,
    address: flight.destination.text,
    port: flight.port,
    masqueraded: flight.masqueraded,
    steps,
    // Of a rewritten destination and a rewritten source the first says where it goes.
    decidedBy: verdict === 'forward' ? steps.find(decides) : steps.findLast(decides),
  };
}

/** Adds up the chances of what ends alike. */
function merge(outcomes: readonly Outcome[]): Outcome[] {
  const merged = new Map<string, Outcome>();
  for (const outcome of outcomes) {
    const { verdict, address, port, masqueraded, answer, probability } = outcome;
    const key = [verdict, address, port, masqueraded, answer].join(' ');
    const known = merged.get(key);
    merged.set(key, known ? { ...known, probability: known.probability + probability } : outcome);
  }
  return [...merged.values()];
}
