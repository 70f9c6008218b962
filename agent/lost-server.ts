import { isIP } from 'node:net';
import { isAway } from '../api/client/api-error.ts';

/** A server that is away for longer, in ms, is no longer just being restarted. */
const lostAfterMs = 30_000;

/**
 * What is wrong with the connection to the API, and where only a person can help, what to do: a name is looked up anew
 * for each connection, but of an address nobody tells that the server has left it.
 * @param server the URL that the agent was given
 */
export function describeLoss(error: Error, server: string, silentMs: number): string {
  const { hostname } = new URL(server);
  const isAddress = isIP(hostname.replace(/^\[|\]$/g, '')) !== 0;
  if (!isAway(error) || !isAddress || silentMs < lostAfterMs) return error.message;
  return `${error.message}; if the server has another address now, put it into the setting server (better: a DNS name) and restart the agent`;
}
