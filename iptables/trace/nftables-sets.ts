import { compileElement, member, tagged } from './nftables-values.ts';
import type { Contains, Json, Value } from './nftables-values.ts';
import { textOf } from './nftables-values.ts';

/** What a lookup found. */
export interface Found {
  /** What a map has for the key; undefined for a set. */
  readonly data: Json | undefined;
  /** The element as nft lists it. */
  readonly text: string;
}

interface Interval extends Found {
  readonly contains: Contains;
}

/** A set or map of the listing, or one that stands in a rule. */
export class TracedSet {
  readonly name: string;
  /** Clients come and go in it: for a first connection it is empty. */
  readonly dynamic: boolean;
  readonly #exact = new Map<string, Found>();
  readonly #intervals: Interval[] = [];

  constructor(name: string, elements: readonly Json[], dynamic: boolean) {
    this.name = name;
    this.dynamic = dynamic;
    if (!dynamic) for (const element of elements) this.#add(element);
  }

  find(value: Value): Found | undefined {
    return this.#exact.get(textOf(value)) ?? this.#intervals.find((interval) => interval.contains(value));
  }

  #add(element: Json): void {
    const [first, data] = Array.isArray(element) ? (element as readonly Json[]) : [element, undefined];
    // With a comment, a counter or a timeout the key is wrapped together with them.
    const [tag, wrapped] = tagged(first);
    const key = tag === 'elem' ? member(wrapped, 'val') : first;
    const note = tag === 'elem' ? member(wrapped, 'comment') : undefined;
    const text = `${renderValue(key)}${typeof note === 'string' ? ` comment "${note}"` : ''}${data === undefined ? '' : ` : ${renderValue(data)}`}`;
    const found = { data, text: `${this.name} { ${text} }` };
    const compiled = compileElement(key ?? null);
    if ('text' in compiled) this.#exact.set(compiled.text, found);
    else this.#intervals.push({ ...found, contains: compiled.contains });
  }
}

/** Sets and maps by name, from the entries of a listing. */
export function readSets(entries: readonly Json[]): Map<string, TracedSet> {
  const sets = new Map<string, TracedSet>();
  for (const entry of entries) {
    const body = member(entry, 'set') ?? member(entry, 'map');
    const name = member(body, 'name');
    if (typeof name !== 'string') continue;
    const flags = [member(body, 'flags') ?? []].flat();
    const dynamic = flags.includes('timeout') || flags.includes('dynamic');
    sets.set(name, new TracedSet(name, listOf(member(body, 'elem')), dynamic));
  }
  return sets;
}

/** A list, whether or not the listing wrote it as one. */
export function listOf(json: Json | undefined): readonly Json[] {
  if (json === undefined) return [];
  return Array.isArray(json) ? (json as readonly Json[]) : [json];
}

/** A literal as nft lists it. */
export function renderValue(json: Json | undefined): string {
  const [tag, body] = tagged(json);
  if (tag === '') return typeof body === 'string' ? body : JSON.stringify(body);
  if (tag === 'concat') return listOf(body).map(renderValue).join(' . ');
  if (tag === 'prefix') return `${renderValue(member(body, 'addr'))}/${renderValue(member(body, 'len'))}`;
  if (tag === 'range') return listOf(body).map(renderValue).join('-');
  if (tag === 'set') return `{ ${listOf(body).map(renderValue).join(', ')} }`;
  const target = member(body, 'target');
  return typeof target === 'string' ? `${tag} ${target}` : JSON.stringify(json);
}
