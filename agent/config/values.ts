import ipaddr from 'ipaddr.js';
import { parseAddressPool } from '../../api/address-pool.ts';
import { DnsError } from '../../dns/dns-error.ts';
import { parseServer } from '../../dns/resolv-conf.ts';
import { renderServer } from '../../dns/upstream.ts';

/**
 * Turns one raw value, text from a flag or the environment or any value from YAML, into a setting's value.
 * Throws {@link ValueError} with a message that completes "backend: …".
 */
export type ValueParser<T> = (raw: unknown) => T;

/** A value that does not fit its setting. */
export class ValueError extends Error {
  override readonly name = 'ValueError';
}

function show(raw: unknown): string {
  return JSON.stringify(raw);
}

/** Any text that is not empty. */
export function text(raw: unknown): string {
  if (typeof raw !== 'string' || raw === '')
    throw new ValueError(`${show(raw)} is not text: write a word or a path`);
  return raw;
}

/** An absolute path, without a trailing slash. */
export function path(raw: unknown): string {
  const value = text(raw);
  if (!value.startsWith('/')) throw new ValueError(`${show(raw)} is not an absolute path: begin it with /`);
  return value.length > 1 ? value.replace(/\/+$/, '') : value;
}

/** A regular expression, in the language of JavaScript. */
export function pattern(raw: unknown): string {
  const value = text(raw);
  try {
    new RegExp(value);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ValueError(`${show(raw)} is not a regular expression (${why}): write e.g. eth1 or en.*`);
  }
  return value;
}

/** A whole number between two bounds, both allowed. */
export function integer(first: number, last: number): ValueParser<number> {
  return (raw) => {
    const value = typeof raw === 'string' && /^\d+$/.test(raw) ? Number(raw) : raw;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < first || value > last) {
      throw new ValueError(`${show(raw)} is not a whole number from ${first} to ${last}`);
    }
    return value;
  };
}

/** One of a few words. */
export function oneOf<const T extends string>(...words: readonly T[]): ValueParser<T> {
  return (raw) => {
    const word = words.find((candidate) => candidate === raw);
    if (word === undefined) throw new ValueError(`${show(raw)} is not one of ${words.join(', ')}`);
    return word;
  };
}

/** `true` or `false`. */
export function boolean(raw: unknown): boolean {
  if (raw === true || raw === 'true') return true;
  if (raw === false || raw === 'false') return false;
  throw new ValueError(`${show(raw)} is neither true nor false`);
}

/** A YAML sequence, or text separated by commas. */
export function listOf<T>(parse: ValueParser<T>): ValueParser<readonly T[]> {
  return (raw) => {
    if (raw === '') return [];
    const items: unknown = typeof raw === 'string' ? raw.split(',').map((item) => item.trim()) : raw;
    if (!Array.isArray(items)) throw new ValueError(`${show(raw)} is not a list: write [a, b]`);
    return items.map((item) => parse(item));
  };
}

/** An IPv4 or IPv6 address in its canonical form. */
export function address(raw: unknown): string {
  const isAddress =
    typeof raw === 'string' && (ipaddr.IPv4.isValidFourPartDecimal(raw) || ipaddr.IPv6.isValid(raw));
  if (!isAddress)
    throw new ValueError(`${show(raw)} is not an IP address: write e.g. 192.0.2.1 or 2001:db8::1`);
  return ipaddr.parse(raw).toString();
}

/** The address of a DNS server, with a port where that is not 53: `192.0.2.1`, `[2001:db8::1]:5353`. */
export function dnsServer(raw: unknown): string {
  try {
    const { host, port } = parseServer(text(raw));
    return port === 53 ? address(host) : renderServer({ host: address(host), port });
  } catch (error) {
    if (error instanceof DnsError) throw new ValueError(error.message);
    throw error;
  }
}

/** A YAML map of zones, or ranges for their reverse zones, to servers, or `zone=server,zone=server`. */
export function stubDomains(raw: unknown): Readonly<Record<string, readonly string[]>> {
  const entries = typeof raw === 'string' ? raw.split(',').filter(Boolean).map(splitLabel) : entriesOf(raw);
  const domains: Record<string, string[]> = {};
  for (const [domain, servers] of entries) {
    const list = listOf(dnsServer)(servers ?? '');
    if (list.length === 0) throw new ValueError(`${show(domain)} has no server: write ${domain}=192.0.2.1`);
    (domains[stubDomain(domain)] ??= []).push(...list);
  }
  return domains;
}

function entriesOf(raw: unknown): [string, unknown][] {
  if (raw !== null && typeof raw === 'object' && !Array.isArray(raw)) return Object.entries(raw);
  throw new ValueError(`${show(raw)} is not a map: write { corp.example: [192.0.2.1] }`);
}

/** Unlike a host's name, a zone's may have underscores: `_msdcs.corp.example`. */
function stubDomain(raw: string): string {
  if (raw.includes('/')) return cidr(raw);
  const name = raw.toLowerCase().replace(/\.$/, '');
  if (!/^[-a-z0-9_]{1,63}(\.[-a-z0-9_]{1,63})*$/.test(name) || name.length > 253) {
    throw new ValueError(`${show(raw)} is not a DNS zone or a range: write e.g. corp.example or 10.0.0.0/8`);
  }
  return name;
}

/** A range whose host bits are zero, e.g. `10.244.0.0/16`, in its canonical form. */
export function cidr(raw: unknown): string {
  if (typeof raw !== 'string' || !ipaddr.isValidCIDR(raw)) {
    throw new ValueError(`${show(raw)} is not a range: write e.g. 10.244.0.0/16`);
  }
  const [given, length] = ipaddr.parseCIDR(raw);
  const network = (given.kind() === 'ipv4' ? ipaddr.IPv4 : ipaddr.IPv6).networkAddressFromCIDR(raw);
  const canonical = `${network.toString()}/${length}`;
  if (network.toString() !== given.toString()) {
    throw new ValueError(`${show(raw)} has bits set behind its prefix: write ${canonical}`);
  }
  return canonical;
}

/** One address, or a range. */
export function addressOrRange(raw: unknown): string {
  return typeof raw === 'string' && raw.includes('/') ? cidr(raw) : address(raw);
}

/** A range of node addresses, or the word for the node's own ones (kube-proxy's `--nodeport-addresses`). */
export function nodePortAddress(raw: unknown): string {
  if (raw === 'primary') return raw;
  if (typeof raw !== 'string' || !ipaddr.isValidCIDR(raw)) {
    throw new ValueError(`${show(raw)} is not a range or primary: write e.g. 192.0.2.0/24`);
  }
  return cidr(raw);
}

/** A range, or two addresses of one family joined by a dash: `192.0.2.16-192.0.2.31`. */
export function addressPool(raw: unknown): string {
  if (typeof raw !== 'string' || !parseAddressPool(raw)) {
    throw new ValueError(`${show(raw)} is not a pool: write e.g. 192.0.2.16/28 or 192.0.2.16-192.0.2.31`);
  }
  return raw.replaceAll(' ', '');
}

/** `https://host:port` without path. */
export function httpsUrl(raw: unknown): string {
  const url = typeof raw === 'string' && URL.canParse(raw) ? new URL(raw) : undefined;
  if (url?.protocol !== 'https:' || url.pathname !== '/') {
    throw new ValueError(`${show(raw)} is not the URL of an API server: write e.g. https://192.0.2.1:6443`);
  }
  return url.origin;
}

/** RFC 1123 subdomain, as Kubernetes asks of node names and zones. */
export function domainName(raw: unknown): string {
  const label = '[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?';
  if (typeof raw !== 'string' || raw.length > 253 || !new RegExp(`^${label}(\\.${label})*$`).test(raw)) {
    throw new ValueError(`${show(raw)} is not a DNS name: use lower-case letters, digits, - and .`);
  }
  return raw;
}

/** Two ports joined by a dash: `30000-32767`. */
export function portRange(raw: unknown): { first: number; last: number } {
  const match = typeof raw === 'string' ? /^(\d+)-(\d+)$/.exec(raw) : null;
  const first = Number(match?.[1]);
  const last = Number(match?.[2]);
  if (!match || first < 1 || last > 65535 || first > last) {
    throw new ValueError(`${show(raw)} is not a range of ports: write e.g. 30000-32767`);
  }
  return { first, last };
}

/** A YAML map of text to text, or `key=value,key=value`. */
export function labels(raw: unknown): Readonly<Record<string, string>> {
  const entries: [string, unknown][] =
    typeof raw === 'string'
      ? raw.split(',').filter(Boolean).map(splitLabel)
      : raw !== null && typeof raw === 'object' && !Array.isArray(raw)
        ? Object.entries(raw)
        : [['', undefined]];
  return Object.fromEntries(
    entries.map(([key, value]) => {
      if (key === '' || typeof value !== 'string')
        throw new ValueError(`${show(raw)} is not labels: write key=value`);
      return [key, value];
    }),
  );
}

function splitLabel(item: string): [string, string | undefined] {
  const at = item.indexOf('=');
  return at < 0 ? [item, undefined] : [item.slice(0, at).trim(), item.slice(at + 1).trim()];
}

/** Which DNS queries are logged: `errors`, or 100 for one in a hundred; `none` of them. */
export function queryLog(raw: unknown): 'errors' | { readonly oneIn: number } | undefined {
  if (raw === 'none') return undefined;
  if (raw === 'errors') return raw;
  const oneIn = Number(raw);
  if (!Number.isSafeInteger(oneIn) || oneIn < 1 || typeof raw === 'boolean') {
    throw new ValueError(
      `${show(raw)} is not a choice of queries: write none, errors, or 100 for one in a hundred`,
    );
  }
  return { oneIn };
}
