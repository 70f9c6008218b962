import type { CniCall } from '../../cni/call.ts';
import { AgentError } from '../agent-error.ts';
import type { CallAnswer } from '../cni/call-server.ts';
import { releaseLease } from './release.ts';
import type { LeaseHolder, Released, ReleaseOrder } from './release.ts';

/**
 * `weft ipam release` as it goes to a running agent: by the CNI plugin's socket (cni/weft-cni.c has the protocol), with
 * a variable that the plugin never passes on, and the order in place of a configuration.
 */
const variable = 'WEFT_COMMAND';
const command = 'release';

type Outcome =
  | { readonly released: Released }
  | { readonly refused: { readonly code: string; readonly message: string; readonly remedy: string } };

export function encodeOrder(order: ReleaseOrder): string {
  return `${variable}=${command}\0\0${JSON.stringify(order)}`;
}

/** Whether a call is no plugin's but an administrator's. */
export function isOrder({ variables }: CniCall): boolean {
  return variables.get(variable) === command;
}

/** Does what an administrator wants. What goes wrong is in the answer. */
export async function answerOrder(holder: LeaseHolder, { config }: CniCall): Promise<CallAnswer> {
  const outcome = await carryOut(holder, JSON.parse(config) as ReleaseOrder);
  return { exitCode: 'released' in outcome ? 0 : 1, text: JSON.stringify(outcome) };
}

async function carryOut(holder: LeaseHolder, order: ReleaseOrder): Promise<Outcome> {
  try {
    return { released: await releaseLease(holder, order) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const { code, remedy } =
      error instanceof AgentError ? error : { code: 'not-released', remedy: 'see the agent’s log' };
    return { refused: { code, message, remedy } };
  }
}

/**
 * What an agent answered.
 * @throws AgentError what it refused, or `no-answer`
 */
export function decodeOutcome(answer: string): Released {
  const text = /^\d+ \d+\n(.*)$/s.exec(answer)?.[1];
  if (text === undefined)
    throw new AgentError('no-answer', 'the agent ended before it answered', 'weft ipam show');
  const outcome = JSON.parse(text) as Outcome;
  if ('released' in outcome) return outcome.released;
  const { code, message, remedy } = outcome.refused;
  throw new AgentError(code, message, remedy);
}
