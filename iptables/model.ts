import { cidrContains } from './address.ts';
import type { Family } from './family.ts';

/** The layer-4 protocols a Service port can have, spelled as rules spell them. */
export const protocols = ['tcp', 'udp', 'sctp'] as const;
export type Protocol = (typeof protocols)[number];

/** Where a connection can be sent: one address and port that serves. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
  /** Runs on this node: only then can it meet itself through its Service (hairpin). */
  readonly local: boolean;
}

/**
 * One address and port on which a Service is reached, with everything the data plane has to know about it.
 * Independent of the backend; families and protocols are independent of each other.
 */
export interface Frontend {
  readonly family: Family;
  readonly protocol: Protocol;
  readonly kind: 'clusterIP' | 'externalIP' | 'loadBalancer' | 'nodePort' | 'hostPort';
  /** In the kernel's notation (RFC 5952). Undefined for a NodePort: every node address that serves NodePorts. */
  readonly address: string | undefined;
  readonly port: number;
  /** `namespace/name:port` for people: the comment on the rule. */
  readonly name: string;
  /** Chosen at random with equal chances. With {@link outside}, only for packets of this node's pods and processes. */
  readonly endpoints: readonly Endpoint[];
  /** What happens when there is no endpoint to choose. */
  readonly whenEmpty: 'reject' | 'drop';
  /**
   * `externalTrafficPolicy: Local`: the endpoints for packets that come from elsewhere; the client's address is kept.
   * Empty with {@link endpoints} present: such packets are dropped, so that load balancers go elsewhere.
   */
  readonly outside?: readonly Endpoint[];
  /** `loadBalancerSourceRanges`: CIDRs that may use it; others are dropped. */
  readonly sourceRanges?: readonly string[];
  /** `sessionAffinity: ClientIP`: a client stays with its endpoint until idle for so many seconds. */
  readonly affinitySeconds?: number;
}

/** What one Service asks of the data plane. */
export interface CompiledService {
  /** `namespace/name`. */
  readonly key: string;
  /** `metadata.creationTimestamp`: of two Services that claim one address and port, the older has it. */
  readonly created: string;
  readonly frontends: readonly Frontend[];
  /** `externalTrafficPolicy: Local` with a load balancer: what it is told about this node. */
  readonly healthCheck?: HealthCheck;
  /** Parts of the object that make no sense and were left out, one sentence each. */
  readonly problems: readonly string[];
}

/** Where a load balancer asks whether a node has endpoints of a Service, and the answer. */
export interface HealthCheck {
  /** `spec.healthCheckNodePort`. */
  readonly port: number;
  /** Distinct addresses of ready endpoints on this node. One that shuts down takes no new clients: it does not count. */
  readonly localEndpoints: Readonly<Record<Family, number>>;
}

/** What the rules must know of the node and the cluster, Services aside. CIDRs and addresses of both families mixed. */
export interface NodeSettings {
  readonly clusterCIDRs: readonly string[];
  readonly serviceCIDRs: readonly string[];
  /** Served by this node's own DNS server: no Service rules, no connection tracking, port 53 only. */
  readonly dnsIPs: readonly string[];
  /**
   * What asks there while nobody listens is tracked, so that a Service of that address can lead it to another node.
   * Only where the kernel can tell (`findsSockets` of the backend).
   */
  readonly dnsFallback?: boolean;
  /** This node's own pod ranges; until they are known, the cluster's. */
  readonly podCIDRs: readonly string[];
  /**
   * Its own addresses in them, from which its queries go to other nodes' DNS: whatever way leads there, that answers
   * nobody but the cluster's ranges. Until they are known, its address on the way out.
   */
  readonly podGateways?: readonly string[];
  /** Addresses of all nodes: pods reach them with their own address. */
  readonly nodeIPs: readonly string[];
  /** Beyond the cluster, its Services and its nodes: pods keep their own address there, too. */
  readonly nonMasqueradeCIDRs?: readonly string[];
  /** Only these node addresses serve NodePorts; empty: all but loopback, cluster and Service ranges. */
  readonly nodePortAddresses: readonly string[];
  /** The UDP port of the node's vxlan, whose packets are nobody's Service; undefined: there is none. */
  readonly vxlanPort?: number;
}

/**
 * For so long after a query met no socket the node's own ones go to other nodes, too, in seconds. The kernel knows what
 * listens only where packets come in; on their way out, the first of the node's own is refused and says so to the others.
 */
export const dnsDeafSeconds = 5;

/** What the rules of frontends depend on. All else, as the nodes that come and go, concerns the chains around them. */
export type FrontendSettings = Pick<NodeSettings, 'clusterCIDRs' | 'serviceCIDRs' | 'podCIDRs'>;

export function frontendSettings({ clusterCIDRs, serviceCIDRs, podCIDRs }: NodeSettings): FrontendSettings {
  return { clusterCIDRs, serviceCIDRs, podCIDRs };
}

/** The whole desired state of the data plane. */
export interface Ruleset {
  readonly settings: NodeSettings;
  /** By `namespace/name`. */
  readonly services: ReadonlyMap<string, CompiledService>;
}

/** The identity of a frontend in the kernel: two Services cannot both have it. */
export function frontendId(frontend: Pick<Frontend, 'family' | 'protocol' | 'address' | 'port'>): string {
  const { family, protocol, address = 'node', port } = frontend;
  // Joined, not concatenated: kept by the ten thousand, a text in one piece takes a third of one made of parts.
  return [family, protocol, address, port].join(' ');
}

/** Whatever is left with a destination in a Service range is rejected, with or without a rule or element of its own. */
export function isRejectedAnyway(
  { address }: Pick<Frontend, 'address'>,
  { serviceCIDRs }: Pick<FrontendSettings, 'serviceCIDRs'>,
): boolean {
  return address !== undefined && serviceCIDRs.some((cidr) => cidrContains(cidr, address));
}
