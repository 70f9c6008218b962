import { compileMatch, evaluate, lookUp } from './nftables-expressions.ts';
import type { Run } from './nftables-expressions.ts';
import { isAddress, member, notKnown, tagged } from './nftables-values.ts';
import type { Json, Value } from './nftables-values.ts';
import type { Flight } from './packet.ts';
import type { Verdict } from './program.ts';

/** What a statement makes of a packet. */
export interface Done {
  readonly flight: Flight;
  /** Undefined: the next statement has its word. `break`: the rule does not fit (NFT_BREAK). */
  readonly verdict?: Verdict | 'break';
  readonly decides?: boolean;
}

export type Statement = (run: Run) => Done;

const broken = 'break';

/** Makes a statement. One that is not known fails when a packet comes to it. */
export function compileStatement(json: Json): Statement {
  // nft 1.0.6 has no JSON for what changes a map from within a rule and gives its text.
  if (typeof json === 'string' && /^(add|update|delete) @/.test(json)) return unchanged;
  const [tag, body] = tagged(json);
  const verdict = verdictOf(json);
  if (verdict) return ({ flight }) => ({ flight, verdict, decides: verdict.kind === 'drop' });
  return makers[tag]?.(body) ?? (() => notKnown('statement', json));
}

const unchanged: Statement = ({ flight }) => ({ flight });

const makers: Readonly<Record<string, ((body: Json) => Statement) | undefined>> = {
  match: (body) => {
    const fits = compileMatch(body);
    return (run) => (fits(run) ? { flight: run.flight } : { flight: run.flight, verdict: broken });
  },
  mangle: (body) => (run) => {
    const key = member(body, 'key');
    if (member(member(key, 'meta'), 'key') !== 'mark') return notKnown('change of', key);
    const value = evaluate(member(body, 'value') ?? null, run);
    if (value === undefined) return { flight: run.flight, verdict: broken };
    return { flight: { ...run.flight, mark: Number(value) } };
  },
  vmap: (body) => (run) => {
    const { flight } = run;
    const found = lookUp(member(body, 'key'), member(body, 'data'), run);
    if (!found) return { flight, verdict: broken };
    const verdict = verdictOf(found.data);
    if (!verdict) return notKnown('verdict', found.data);
    return { flight, verdict, decides: verdict.kind === 'drop' };
  },
  dnat: (body) => (run) => {
    const value = evaluate(member(body, 'addr') ?? null, run);
    const port = member(body, 'port');
    return value === undefined
      ? { flight: run.flight, verdict: broken }
      : rewriteDestination(run.flight, value, port === undefined ? undefined : evaluate(port, run));
  },
  masquerade: () => rewriteSource,
  snat: (body) => {
    const address = member(body, 'addr') ?? null;
    // Any address is one of another sender; a map may have none for this packet.
    if (tagged(address)[0] !== 'map') return rewriteSource;
    return (run) =>
      evaluate(address, run) === undefined ? { flight: run.flight, verdict: broken } : rewriteSource(run);
  },
  reject: (body) => {
    const answer = member(body, 'type') === 'tcp reset' ? 'reset' : 'unreachable';
    return ({ flight }) => ({ flight, verdict: { kind: 'reject', answer }, decides: true });
  },
  notrack: () => (run) => ({ flight: { ...run.flight, tracked: false } }),
  // Neither decides anything, nor does a set that remembers who passed.
  counter: () => unchanged,
  log: () => unchanged,
  set: () => unchanged,
  map: () => unchanged,
  // The first packet of a connection is below every rate, and above none.
  limit: (body) =>
    member(body, 'inv') === undefined ? unchanged : ({ flight }) => ({ flight, verdict: broken }),
};

const rewriteSource: Statement = ({ flight }) => ({
  flight: { ...flight, masqueraded: true, settled: { ...flight.settled, source: true } },
  verdict: { kind: 'accept' },
  decides: true,
});

/** `value` is an address, or an address and a port. */
function rewriteDestination(flight: Flight, value: Value, separate: Value | undefined): Done {
  const [destination, port = separate ?? flight.port] = Array.isArray(value) ? (value as Value[]) : [value];
  if (!isAddress(destination)) return notKnown('address', JSON.stringify(destination));
  return {
    flight: {
      ...flight,
      destination,
      port: Number(port),
      rewritten: true,
      settled: { ...flight.settled, destination: true },
    },
    verdict: { kind: 'accept' },
    decides: true,
  };
}

function verdictOf(json: Json | undefined): Verdict | undefined {
  const [tag, body] = tagged(json);
  if (tag === 'accept' || tag === 'drop' || tag === 'return' || tag === 'continue') return { kind: tag };
  const chain = member(body, 'target');
  if ((tag === 'jump' || tag === 'goto') && typeof chain === 'string') return { kind: tag, chain };
  return undefined;
}
