import ipaddr from 'ipaddr.js';
import { isIP } from 'node:net';
import { DnsError } from './dns-error.ts';
import { MAX_LABEL_BYTES, MAX_NAME_BYTES } from './wire.ts';

/*
 * Names are kept in wire form: length, label, …, 0, as a string with one character per byte. Such a string is
 * an exact key (a dot or any other byte may stand in a label), costs one byte per character in V8, and is
 * copied into messages as it is.
 */

/** The root's name on the wire. */
export const ROOT = '\0';

/**
 * Encodes one label.
 * @throws {DnsError} BadName when it is empty or longer than 63 bytes.
 */
export function encodeLabel(label: string): string {
  if (label.length === 0) throw new DnsError('BadName', 'a DNS label must not be empty');
  if (label.length > MAX_LABEL_BYTES) {
    throw new DnsError('BadName', `the DNS label "${label}" is longer than ${MAX_LABEL_BYTES} bytes`);
  }
  return String.fromCharCode(label.length) + label;
}

/**
 * Encodes a name as zone files write it, with or without the trailing dot; `\.` and `\DDD` are understood.
 * Letters become lower case.
 * @throws {DnsError} BadName
 */
export function encodeName(text: string): string {
  const labels: string[] = [];
  for (const [label] of text.matchAll(/(?:\\\d{3}|\\.|[^.\\])+/gs)) labels.push(label);
  const bare = text.endsWith('.') && !text.endsWith('\\.') ? text.slice(0, -1) : text;
  if (bare !== labels.join('.')) throw new DnsError('BadName', `"${text}" is not a DNS name`);
  const name = labels.map((label) => encodeLabel(unescapeLabel(label))).join('') + ROOT;
  if (name.length > MAX_NAME_BYTES) {
    throw new DnsError('BadName', `the DNS name "${text}" is longer than ${MAX_NAME_BYTES} bytes`);
  }
  return lowerCase(name);
}

/** Writes a wire-form name as zone files do, with the trailing dot. */
export function renderName(name: string): string {
  if (name === ROOT) return '.';
  let text = '';
  for (const label of labelsOf(name)) text += `${escapeLabel(label)}.`;
  return text;
}

/** The labels of a wire-form name, without the root. */
export function labelsOf(name: string): string[] {
  const labels: string[] = [];
  for (let at = 0; at < name.length;) {
    const length = name.charCodeAt(at);
    if (length === 0) break;
    labels.push(name.slice(at + 1, at + 1 + length));
    at += 1 + length;
  }
  return labels;
}

/** ASCII letters in lower case; every other byte as it is (RFC 4343: DNS folds ASCII only). */
export function lowerCase(name: string): string {
  return name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

function unescapeLabel(label: string): string {
  return label.replace(/\\(\d{3}|.)/gs, (_, escaped: string) => {
    if (escaped.length === 1) return escaped;
    const byte = Number(escaped);
    if (byte > 255) throw new DnsError('BadName', `"\\${escaped}" is not a byte`);
    return String.fromCharCode(byte);
  });
}

function escapeLabel(label: string): string {
  return label.replace(/[^A-Za-z0-9_*-]/g, (character) => {
    if (/[!-~]/.test(character)) return `\\${character}`;
    return `\\${character.charCodeAt(0).toString().padStart(3, '0')}`;
  });
}

/** An address's 4 or 16 bytes, one character each; undefined where the text is no address. */
export function addressBytes(address: string): string | undefined {
  // Stricter than ipaddr.js, which takes inet_aton's short forms: 10.1 is a name.
  if (isIP(address) === 0) return undefined;
  return String.fromCharCode(...ipaddr.parse(address).toByteArray());
}

/** The address of 4 or 16 bytes, IPv6 as RFC 5952 writes it. */
export function renderAddress(bytes: string): string {
  return ipaddr.fromByteArray(octetsOf(bytes)).toString();
}

function octetsOf(bytes: string): number[] {
  return Array.from(bytes, (byte) => byte.charCodeAt(0));
}

/** The name that a PTR record of this address stands at (RFC 1035 section 3.5, RFC 3596 section 2.5). */
export function reverseName(bytes: string): string {
  return reverseOf(reverseLabels(bytes), bytes.length === 4 ? 'in-addr' : 'ip6');
}

/** The families' reverse names: what they end in, how many labels a whole one has, and what its labels are. */
export const reverseFamilies = [
  { suffix: '\x07in-addr\x04arpa\0', labels: 6, label: /^(?:\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])$/, radix: 10 },
  { suffix: '\x03ip6\x04arpa\0', labels: 34, label: /^[0-9a-f]$/, radix: 16 },
] as const;

/** The address bytes whose {@link reverseName} this is; undefined where it is none. */
export function parseReverseName(name: string): string | undefined {
  const family = reverseFamilies.find(({ suffix }) => name.endsWith(suffix));
  if (!family) return undefined;
  const labels = labelsOf(name);
  if (labels.length !== family.labels) return undefined;
  const digits = labels.slice(0, -2).reverse();
  if (!digits.every((digit) => family.label.test(digit))) return undefined;
  const numbers = digits.map((digit) => parseInt(digit, family.radix));
  if (family.radix === 10) return String.fromCharCode(...numbers);
  const octets = Array.from(
    { length: 16 },
    (_, at) => ((numbers[2 * at] ?? 0) << 4) | (numbers[2 * at + 1] ?? 0),
  );
  return String.fromCharCode(...octets);
}

/**
 * The reverse zones that together cover a range: one where its length falls on a label's border, else one for
 * each of the next longer labels (172.16.0.0/12 is 16 zones).
 */
export function reverseZones(cidr: string): string[] {
  const [network, length] = ipaddr.parseCIDR(cidr);
  const address = String.fromCharCode(...network.toByteArray());
  const family = network.kind() === 'ipv4' ? 'in-addr' : 'ip6';
  const bitsPerLabel = family === 'in-addr' ? 8 : 4;
  const kept = Math.ceil(length / bitsPerLabel);
  if (kept === 0) return [reverseOf([], family)];
  const labels = reverseLabels(address).slice(-kept);
  const count = 2 ** (kept * bitsPerLabel - length);
  const radix = family === 'in-addr' ? 10 : 16;
  const first = parseInt(labels[0] ?? '0', radix);
  const base = first - (first % count);
  return Array.from({ length: count }, (_, index) =>
    reverseOf([(base + index).toString(radix), ...labels.slice(1)], family),
  );
}

function reverseLabels(bytes: string): string[] {
  const octets = octetsOf(bytes).reverse();
  if (bytes.length === 4) return octets.map(String);
  return octets.flatMap((octet) => [(octet & 15).toString(16), (octet >> 4).toString(16)]);
}

function reverseOf(labels: readonly string[], family: 'in-addr' | 'ip6'): string {
  return [...labels, family, 'arpa'].map(encodeLabel).join('') + ROOT;
}

/** An address as a label: `10-1-2-3`, `fd00-10--1` (Kubernetes DNS specification, "endpoint name"). */
export function dashAddress(bytes: string): string {
  return renderAddress(bytes).replaceAll(/[.:]/g, '-');
}

/** The address bytes that a label like `10-1-2-3` or `fd00-10--1` stands for; undefined for any other label. */
export function parseDashedAddress(label: string): string | undefined {
  if (/^\d{1,3}(?:-\d{1,3}){3}$/.test(label)) {
    const address = label.replaceAll('-', '.');
    return ipaddr.IPv4.isValidFourPartDecimal(address) ? addressBytes(address) : undefined;
  }
  if (!/^[0-9a-f-]{2,39}$/.test(label) || !label.includes('-')) return undefined;
  const address = label.replaceAll('-', ':');
  return ipaddr.IPv6.isValid(address) ? addressBytes(address) : undefined;
}
