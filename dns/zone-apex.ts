import type { Answer } from './answer.ts';
import { labelsOf, reverseFamilies } from './names.ts';
import { MAX_LABELS, type Query } from './question.ts';

/** A name and where its labels start: a question, or what one is answered with. */
export type Name = Pick<Query, 'name' | 'labels' | 'labelStarts'>;

/** A zone of authority: the cluster's, or a reverse zone of one of its ranges. */
export interface Apex {
  readonly name: string;
  readonly labels: number;
  /**
   * Negative answers by length of the question's name, on which the pointers in them depend: to names that exist, and
   * to others.
   */
  readonly noData: Answer[];
  readonly noName: Answer[];
}

export function createApex(name: string): Apex {
  return { name, labels: labelsOf(name).length, noData: [], noName: [] };
}

/** Whether the name is the zone's or lies below it: equal labels, not merely equal last bytes. */
export function isWithin({ name, labels, labelStarts }: Name, apex: Apex): boolean {
  if (labels < apex.labels || !name.endsWith(apex.name)) return false;
  return labels === apex.labels || labelStarts[labels - apex.labels] === name.length - apex.name.length;
}

/** A name that nobody looked up in a message. */
export function locate(name: string): Name {
  const labelStarts = new Uint8Array(MAX_LABELS);
  let labels = 0;
  for (let at = 0; name.charCodeAt(at) > 0; at += 1 + name.charCodeAt(at)) {
    labelStarts[labels] = at;
    labels += 1;
  }
  return { name, labels, labelStarts };
}

/**
 * Whether a name without records in a reverse zone exists: a part of an address does, because names lie below it
 * (RFC 8020 forbids to deny them); a whole address, or anything else, does not.
 */
export function isPartOfAddress({ name, labels }: Name, apex: Apex): boolean {
  const family = reverseFamilies.find(({ suffix }) => apex.name.endsWith(suffix));
  if (!family || labels >= family.labels) return false;
  const below = labelsOf(name).slice(0, labels - apex.labels);
  return below.every((label) => family.label.test(label));
}
