import ipaddr from 'ipaddr.js';
import { isIP } from 'node:net';
import { DnsError } from './dns-error.ts';
import type { UpstreamServer } from './upstream.ts';

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
  /** Our own addresses, which answer on port 53: asking them would go round in circles. */
  readonly own: readonly string[];
  /** The text of a file; undefined where there is none. */
  readonly readFile: (path: string) => string | undefined;
}

export interface UpstreamList {
  readonly servers: readonly UpstreamServer[];
  /** Where they are from: `configuration`, or a file's path. */
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
 * @throws {DnsError} BadRecord where a configured server cannot be read.
 */
export function listUpstreams({ configured, own, readFile }: UpstreamSources): UpstreamList {
  const skipped: string[] = [];
  const ours = new Set(own.map(normalize));
  const usable = (texts: readonly string[], source: string): UpstreamServer[] =>
    texts.map(parseServer).filter(({ host, port }) => {
      const isOurs = port === DNS_PORT && ours.has(normalize(host));
      if (isOurs) skipped.push(`${host} of ${source} is the cluster's own DNS address: it would ask itself`);
      return !isOurs;
    });
  if (configured.length > 0) {
    return { servers: usable(configured, 'the configuration'), source: 'configuration', skipped };
  }
  const named = parseResolvConf(readFile(RESOLV_CONF) ?? '').nameservers.filter((host) => isIP(host) > 0);
  const real = named.filter((host) => !RESOLVED_STUBS.has(host));
  if (real.length > 0 || named.length === 0) {
    return { servers: usable(real, RESOLV_CONF), source: RESOLV_CONF, skipped };
  }
  skipped.push(`${named.join(', ')} of ${RESOLV_CONF} is systemd-resolved: ${RESOLVED_CONF} is read instead`);
  const { nameservers } = parseResolvConf(readFile(RESOLVED_CONF) ?? '');
  const servers = usable(
    nameservers.filter((host) => isIP(host) > 0 && !RESOLVED_STUBS.has(host)),
    RESOLVED_CONF,
  );
  return { servers, source: RESOLVED_CONF, skipped };
}

function parseServer(text: string): UpstreamServer {
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
