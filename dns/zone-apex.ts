import type { Answer } from './answer.ts';
import { labelsOf } from './names.ts';
import type { Query } from './question.ts';
import { RCODE } from './wire.ts';

/** A zone of authority: the cluster's, or a reverse zone of one of its ranges. */
export interface Apex {
  readonly name: string;
  readonly labels: number;
  /** Negative answers by rcode and length of the question's name, on which the pointers in them depend. */
  readonly negatives: Map<number, Answer>;
}

export function createApex(name: string): Apex {
  return { name, labels: labelsOf(name).length, negatives: new Map() };
}

/** Whether the question's name is the zone's or lies below it: equal labels, not merely equal last bytes. */
export function isWithin(query: Query, apex: Apex): boolean {
  const { labels, labelStarts, name } = query;
  if (labels < apex.labels || !name.endsWith(apex.name)) return false;
  return labels === apex.labels || labelStarts[labels - apex.labels] === name.length - apex.name.length;
}

/** Whether a name that nobody looked up in a message is the zone's or lies below it. */
export function isNameWithin(name: string, apex: Apex): boolean {
  for (let at = 0; at < name.length; at += 1 + name.charCodeAt(at)) {
    if (name.length - at === apex.name.length) return name.endsWith(apex.name);
  }
  return false;
}

const families = [
  { suffix: '\x07in-addr\x04arpa\0', labels: 6, label: /^(?:\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])$/ },
  { suffix: '\x03ip6\x04arpa\0', labels: 34, label: /^[0-9a-f]$/ },
];

/**
 * What a name without records in a reverse zone is: a part of an address exists, because names lie below it
 * (RFC 8020 forbids to deny them); a whole address, or anything else, does not.
 */
export function reverseRcode(query: Query, apex: Apex): number {
  const family = families.find(({ suffix }) => apex.name.endsWith(suffix));
  if (!family || query.labels >= family.labels) return RCODE.NXDOMAIN;
  const below = labelsOf(query.name).slice(0, query.labels - apex.labels);
  return below.every((label) => family.label.test(label)) ? RCODE.NOERROR : RCODE.NXDOMAIN;
}
