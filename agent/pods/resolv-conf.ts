/** What a resolv.conf says. */
export interface Resolver {
  readonly nameservers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
}

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
  readonly node: Resolver;
}

/** glibc reads three nameservers (resolv.h MAXNS); Kubernetes allows 32 search domains. */
const mostNameservers = 3;
const mostSearches = 32;

/**
 * A pod's resolver by its dnsPolicy and dnsConfig.
 * Source: kubernetes pkg/kubelet/network/dns/dns.go.
 */
export function podResolver(input: ResolverInput): Resolver {
  const base = policyResolver(input);
  const { nameservers = [], searches = [], options = [] } = input.dnsConfig ?? {};
  const merged = new Map(base.options.map((option) => [option.split(':', 1)[0] ?? '', option]));
  for (const { name = '', value } of options) {
    merged.set(name, value === undefined || value === '' ? name : `${name}:${value}`);
  }
  return {
    nameservers: unique([...base.nameservers, ...nameservers]).slice(0, mostNameservers),
    searches: unique([...base.searches, ...searches]).slice(0, mostSearches),
    options: [...merged.values()],
  };
}

function policyResolver(input: ResolverInput): Resolver {
  const { dnsPolicy, hostNetwork, namespace, cluster, node } = input;
  const none: Resolver = { nameservers: [], searches: [], options: [] };
  if (dnsPolicy === 'None') return none;
  const usesCluster =
    dnsPolicy === 'ClusterFirstWithHostNet' || (dnsPolicy === 'ClusterFirst' && !hostNetwork);
  if (!usesCluster || cluster.dnsIPs.length === 0) return node;
  const { zone } = cluster;
  return {
    nameservers: cluster.dnsIPs,
    searches: [`${namespace}.svc.${zone}`, `svc.${zone}`, zone, ...node.searches],
    options: ['ndots:5'],
  };
}

/** resolv.conf(5). */
export function renderResolvConf(resolver: Resolver): string {
  const lines = resolver.nameservers.map((address) => `nameserver ${address}`);
  if (resolver.searches.length > 0) lines.push(`search ${resolver.searches.join(' ')}`);
  if (resolver.options.length > 0) lines.push(`options ${resolver.options.join(' ')}`);
  return lines.map((line) => `${line}\n`).join('');
}

/** resolv.conf(5): the last `search` (or `domain`) counts, `options` add up. */
export function parseResolvConf(text: string): Resolver {
  const nameservers: string[] = [];
  let searches: string[] = [];
  const options: string[] = [];
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver') nameservers.push(...values.slice(0, 1));
    else if (keyword === 'search' || keyword === 'domain') searches = values.filter((value) => value !== '.');
    else if (keyword === 'options') options.push(...values);
  }
  return { nameservers, searches, options };
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}
