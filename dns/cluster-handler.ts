import { AddressRanges } from './address-ranges.ts';
import { NOTE, takeNote } from './answer-note.ts';
import { encodeAnswer, renderAnswer, writeAnswer, writeError } from './answer.ts';
import { Autopath } from './autopath.ts';
import type { Handler } from './handler.ts';
import type { Resolver } from './resolver.ts';
import { decodeMessage, type Message } from './message.ts';
import { copyQuery, createQuery, parseQuery, type Query } from './question.ts';
import { encodeQuestion, type Question } from './upstream.ts';
import { CLASS_IN, FLAG, MAX_UDP_BYTES, RCODE, TYPE } from './wire.ts';
import { transferMessages } from './zone-transfer.ts';
import type { ClusterZone } from './zone.ts';

export interface ClusterHandlerOptions {
  readonly zone: ClusterZone;
  /** Whether the zone holds all that the cluster has: until then nothing is said to be missing. */
  readonly synced: () => boolean;
  /** The same of pods, where the zone verifies their names. */
  readonly podsSynced: () => boolean;
  /** Addresses and ranges that may copy the zone, over TCP. Default none. */
  readonly transferTo?: readonly string[];
  /** Walk pods' search path for them; what comes in it after the cluster's domains. Default: do not. */
  readonly autopath?: readonly string[] | undefined;
  /** Whom to ask for all other names. */
  readonly resolver: Resolver;
}

/** The cluster's own names from the zone, all others from upstream servers. */
export function clusterHandler(options: ClusterHandlerOptions): Handler {
  const { zone, synced, podsSynced, resolver, transferTo = [], autopath: search } = options;
  const recipients = new AddressRanges(transferTo);
  // Over UDP there is no telling who asks (RFC 5936 section 4.2 leaves that undefined).
  const mayTransfer = (query: Query): boolean =>
    query.type === TYPE.AXFR &&
    query.limit > MAX_UDP_BYTES &&
    zone.isApex(query) &&
    recipients.has(query.client);
  const autopath =
    search && new Autopath({ zone, search, ask: (query, name) => askFor(zone, resolver, query, name) });
  return (query, out) => {
    const isTransfer = query.type === TYPE.AXFR || query.type === TYPE.IXFR;
    if (query.class !== CLASS_IN || (isTransfer && !mayTransfer(query))) {
      takeNote(query, NOTE.PROHIBITED, () => 'zone transfers and classes other than IN are not answered');
      return writeError(query, RCODE.REFUSED, FLAG.RA, out);
    }
    if ((!synced() && zone.covers(query)) || (!podsSynced() && zone.isPodName(query))) {
      takeNote(query, NOTE.NOT_READY, () => "not all of the cluster's names have been read from the API yet");
      return writeError(query, RCODE.SERVFAIL, FLAG.RA, out);
    }
    if (isTransfer) return transferMessages(copyQuery(query), zone.transfer());
    const answer = zone.lookup(query);
    if (!answer) return resolver.handle(query, out);
    takeNote(query, NOTE.OTHER, () => "answered from the cluster's names");
    if (answer.rcode === RCODE.NXDOMAIN) {
      const walk = autopath?.walk(query, answer);
      if (walk) return walk;
    }
    if (answer.alias === undefined) return writeAnswer(query, answer, out);
    return followAlias(zone, resolver, copyQuery(query), answer.alias);
  };
}

/** What we would answer to a question for another name, in full. */
async function askFor(zone: ClusterZone, resolver: Resolver, from: Query, name: string): Promise<Message> {
  const question = questionFor(from, name);
  const query = createQuery();
  query.client = from.client;
  parseQuery(encodeQuestion(0, question, true), 'tcp', query);
  const answer = zone.lookup(query);
  if (!answer) return resolver.resolve(question, from.client);
  const bytes =
    answer.alias === undefined
      ? renderAnswer(query, answer)
      : await followAlias(zone, resolver, query, answer.alias);
  return decodeMessage(Buffer.from(bytes));
}

function questionFor({ type, dnssecOk, flags }: Query, name: string): Question {
  return { name, type, dnssecOk, checkingDisabled: (flags & FLAG.CD) !== 0 };
}

/** An ExternalName Service: its CNAME, and behind it what upstream servers say about the name it leads to. */
async function followAlias(
  zone: ClusterZone,
  resolver: Resolver,
  query: Query,
  target: string,
): Promise<Uint8Array> {
  const { records } = zone.aliases(query.name);
  const { rcode, answer, authority } = await resolver.resolve(questionFor(query, target), query.client);
  const whole = encodeAnswer(
    { rcode, flags: FLAG.AA | FLAG.RA, answer: [...records, ...answer], authority },
    { nameBytes: query.name.length, suffix: query.name },
  );
  return renderAnswer(query, whole);
}
