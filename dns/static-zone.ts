import { encodeAnswer, writeAnswer, writeError, type Answer, type AnswerContent } from './answer.ts';
import type { Handler } from './handler.ts';
import { encodeName } from './names.ts';
import type { Query } from './question.ts';
import { parseRecord, type ResourceRecord } from './records.ts';
import { CLASS_IN, FLAG, RCODE, TYPE } from './wire.ts';

/**
 * Plain records by name: `{ 'www.example.test': ['A 192.0.2.1', '60 AAAA 2001:db8::1'] }`. A record's text is
 * a zone file's: optional TTL in seconds (300), type (A, AAAA, CNAME, MX, NS, PTR, SRV, TXT), data.
 */
export type StaticRecords = Readonly<Record<string, readonly string[]>>;

const DEFAULT_TTL_SECONDS = 300;
const MAX_ALIASES = 8;

/**
 * A handler that answers authoritatively from fixed records, and NXDOMAIN for every other name. Aliases are
 * followed; above a name that has records, names exist without any.
 * @throws {DnsError} BadName or BadRecord.
 */
export function staticZone(records: StaticRecords): Handler {
  const byName = new Map<string, ResourceRecord[]>();
  for (const [owner, texts] of Object.entries(records)) {
    const name = encodeName(owner);
    for (let at = 0; at < name.length; at += 1 + name.charCodeAt(at)) {
      if (!byName.has(name.slice(at))) byName.set(name.slice(at), []);
    }
    byName.get(name)?.push(...texts.map((text) => parseRecord(owner, text, DEFAULT_TTL_SECONDS)));
  }
  return (query, out) => {
    if (query.class !== CLASS_IN) return writeError(query, RCODE.REFUSED, FLAG.AA, out);
    return writeAnswer(query, lookup(byName, query), out);
  };
}

function lookup(byName: ReadonlyMap<string, readonly ResourceRecord[]>, query: Query): Answer {
  const answer: ResourceRecord[] = [];
  let name = query.name;
  for (let aliases = 0; aliases < MAX_ALIASES; aliases += 1) {
    const records = byName.get(name) ?? [];
    const found = records.filter(({ type }) => type === query.type || query.type === TYPE.ANY);
    const [alias] = records.filter(({ type }) => type === TYPE.CNAME);
    answer.push(...(found.length > 0 || !alias ? found : [alias]));
    if (found.length > 0 || !alias) break;
    name = alias.data;
  }
  const content: AnswerContent = {
    rcode: byName.has(name) ? RCODE.NOERROR : RCODE.NXDOMAIN,
    flags: FLAG.AA | FLAG.RA,
    answer,
  };
  return encodeAnswer(content, { nameBytes: query.name.length, suffix: query.name });
}
