import * as values from './values.ts';
import type { ValueParser } from './values.ts';

/** One thing a user can set: in the YAML file by its name, by environment and by flag. */
export interface Setting<T> {
  readonly parse: ValueParser<T>;
  /** For `--help` and the default configuration file; one sentence without its full stop. */
  readonly description: string;
  /** Whom it concerns: commands offer only the flags that mean something to them. */
  readonly role: 'both' | 'server' | 'agent';
}

function setting<T>(role: Setting<T>['role'], parse: ValueParser<T>, description: string): Setting<T> {
  return { role, parse, description };
}

const port = values.integer(1, 65535);

/** Every setting by its name in the YAML file. Defaults that depend on each other are in load.ts. */
export const settings = {
  logLevel: setting('both', values.oneOf('trace', 'debug', 'info', 'warn', 'error'), 'how much to log'),
  stateDir: setting('both', values.path, 'durable state (/var/lib/weft)'),
  runDir: setting('both', values.path, 'volatile state (/run/weft)'),
  clusterCIDRs: setting('server', values.listOf(values.cidr), 'pod ranges, one per family, primary first'),
  serviceCIDRs: setting(
    'server',
    values.listOf(values.cidr),
    'Service ranges, one per family, primary first',
  ),
  nodeMaskIPv4: setting('server', values.integer(8, 30), "prefix length of one node's IPv4 share (24)"),
  nodeMaskIPv6: setting('server', values.integer(16, 124), "prefix length of one node's IPv6 share (64)"),
  dnsIPs: setting('server', values.listOf(values.address), 'DNS addresses (the tenth of each Service range)'),
  zone: setting('server', values.domainName, 'DNS zone of the cluster (cluster.local)'),
  nodePortRange: setting('server', values.portRange, 'ports for NodePort Services (30000-32767)'),
  loadBalancerPools: setting(
    'server',
    values.listOf(values.addressPool),
    'addresses for LoadBalancer Services, ranges or first-last (none)',
  ),
  apiPort: setting('server', port, 'port of the Kubernetes API (6443)'),
  listenAddresses: setting('server', values.listOf(values.address), 'addresses the API listens on (all)'),
  advertiseAddress: setting('server', values.address, 'address at which others reach the API'),
  apiNames: setting('server', values.listOf(values.text), "further names for the API's certificate"),
  nodeName: setting('agent', values.domainName, 'name of this node (the host name)'),
  server: setting('agent', values.httpsUrl, 'URL of the Kubernetes API (https://127.0.0.1:6443)'),
  token: setting('agent', values.text, 'join token of the server'),
  tokenFile: setting('agent', values.path, 'file that holds the join token'),
  nodeIPs: setting(
    'agent',
    values.listOf(values.addressOrRange),
    "this node's addresses, or ranges they are in, one per family (found out)",
  ),
  nodeInterface: setting(
    'agent',
    values.pattern,
    'link with the addresses, a regular expression for its name (the one that leads to the server)',
  ),
  externalIPs: setting('agent', values.listOf(values.address), 'addresses shown as ExternalIP'),
  announceInterfaces: setting(
    'agent',
    values.listOf(values.text),
    'links on which load balancer addresses are announced (found out)',
  ),
  backend: setting('agent', values.oneOf('iptables', 'nftables'), 'what programs Services (iptables)'),
  nodePortAddresses: setting(
    'agent',
    values.listOf(values.nodePortAddress),
    'node addresses that serve NodePorts: ranges, or primary (all)',
  ),
  nonMasqueradeCIDRs: setting(
    'agent',
    values.listOf(values.cidr),
    'ranges outside the cluster where pods keep their own address (none)',
  ),
  networkMode: setting(
    'agent',
    values.oneOf('auto', 'direct', 'vxlan'),
    'how packets reach pods of other nodes: straight where both are on one subnet and else by vxlan (auto), always straight, or always by vxlan (auto)',
  ),
  podLink: setting(
    'agent',
    values.oneOf('bridge', 'routed'),
    'how pods are joined to their node: as ports of a bridge, or each by a route of its own (bridge)',
  ),
  podMTU: setting(
    'agent',
    values.integer(1280, 65_535),
    "MTU of pods' links, at most the underlay's (what every way to other nodes carries)",
  ),
  vxlanPort: setting('agent', port, 'UDP port between nodes (8472)'),
  vxlanVNI: setting('agent', values.integer(1, 16777215), 'network identifier between nodes (117)'),
  upstreams: setting('agent', values.listOf(values.dnsServer), 'DNS servers for other names (resolv.conf)'),
  upstreamPolicy: setting(
    'agent',
    values.oneOf('sequential', 'random'),
    'which DNS server is asked first: the first that answers, or any (sequential)',
  ),
  stubDomains: setting('agent', values.stubDomains, 'DNS servers of single zones, zone=server (none)'),
  dnsMixedCase: setting('agent', values.boolean, 'ask DNS servers in random upper and lower case (false)'),
  dnsCacheMiB: setting('agent', values.integer(1, 4096), 'memory for answers of DNS servers (16)'),
  dnsMinTTL: setting('agent', values.integer(0, 3600), 'seconds an answer is kept at least (5)'),
  dnsMaxTTL: setting('agent', values.integer(1, 604_800), 'seconds an answer is kept at most (3600)'),
  dnsMaxNegativeTTL: setting(
    'agent',
    values.integer(1, 86_400),
    'seconds that a missing name is remembered at most (1800)',
  ),
  dnsMaxStale: setting(
    'agent',
    values.integer(0, 604_800),
    'seconds an old answer may stand in while DNS servers fail (86400)',
  ),
  podNames: setting(
    'agent',
    values.oneOf('disabled', 'insecure', 'verified'),
    'which names like 10-1-2-3.default.pod.cluster.local exist: none, all, or those of pods (verified)',
  ),
  autopath: setting('agent', values.boolean, "walk pods' DNS search path for them (false)"),
  zoneTransferTo: setting(
    'agent',
    values.listOf(values.addressOrRange),
    "who may copy the cluster's DNS zone: addresses or ranges (nobody)",
  ),
  dnsQueryLog: setting(
    'agent',
    values.queryLog,
    'DNS queries to log: errors, or a number N for one query in N (none)',
  ),
  dnsWorkers: setting('agent', values.integer(1, 32), 'threads that answer DNS (one for every four cores)'),
  dnsClientRate: setting(
    'agent',
    values.integer(100, 10_000_000),
    'DNS queries a second that one client may ask (as many as leave time for the others)',
  ),
  dnsMaxConnections: setting(
    'agent',
    values.integer(2, 65_535),
    'DNS connections over TCP of each thread, shared among clients (512)',
  ),
  dnsMaxWaiting: setting(
    'agent',
    values.integer(2, 65_535),
    'queries of each thread that wait for DNS servers, shared among clients (1000)',
  ),
  cniConfigDir: setting('agent', values.path, 'where container runtimes look for networks (/etc/cni/net.d)'),
  cniBinDirs: setting(
    'agent',
    values.listOf(values.path),
    'where container runtimes look for plugins (/opt/cni/bin, and /usr/lib/cni where it exists)',
  ),
  agentPort: setting('agent', port, 'port for exec, port-forward and logs (10250)'),
  healthPort: setting('agent', port, 'port of /healthz, /readyz and /metrics (10256)'),
  nodeLabels: setting('agent', values.labels, 'labels for the Node object'),
} as const;

export type SettingName = keyof typeof settings;

/** The values a user has given; what is missing gets its default. */
export type GivenSettings = { [Name in SettingName]?: ReturnType<(typeof settings)[Name]['parse']> };

export const settingNames = Object.keys(settings) as SettingName[];

/** `nodeIPs` → `node-ips`. */
function kebab(name: string): string {
  return name.replace(/([a-z])([A-Z])/g, '$1-$2').toLowerCase();
}

/** `nodeIPs` → `--node-ips`. */
export function flagOf(name: SettingName): string {
  return `--${kebab(name)}`;
}

/** `nodeIPs` → `WEFT_NODE_IPS`. */
export function environmentOf(name: SettingName): string {
  return `WEFT_${kebab(name).replaceAll('-', '_').toUpperCase()}`;
}
