import ipaddr from 'ipaddr.js';
import { isIP } from 'node:net';
import { DnsError } from './dns-error.ts';
import { stubZones } from './stub-domains.ts';
import type { UpstreamServer } from './upstream.ts';
import type { StubDomain } from './upstreams.ts';

/** What resolv.conf(5) says that concerns us. */
export interface ResolvConf {
  readonly nameservers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
}

export function parseResolvConf(text: string): ResolvConf {
  const nameservers: string[] = [];
  const options: string[] = [];
  let searches: string[] = [];
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    // Of several the last one counts, and `domain` is an old way to say `search`.
    if (keyword === 'search' || keyword === 'domain') searches = values;
    if (keyword === 'nameserver') nameservers.push(...values.slice(0, 1));
    if (keyword === 'options') options.push(...values);
  }
  return { nameservers, searches, options };
}

export interface UpstreamSources {
  /** From the configuration: `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1`, `[2001:db8::1]:5353`. */
  readonly configured: readonly string[];
  /** Servers of single zones, or of ranges' reverse zones, by the zone's name or the range. */
  readonly stubDomains?: Readonly<Record<string, readonly string[]>>;
  /** The cluster's zone: what is below it is answered here, and no stub domain's matter. */
  readonly clusterZone?: string;
  /** Our own addresses, which answer on port 53: asking them would go round in circles. */
  readonly own: readonly string[];
  /** The text of a file; undefined where there is none. */
  readonly readFile: (path: string) => string | undefined;
}

export interface UpstreamList {
  readonly servers: readonly UpstreamServer[];
  readonly stubDomains: readonly StubDomain[];
  /** Where the general servers are from: `configuration`, or a file's path. */
  readonly source: string;
  /** One sentence for each server that was left out. */
  readonly skipped: readonly string[];
}

const DNS_PORT = 53;
const RESOLV_CONF = '/etc/resolv.conf';
/** Where systemd-resolved writes the servers that it asks itself. */
const RESOLVED_CONF = '/run/systemd/resolve/resolv.conf';
/** systemd-resolved's own addresses: it may be told to ask us, and serves names that clusters must not see. */
const RESOLVED_STUBS: ReadonlySet<string> = new Set(['127.0.0.53', '127.0.0.54']);

/**
 * The servers to ask for names outside of the cluster: those configured, else those of the node's resolv.conf.
 * Where that names only systemd-resolved's stub, the servers that systemd-resolved asks.
 * @throws {DnsError} BadRecord where a configured server cannot be read, BadName for a stub domain's name.
 */
export function listUpstreams(sources: UpstreamSources): UpstreamList {
  const { configured, stubDomains = {}, clusterZone, own, readFile } = sources;
  const skipped: string[] = [];
  const ours = new Set(own.map(normalize));
  const usable = (texts: readonly string[], source: string): UpstreamServer[] =>
    texts.map(parseServer).filter(({ host, port }) => {
      const isOurs = port === DNS_PORT && ours.has(normalize(host));
      if (isOurs) skipped.push(`${host} of ${source} is the cluster's own DNS address: it would ask itself`);
      return !isOurs;
    });
  const named =
    configured.length > 0
      ? { texts: configured, source: 'configuration' }
      : readNameservers(readFile, (reason) => skipped.push(reason));
  const stubs = Object.entries(stubDomains).flatMap(([domain, texts]) => {
    if (clusterZone !== undefined && `.${domain}`.endsWith(`.${clusterZone}`)) {
      skipped.push(`the stub domain ${domain} is the cluster's own: its names are answered here`);
      return [];
    }
    const servers = usable(texts, `the stub domain ${domain}`);
    return stubZones(domain).map((zone) => ({ zone, servers }));
  });
  return { servers: usable(named.texts, named.source), stubDomains: stubs, source: named.source, skipped };
}

/** The node's own servers; never systemd-resolved's stub. */
function readNameservers(
  readFile: UpstreamSources['readFile'],
  explain: (reason: string) => void,
): { readonly texts: readonly string[]; readonly source: string } {
  const read = (path: string): string[] =>
    parseResolvConf(readFile(path) ?? '').nameservers.filter((host) => isIP(host) > 0);
  const named = read(RESOLV_CONF);
  const real = named.filter((host) => !RESOLVED_STUBS.has(host));
  if (real.length > 0 || named.length === 0) return { texts: real, source: RESOLV_CONF };
  explain(`${named.join(', ')} of ${RESOLV_CONF} is systemd-resolved: ${RESOLVED_CONF} is read instead`);
  return { texts: read(RESOLVED_CONF).filter((host) => !RESOLVED_STUBS.has(host)), source: RESOLVED_CONF };
}

/**
 * Reads a server's address, with or without a port.
 * @throws {DnsError} BadRecord
 */
export function parseServer(text: string): UpstreamServer {
  const [, bracketed, bare, port = String(DNS_PORT)] =
    /^(?:\[([^\]]+)\]|([^[\]]+?))(?::(\d{1,5}))?$/.exec(text) ?? [];
  // An IPv6 address without brackets is all address.
  const host = isIP(text) > 0 ? text : (bracketed ?? bare ?? '');
  const number = isIP(text) > 0 ? DNS_PORT : Number(port);
  if (isIP(host) === 0 || number < 1 || number > 65535) {
    throw new DnsError(
      'BadRecord',
      `"${text}" is not an address of a DNS server, like 192.0.2.1 or [2001:db8::1]:53`,
    );
  }
  return { host, port: number };
}

function normalize(address: string): string {
  return ipaddr.isValid(address) ? ipaddr.process(address).toString() : address;
}
