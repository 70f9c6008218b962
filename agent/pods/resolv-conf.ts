import { isIP } from 'node:net';
import { parseResolvConf, type ResolvConf } from '../../dns/resolv-conf.ts';

export interface ResolverInput {
  readonly namespace: string;
  readonly dnsPolicy: string;
  readonly hostNetwork: boolean;
  readonly dnsConfig?:
    | {
        readonly nameservers?: readonly string[];
        readonly searches?: readonly string[];
        readonly options?: readonly { readonly name?: string; readonly value?: string }[];
      }
    | undefined;
  /** The cluster's DNS addresses and zone. */
  readonly cluster: { readonly dnsIPs: readonly string[]; readonly zone: string };
  /** What the node itself uses. */
  readonly node: ResolvConf;
}

/** A pod's resolver, and what its user should know about it. */
export interface PodResolver {
  readonly resolver: ResolvConf;
  /** One Event each; the reasons are the kubelet's. */
  readonly warnings: readonly { readonly reason: string; readonly message: string }[];
}

/** glibc reads three nameservers (resolv.h MAXNS); the others are Kubernetes' (pkg/apis/core/validation). */
const most = { nameservers: 3, searches: 32, searchCharacters: 2048 } as const;
/** glibc 2.28 aborts on a longer search domain; no name below it could be asked for anyway (RFC 1035). */
const longestSearch = 253;
const resolvedStubs: ReadonlySet<string> = new Set(['127.0.0.53', '127.0.0.54']);

/**
 * A pod's resolver by its dnsPolicy and dnsConfig, within what resolvers can read.
 * Source: kubernetes pkg/kubelet/network/dns/dns.go.
 */
export function podResolver(input: ResolverInput): PodResolver {
  const base = usesCluster(input) && input.cluster.dnsIPs.length > 0 ? clusterResolver(input) : own(input);
  const { nameservers = [], searches = [], options = [] } = input.dnsConfig ?? {};
  const merged = new Map(base.options.map((option) => [option.split(':', 1)[0] ?? '', option]));
  for (const { name = '', value } of options) {
    merged.set(name, value === undefined || value === '' ? name : `${name}:${value}`);
  }
  const wanted = {
    nameservers: unique([...base.nameservers, ...nameservers]),
    searches: unique([...base.searches, ...searches]),
  };
  const resolver = {
    nameservers: wanted.nameservers.slice(0, most.nameservers),
    searches: fittingSearches(wanted.searches),
    options: [...merged.values()],
  };
  return { resolver, warnings: [...listMissingCluster(input), ...listOmitted(wanted, resolver)] };
}

/** ClusterFirst is what is meant by a policy that is not known, too. */
function usesCluster({ dnsPolicy, hostNetwork }: ResolverInput): boolean {
  if (dnsPolicy === 'None' || dnsPolicy === 'Default') return false;
  return !hostNetwork || dnsPolicy === 'ClusterFirstWithHostNet';
}

function own({ dnsPolicy, node }: ResolverInput): ResolvConf {
  return dnsPolicy === 'None' ? { nameservers: [], searches: [], options: [] } : node;
}

function clusterResolver({ namespace, cluster, node }: ResolverInput): ResolvConf {
  const { dnsIPs, zone } = cluster;
  // systemd-resolved writes `search .`, which musl takes for a domain and then finds nothing.
  const others = node.searches.filter((domain) => domain !== '.');
  return {
    nameservers: dnsIPs,
    searches: [`${namespace}.svc.${zone}`, `svc.${zone}`, zone, ...others],
    options: ['ndots:5'],
  };
}

/** The first domains that fit; one that is too long in itself does not keep out those behind it. */
function fittingSearches(searches: readonly string[]): string[] {
  const fitting = searches.slice(0, most.searches).filter((domain) => domain.length <= longestSearch);
  while (fitting.join(' ').length > most.searchCharacters) fitting.pop();
  return fitting;
}

function listMissingCluster(input: ResolverInput): PodResolver['warnings'] {
  if (!usesCluster(input) || input.cluster.dnsIPs.length > 0) return [];
  const message = `the cluster has no DNS address (dnsIPs): instead of ${input.dnsPolicy}, the pod got the node's DNS servers`;
  return [{ reason: 'MissingClusterDNS', message }];
}

type Lists = Pick<ResolvConf, 'nameservers' | 'searches'>;

function listOmitted(wanted: Lists, applied: Lists): PodResolver['warnings'] {
  const limits = {
    nameservers: `resolvers read ${most.nameservers} nameservers`,
    searches: `a pod can have ${most.searches} search domains of ${longestSearch} characters, ${most.searchCharacters} in all`,
  };
  return (['nameservers', 'searches'] as const).flatMap((list) => {
    const omitted = wanted[list].filter((value) => !applied[list].includes(value));
    if (omitted.length === 0) return [];
    const left = `${omitted.map(shortened).join(' ')} ${omitted.length === 1 ? 'is' : 'are'} left out`;
    const message = `${limits[list]}: ${left}; applied: ${applied[list].join(' ')}`;
    return [{ reason: 'DNSConfigForming', message }];
  });
}

function shortened(domain: string): string {
  return domain.length <= longestSearch ? domain : `${domain.slice(0, 40)}…`;
}

/** resolv.conf(5). */
export function renderResolvConf(resolver: ResolvConf): string {
  const lines = resolver.nameservers.map((address) => `nameserver ${address}`);
  if (resolver.searches.length > 0) lines.push(`search ${resolver.searches.join(' ')}`);
  if (resolver.options.length > 0) lines.push(`options ${resolver.options.join(' ')}`);
  return lines.map((line) => `${line}\n`).join('');
}

export interface NodeResolverSources {
  /** The node's configured upstream servers. */
  readonly upstreams: readonly string[];
  /** The text of a file; empty where there is none. */
  readonly readFile: (path: string) => string;
}

/**
 * What the node itself asks for names: its configured upstream servers as far as resolv.conf can express them
 * (addresses, port 53), with the search domains and options of its resolv.conf. Where that leads to
 * systemd-resolved, whose address means nothing inside a pod, the file of the servers behind it, as kubeadm does.
 */
export function nodeResolver({ upstreams, readFile }: NodeResolverSources): ResolvConf {
  const named = parseResolvConf(readFile('/etc/resolv.conf'));
  const isStub = named.nameservers.length > 0 && named.nameservers.every((host) => resolvedStubs.has(host));
  const real = isStub ? parseResolvConf(readFile('/run/systemd/resolve/resolv.conf')) : named;
  const base = real.nameservers.length > 0 ? real : named;
  const configured = upstreams.filter((server) => isIP(server) > 0);
  return configured.length > 0 ? { ...base, nameservers: configured } : base;
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}
