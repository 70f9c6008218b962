import { RulesError } from '../error.ts';
import { prefixMask } from './iptables-matches.ts';
import { parseAddress } from './packet.ts';
import type { Address } from './packet.ts';

/** Anything of libnftables-json(5): what kind it is shows in its one key. */
export type Json = string | number | null | readonly Json[] | { readonly [key: string]: Json | undefined };

/** What an expression yields. Flags (`ct status`) are a list of names, a concatenation a list of values. */
export type Value = string | number | Address | readonly Value[];

/** An expression's one key and what stands under it. */
export function tagged(json: Json | undefined): readonly [tag: string, body: Json] {
  if (json === undefined || json === null || typeof json !== 'object' || Array.isArray(json))
    return ['', json ?? null];
  const [tag = '', body = null] = Object.entries(json)[0] ?? [];
  return [tag, body];
}

/** The member of an object; undefined for anything else. */
export function member(json: Json | undefined, key: string): Json | undefined {
  if (json === undefined || json === null || typeof json !== 'object' || Array.isArray(json))
    return undefined;
  return (json as { readonly [key: string]: Json | undefined })[key];
}

/** @throws RulesError UNREADABLE naming what is not known */
export function notKnown(what: string, json: Json | undefined): never {
  throw new RulesError('UNREADABLE', `the tracer does not know the ${what} ${JSON.stringify(json)}`);
}

export function isAddress(value: Value | undefined): value is Address {
  return typeof value === 'object' && 'family' in value;
}

/** The text by which a value is looked up: that of the listing. */
export function textOf(value: Value): string {
  if (typeof value === 'object') return isAddress(value) ? value.text : value.map(textOf).join(' . ');
  return String(value);
}

/** A value that the listing spells out. Names and addresses are told apart by their form. */
export function literal(json: Json): Value {
  if (typeof json === 'number') return json;
  if (typeof json === 'string') return /^[\da-f]*[.:][\da-f.:]*$/i.test(json) ? parseAddress(json) : json;
  const concat = member(json, 'concat');
  if (Array.isArray(concat)) return (concat as readonly Json[]).map(literal);
  return notKnown('value', json);
}

/** Whether a value lies in one element of a set: a value, a prefix, a range, or a concatenation of them. */
export type Contains = (value: Value) => boolean;

/** How to look an element up: by its text, or by asking it when it stands for many values. */
export function compileElement(json: Json): { readonly text: string } | { readonly contains: Contains } {
  const [tag, body] = tagged(json);
  if (tag === 'concat' && Array.isArray(body)) {
    const parts = (body as readonly Json[]).map(compileElement);
    if (parts.every((part) => 'text' in part)) return { text: parts.map(({ text }) => text).join(' . ') };
    return {
      contains: (value) =>
        Array.isArray(value) && parts.every((part, index) => fits(part, (value as Value[])[index])),
    };
  }
  if (tag === 'prefix') return { contains: prefixContains(body) };
  if (tag === 'range' && Array.isArray(body)) {
    const [first = 0n, last = 0n] = (body as readonly Json[]).map((bound) => numberOf(literal(bound)));
    return {
      contains: (value) => {
        const number = numberOf(value);
        return number >= first && number <= last;
      },
    };
  }
  return { text: textOf(literal(json)) };
}

function fits(element: ReturnType<typeof compileElement>, value: Value | undefined): boolean {
  if (value === undefined) return false;
  return 'text' in element ? element.text === textOf(value) : element.contains(value);
}

function prefixContains(body: Json): Contains {
  const network = literal(member(body, 'addr') ?? null);
  const bits = isAddress(network) && network.family === 'ipv6' ? 128 : 32;
  const mask = prefixMask(bits, Number(member(body, 'len')));
  const wanted = numberOf(network) & mask;
  return (value) => (numberOf(value) & mask) === wanted;
}

function numberOf(value: Value): bigint {
  if (typeof value === 'number') return BigInt(value);
  if (isAddress(value)) return value.value;
  return notKnown('order of', textOf(value));
}
