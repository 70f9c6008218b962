import type { ClusterConfig } from '../../api/cluster.ts';
import type { AddressWish } from '../underlay/view.ts';

/** One agent's own settings. */
export interface AgentConfig {
  readonly nodeName: string;
  /** URL of the Kubernetes API, e.g. `https://192.0.2.1:6443`. */
  readonly server: string;
  /** Durable state: certificates, IPAM leases, images, pods. */
  readonly stateDir: string;
  /** Volatile state: sockets, runc's state, the lock. */
  readonly runDir: string;
  /** The node's own addresses now, primary family first: a running agent's follow the host (agent/underlay). */
  readonly nodeIPs: readonly string[];
  /** The node's external addresses, shown as ExternalIP. */
  readonly externalIPs: readonly string[];
  /** Names of the links on which load balancer addresses are announced; empty: found out from the addresses. */
  readonly announceInterfaces: readonly string[];
  /** Which tool programs Services. */
  readonly backend: 'iptables' | 'nftables';
  /** Where NodePorts are served: ranges, or `primary` for {@link nodeIPs}; empty: on every address of the node. */
  readonly nodePortAddresses: readonly string[];
  /** Outside the cluster where pods keep their own address instead of taking the node's. */
  readonly nonMasqueradeCIDRs: readonly string[];
  /** How packets reach pods of other nodes (agent/network/view.ts). */
  readonly networkMode: 'auto' | 'direct' | 'vxlan';
  /** How pods are joined to their node (agent/network/view.ts). */
  readonly podLink: 'bridge' | 'routed';
  /** MTU of pods' links, where it is not to follow from the underlay. */
  readonly podMTU?: number | undefined;
  /** UDP port and network identifier of the vxlan device. */
  readonly vxlan: { readonly port: number; readonly vni: number };
  /** DNS servers asked for names outside the cluster; empty: those of the host's resolv.conf. */
  readonly upstreams: readonly string[];
  readonly forwarding: ForwardingConfig;
  readonly clusterDns: ClusterDnsConfig;
  /** Threads that answer DNS. */
  readonly dnsWorkers: number;
  /** Which DNS queries are logged; undefined: none. */
  readonly dnsQueryLog?: QueryLogConfig | undefined;
  /** Where container runtimes look for networks' configurations and for plugins. */
  readonly cni: { readonly configDir: string; readonly binDirs: readonly string[] };
  /** Port of the agent's HTTPS server for exec, port-forward and logs (10250), on the node's addresses. */
  readonly port: number;
  /** Port of /healthz, /readyz and /metrics (10256), on loopback and the node's addresses. */
  readonly healthPort: number;
  /** Extra labels for the Node object. */
  readonly nodeLabels: Readonly<Record<string, string>>;
}

/** One DNS query in so many, or those that were refused or failed. */
export type QueryLogConfig = 'errors' | { readonly oneIn: number };

/** How DNS questions about the cluster's own names are answered. */
export interface ClusterDnsConfig {
  /** What names of the form `10-1-2-3.namespace.pod.zone` mean (dns/zone.ts). */
  readonly podNames: 'disabled' | 'insecure' | 'verified';
  /** Whether a pod's search path is walked for it (dns/autopath.ts). */
  readonly autopath: boolean;
  /** Addresses and ranges that may copy the zone (AXFR). */
  readonly transferTo: readonly string[];
  readonly limits: DnsLimits;
}

/** What DNS clients may take, so that each leaves something for the others. */
export interface DnsLimits {
  /** Queries a second of one client over UDP; undefined: as many as there is time for (dns/client-rates.ts). */
  readonly clientRate: number | undefined;
  /** TCP connections, and queries that wait for other DNS servers, of all clients: shared (dns/fair-share.ts). */
  readonly connections: number;
  readonly waiting: number;
}

/** How DNS questions about names outside the cluster are answered. */
export interface ForwardingConfig {
  /** Which upstream server is asked first: the first that answers, or any of those. */
  readonly policy: 'sequential' | 'random';
  /** DNS servers of single zones by the zone's name, or by the range whose reverse zones they serve. */
  readonly stubDomains: Readonly<Record<string, readonly string[]>>;
  /** Whether letters are sent in random case, which answers must repeat. */
  readonly mixCase: boolean;
  /** Memory for answers, of all threads together. */
  readonly cacheBytes: number;
  /** Answers are kept at least and at most so long, whatever their TTL; negative ones at most so long. */
  readonly minTtlSeconds: number;
  readonly maxTtlSeconds: number;
  readonly maxNegativeTtlSeconds: number;
  /** How long after its end an answer may still be given while upstream servers fail. */
  readonly maxStaleSeconds: number;
}

/** How an agent becomes a member of the cluster. */
export interface JoinConfig {
  /** `weft1.<SHA-256 of the CA certificate>.<secret>`, if given in the configuration itself. */
  readonly token: string | undefined;
  /** File that holds the token; it may appear after the agent has started. */
  readonly tokenFile: string;
}

/** The API server's own settings. */
export interface ServerConfig {
  /** Durable state: the store, the certificates, the join token, the admin kubeconfig. */
  readonly stateDir: string;
  /** Where the API listens. */
  readonly listen: readonly { readonly host: string; readonly port: number }[];
  /** The address other machines reach this server at; undefined: the machine's first one of the time. */
  readonly advertiseAddress: string | undefined;
  /** The machine's own addresses at the start. */
  readonly nodeIPs: readonly string[];
  /** Further names and addresses for the serving certificate. */
  readonly names: readonly string[];
  readonly cluster: ClusterConfig;
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** Everything one configuration says; the server and the agent of one machine read the same file. */
export interface Config {
  readonly logLevel: LogLevel;
  readonly server: ServerConfig;
  readonly agent: AgentConfig;
  readonly join: JoinConfig;
  /** How the agent's addresses are found. */
  readonly addressing: AddressWish;
}
