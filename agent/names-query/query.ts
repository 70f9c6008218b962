import { placeOf } from '../../dns/cluster-name.ts';
import { explainAnswer, type Explanation } from '../../dns/explain.ts';
import type { Message } from '../../dns/message.ts';
import { encodeName } from '../../dns/names.ts';
import type { ResolvConf } from '../../dns/resolv-conf.ts';
import {
  searchGoesOn,
  searchSteps,
  stopsInMusl,
  type SearchStep,
  type StepOutcome,
} from '../../dns/search-path.ts';
import { RCODE, TYPE } from '../../dns/wire.ts';
import type { ClusterConfig } from '../../api/cluster.ts';
import { ANSWER_WITHIN_MS, queryServer, type QueryReply, type QueryTarget } from './client.ts';
import type { FactsReader } from './facts.ts';

/** A question, from whom it comes and whom it goes to. */
export interface DnsQuery {
  /** As a program would write it. */
  readonly name: string;
  /** Asked together at each step. */
  readonly types: readonly number[];
  /** How the name is completed; undefined: it is not. */
  readonly conf: ResolvConf | undefined;
  /** In the order in which they are asked: the next one where one is silent. */
  readonly servers: readonly QueryTarget[];
  readonly cluster: ClusterConfig;
}

/** One question and what came of it. */
export interface QueryExchange {
  readonly type: number;
  /** The server that answered, or the last that did not. */
  readonly server: string;
  /** Undefined where nobody answered: {@link failures} say why. */
  readonly reply: QueryReply | undefined;
  /** One sentence for each server that did not answer. */
  readonly failures: readonly string[];
  readonly outcome: StepOutcome;
  /** Why it is answered so; more than one sentence where something is odd. */
  readonly why: readonly string[];
}

export interface QueryStep {
  readonly step: SearchStep;
  readonly exchanges: readonly QueryExchange[];
  readonly outcome: StepOutcome;
  /** What musl, Alpine's libc, does otherwise. */
  readonly differs: boolean;
}

/**
 * Asks as a resolver does, name after name, until one is answered with records or nobody answers; yields each step
 * when it is over.
 */
export async function* runQuery(query: DnsQuery, facts: FactsReader): AsyncGenerator<QueryStep> {
  const steps = searchSteps(query.name, query.conf ?? { searches: [], options: [] });
  for (const [index, step] of steps.entries()) {
    const name = encodeName(step.name);
    const exchanges: QueryExchange[] = [];
    for (const type of query.types) exchanges.push(await exchange(query, name, type, facts));
    const outcome = bestOutcome(exchanges.map((each) => each.outcome));
    const goesOn = searchGoesOn(outcome) && index < steps.length - 1;
    yield { step, exchanges, outcome, differs: goesOn && stopsInMusl(outcome) };
    if (!goesOn) return;
  }
}

async function exchange(
  query: DnsQuery,
  name: string,
  type: number,
  facts: FactsReader,
): Promise<QueryExchange> {
  const failures: string[] = [];
  let server = '';
  for (const target of query.servers) {
    server = target.host;
    try {
      const reply = await queryServer(target, { name, type });
      const outcome = outcomeOf(reply.message, type);
      return {
        type,
        server,
        reply,
        failures,
        outcome,
        why: await explain(query, name, type, reply.message, facts),
      };
    } catch (error) {
      failures.push(renderSilence(target, error));
    }
  }
  return { type, server, reply: undefined, failures, outcome: 'silence', why: [] };
}

const outcomeOrder: readonly StepOutcome[] = ['found', 'no-data', 'no-name', 'failed', 'silence'];

/** Of questions for several types, what the resolver goes by. */
function bestOutcome(outcomes: readonly StepOutcome[]): StepOutcome {
  return outcomeOrder.find((outcome) => outcomes.includes(outcome)) ?? 'silence';
}

function outcomeOf({ rcode, answer }: Message, type: number): StepOutcome {
  if (rcode === RCODE.NXDOMAIN) return 'no-name';
  if (rcode !== RCODE.NOERROR) return 'failed';
  return answer.some((record) => record.type === type || type === TYPE.ANY) ? 'found' : 'no-data';
}

const expectations = { records: 'found', 'no-data': 'no-data', 'no-name': 'no-name' } as const;
const outcomeWords = { found: 'records', 'no-data': 'no records', 'no-name': 'no such name' } as const;

async function explain(
  { cluster }: DnsQuery,
  name: string,
  type: number,
  message: Message,
  reader: FactsReader,
): Promise<string[]> {
  const naming = { zone: cluster.zone, cidrs: [...cluster.serviceCIDRs, ...cluster.clusterCIDRs] };
  const { facts, note } = await reader.read(placeOf(name, naming));
  const notes = note === undefined ? [] : [note];
  const outcome = outcomeOf(message, type);
  if (outcome === 'failed') return [failureReason(message.rcode, placeOf(name, naming).kind === 'outside')];
  if (!facts) return notes;
  const explanation = explainAnswer(name, type, naming, facts);
  return [...reasons(explanation, outcome, message, name), ...notes];
}

function reasons(
  { expects, why }: Explanation,
  outcome: StepOutcome,
  message: Message,
  name: string,
): string[] {
  const expected = expects && expectations[expects];
  if (expected === undefined || expected === outcome) return [why];
  const [first] = message.answer;
  if (outcome === 'found' && first?.type === TYPE.CNAME && first.name === name) {
    return [`the server completed the name by the pod's search path (autopath): ${why}`];
  }
  const words = outcomeWords[expected];
  return [
    `by the API it should be ${words}: ${why}`,
    'the server has not heard of it yet, or it has changed just now: ask again',
  ];
}

function failureReason(rcode: number, isOutside: boolean): string {
  if (rcode === RCODE.REFUSED) return 'the server does not take this question from this client';
  if (rcode !== RCODE.SERVFAIL) return 'the server does not know such questions';
  return isOutside
    ? 'no upstream server has a useful answer'
    : "the server does not have all of the cluster's names yet";
}

function renderSilence({ host, port, netns }: QueryTarget, error: unknown): string {
  const where = `${host} port ${port}${netns === undefined ? '' : ", from the pod's network"}`;
  const { name, code, message } = error as NodeJS.ErrnoException;
  if (name === 'AbortError' || name === 'TimeoutError')
    return `no answer from ${where} within ${ANSWER_WITHIN_MS} ms`;
  if (code === 'ECONNREFUSED') return `nobody listens on ${where}`;
  return `no answer from ${where}: ${message}`;
}
