import { chainOf, isWithin, type Chain } from './bailiwick.ts';
import { DnsError } from './dns-error.ts';
import { Forwarder, type ForwarderOptions } from './forward.ts';
import type { LoopProbe } from './loop-probe.ts';
import type { Message } from './message.ts';
import { ROOT } from './names.ts';
import type { ResourceRecord } from './records.ts';
import type { Question, UpstreamServer } from './upstream.ts';
import { FLAG, RCODE } from './wire.ts';

/** Servers that know a zone of their own, e.g. a company's internal one. */
export interface StubDomain {
  /** In wire form. */
  readonly zone: string;
  readonly servers: readonly UpstreamServer[];
}

/** Whom to ask about what; plain data. */
export interface UpstreamPlan {
  /** For all names that no stub domain covers. */
  readonly servers: readonly UpstreamServer[];
  readonly stubDomains: readonly StubDomain[];
  readonly policy: NonNullable<ForwarderOptions['policy']>;
  readonly mixCase: boolean;
}

export interface UpstreamsOptions {
  readonly loop: LoopProbe;
  readonly observer?: ForwarderOptions['observer'];
  readonly timeoutMs?: number;
}

interface Route {
  readonly zone: string;
  readonly forwarder: Forwarder;
}

/** Aliases may lead from one group of servers to another, and on: not further than this. */
const MAX_HOPS = 8;

/**
 * Asks the servers that are responsible for a name: those of the longest stub domain that covers it, else the
 * general ones. Where an alias leads to names of others, those are asked about them.
 */
export class Upstreams {
  readonly #options: UpstreamsOptions;
  /** Longest zone first; the root is the last. */
  #routes: readonly Route[] = [];
  /** Those of the plan before: questions under way to them may end. */
  #retired: readonly Route[] = [];

  constructor(options: UpstreamsOptions) {
    this.#options = options;
  }

  /** Takes a new plan. Questions under way are still answered by the servers of the old one, or asked again. */
  setPlan({ servers, stubDomains, policy, mixCase }: UpstreamPlan): void {
    closeAll(this.#retired);
    this.#retired = this.#routes;
    for (const { forwarder } of this.#retired) forwarder.retire();
    const { loop, observer, timeoutMs } = this.#options;
    const common = { policy, mixCase, loop, ...(observer && { observer }), ...(timeoutMs && { timeoutMs }) };
    this.#routes = [...stubDomains, { zone: ROOT, servers }]
      .map((stub) => ({ zone: stub.zone, forwarder: new Forwarder({ ...common, ...stub }) }))
      .sort((left, right) => right.zone.length - left.zone.length);
  }

  /** Whether a server is thought to answer that is responsible for a name. */
  isHealthy(name: string): boolean {
    return this.#routeOf(name)?.forwarder.healthy ?? false;
  }

  /**
   * What upstream servers say, without anything that does not belong to the question.
   * @throws {DnsError} NoUpstream
   */
  async ask(question: Question): Promise<Message> {
    const answer: ResourceRecord[] = [];
    let { name } = question;
    let authentic: number = FLAG.AD;
    for (let hop = 0; hop < MAX_HOPS; hop += 1) {
      const { message, chain } = await this.#askRoute({ ...question, name });
      answer.push(...chain.answer);
      authentic &= message.flags;
      if (chain.alias === undefined) {
        const flags = (message.flags & ~FLAG.AD) | authentic;
        return { ...message, name: question.name, flags, answer, authority: chain.authority, additional: [] };
      }
      name = chain.alias;
    }
    throw new DnsError('NoUpstream', `aliases lead from one to the next, more than ${MAX_HOPS} times`);
  }

  /** Ends exchanges and probes under way. */
  close(): void {
    closeAll([...this.#routes, ...this.#retired]);
    this.#routes = [];
    this.#retired = [];
  }

  async #askRoute(question: Question): Promise<{ message: Message; chain: Chain }> {
    const route = this.#routeOf(question.name);
    if (!route) throw new DnsError('NoUpstream', 'no upstream DNS server is known');
    const message = await route.forwarder.ask(question).catch((error: unknown) => {
      if (this.#routes.includes(route)) throw error;
      return this.#askAgain(question, error);
    });
    if (message.rcode !== RCODE.NOERROR && message.rcode !== RCODE.NXDOMAIN) {
      return { message, chain: { answer: [], authority: [], isFound: false } };
    }
    const mayAnswer = (name: string): boolean => this.#routeOf(name)?.zone === route.zone;
    const chain = chainOf(message, { dnssecOk: question.dnssecOk, mayAnswer });
    // Records at a name that does not exist: one of both is wrong.
    if (message.rcode === RCODE.NXDOMAIN && chain.isFound) {
      throw new DnsError('NoUpstream', 'a server gave records of a name and said that there is no such name');
    }
    return { message, chain };
  }

  /** The servers were exchanged meanwhile. */
  #askAgain(question: Question, error: unknown): Promise<Message> {
    const route = this.#routeOf(question.name);
    if (!route) throw error;
    return route.forwarder.ask(question);
  }

  #routeOf(name: string): Route | undefined {
    return this.#routes.find(({ zone }) => isWithin(name, zone));
  }
}

function closeAll(routes: readonly Route[]): void {
  for (const { forwarder } of routes) forwarder.close();
}
