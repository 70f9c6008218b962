import type { Message } from './message.ts';
import { lowerCase } from './names.ts';
import type { ResourceRecord } from './records.ts';
import { FLAG, RCODE, TYPE } from './wire.ts';

/** What of a message answers its question. */
export interface Chain {
  /** The question's aliases in their order, then the records of the asked type. */
  readonly answer: readonly ResourceRecord[];
  /** For a negative answer the SOA; what proves it, where DNSSEC was asked for. */
  readonly authority: readonly ResourceRecord[];
  /** Whether there are records of the asked type. */
  readonly isFound: boolean;
  /** Where the last alias leads, when what stands there is still to be asked. */
  readonly alias?: string;
}

export interface ChainOptions {
  readonly dnssecOk: boolean;
  /** Whether the server that answered may speak for a name. */
  readonly mayAnswer: (name: string) => boolean;
}

/** An alias that leads to an alias …: more of them than this lead nowhere. */
const MAX_ALIASES = 16;

const proofs: ReadonlySet<number> = new Set([TYPE.RRSIG, TYPE.NSEC, TYPE.NSEC3]);

/**
 * The records that belong to the question, and no others: those at its name, at the names its aliases lead to as
 * far as the server may speak for them, and the SOA above the last of them. Everything else a server sends along,
 * additional records and name servers, could be made up, and a client of ours has no use for it
 * (RFC 2181 section 5.4.1, RFC 5452 section 6).
 */
export function chainOf(message: Message, { dnssecOk, mayAnswer }: ChainOptions): Chain {
  const byOwner = Map.groupBy(message.answer, ({ name }) => name);
  const answer: ResourceRecord[] = [];
  let name = message.name;
  let isFound = false;
  for (let aliases = 0; aliases <= MAX_ALIASES; aliases += 1) {
    const here = byOwner.get(name) ?? [];
    const wanted = here.filter(({ type }) => type === message.type);
    isFound = wanted.length > 0;
    const alias = isFound ? undefined : here.find(({ type }) => type === TYPE.CNAME);
    if (alias) answer.push(...dnamesAbove(name, byOwner), alias);
    answer.push(...wanted);
    if (dnssecOk && message.type !== TYPE.RRSIG) answer.push(...here.filter(isSignature));
    if (!alias) break;
    name = lowerCase(alias.data);
    // No name leads to itself: each owner is passed once.
    byOwner.delete(alias.name);
    if (!mayAnswer(name)) return { answer, authority: [], isFound: false, alias: name };
  }
  const soa = isFound ? undefined : message.authority.find(isAuthorityOf(name));
  const proof = dnssecOk ? message.authority.filter(({ type }) => proofs.has(type)) : [];
  const authority = soa ? [soa, ...proof] : proof;
  const isOpen = answer.length > 0 && !isFound && !soa && message.rcode === RCODE.NOERROR;
  return isOpen ? { answer, authority: [], isFound, alias: name } : { answer, authority, isFound };
}

/** A server that knows nothing and names others to ask: it does not resolve names for us. */
export function isReferral({ rcode, flags, answer, authority }: Message): boolean {
  return (
    rcode === RCODE.NOERROR &&
    (flags & (FLAG.AA | FLAG.RA)) === 0 &&
    answer.length === 0 &&
    authority.some(({ type }) => type === TYPE.NS) &&
    !authority.some(({ type }) => type === TYPE.SOA)
  );
}

/** Whether a name in wire form is the zone or below it. */
export function isWithin(name: string, zone: string): boolean {
  if (!name.endsWith(zone)) return false;
  for (let at = 0; at <= name.length - zone.length; at += 1 + name.charCodeAt(at)) {
    if (at === name.length - zone.length) return true;
  }
  return false;
}

function isAuthorityOf(name: string): (record: ResourceRecord) => boolean {
  return (record) => record.type === TYPE.SOA && isWithin(name, record.name);
}

function isSignature({ type }: ResourceRecord): boolean {
  return type === TYPE.RRSIG;
}

/** Aliases of whole subtrees that `name` is in (RFC 6672); the CNAME beside them says what they mean for it. */
function dnamesAbove(name: string, byOwner: ReadonlyMap<string, ResourceRecord[]>): ResourceRecord[] {
  const dnames: ResourceRecord[] = [];
  for (let at = 1 + name.charCodeAt(0); at < name.length; at += 1 + name.charCodeAt(at)) {
    const here = byOwner.get(name.slice(at)) ?? [];
    if (!here.some(({ type }) => type === TYPE.DNAME)) continue;
    dnames.push(...here.filter((record) => record.type === TYPE.DNAME || isSignature(record)));
  }
  return dnames;
}
