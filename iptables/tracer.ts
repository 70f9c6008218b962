import { cidrContains, familyOf } from './address.ts';
import { families } from './family.ts';
import { frontendId } from './model.ts';
import type { Endpoint, Frontend, NodeSettings, Protocol, Ruleset } from './model.ts';

/** The first packet of a connection, as it comes to this node or leaves one of its processes. */
export interface Packet {
  readonly source: string;
  readonly destination: string;
  readonly protocol: Protocol;
  readonly port: number;
}

/** The node that is asked what it would do. */
export interface TracedNode {
  /** Every address of this node, those of its pod bridge and loopback included. */
  readonly addresses: readonly string[];
}

/** What becomes of a packet. */
export interface Trace {
  /** `forward`: rewritten to an endpoint; `pass`: no Service's business, goes where it was sent. */
  readonly verdict: 'forward' | 'pass' | 'reject' | 'drop';
  readonly outcomes: readonly Outcome[];
  /** The Service or the rule that decided, for people. */
  readonly decidedBy: string;
}

/** One place where a packet can end up. */
interface Outcome {
  readonly address: string;
  readonly port: number;
  readonly probability: number;
  /** Whether the receiver sees an address of this node instead of the sender's. */
  readonly masqueraded: boolean;
}

/**
 * Says what the rules do with a packet, from the same compiled data that the backends program: the reference that both
 * are measured against. Affinity and established connections are left out: it is about a client's first connection.
 */
export function tracePacket(rules: Ruleset, node: TracedNode, packet: Packet): Trace {
  const { settings } = rules;
  if (settings.dnsIPs.includes(packet.destination)) return traceDns(node, packet);
  const frontend = findFrontend(rules, node, packet);
  if (frontend) return traceFrontend(frontend, settings, node, packet);
  if (isIn(settings.serviceCIDRs, packet.destination)) {
    return { verdict: 'reject', outcomes: [], decidedBy: 'no Service has this address and port' };
  }
  const masqueraded = !node.addresses.includes(packet.destination) && leavesCluster(settings, packet);
  const outcome = { address: packet.destination, port: packet.port, probability: 1, masqueraded };
  return {
    verdict: 'pass',
    outcomes: [outcome],
    decidedBy: masqueraded ? 'pods leave the cluster' : 'no rule',
  };
}

function traceDns(node: TracedNode, packet: Packet): Trace {
  const allowed = packet.port === 53 || node.addresses.includes(packet.source);
  const outcome = { address: packet.destination, port: packet.port, probability: 1, masqueraded: false };
  return {
    verdict: allowed ? 'pass' : 'reject',
    outcomes: allowed ? [outcome] : [],
    decidedBy: "the node's own DNS server",
  };
}

function findFrontend(rules: Ruleset, node: TracedNode, packet: Packet): Frontend | undefined {
  const family = familyOf(packet.destination);
  const id = (address: string | undefined): string =>
    frontendId({ family, protocol: packet.protocol, address, port: packet.port });
  const claims = [...rules.services.values()]
    .sort((a, b) => (`${a.created} ${a.key}` < `${b.created} ${b.key}` ? -1 : 1))
    .flatMap(({ frontends }) => frontends);
  const byAddress = claims.find((frontend) => frontendId(frontend) === id(packet.destination));
  if (byAddress || !servesNodePorts(rules.settings, node, packet.destination)) return byAddress;
  return claims.find((frontend) => frontendId(frontend) === id(undefined));
}

function servesNodePorts(settings: NodeSettings, node: TracedNode, address: string): boolean {
  if (!node.addresses.includes(address)) return false;
  const loopbacks = families.map(({ loopback }) => loopback);
  if (isIn([...settings.serviceCIDRs, ...settings.clusterCIDRs, ...loopbacks], address)) return false;
  return settings.nodePortAddresses.length === 0 || isIn(settings.nodePortAddresses, address);
}

function traceFrontend(frontend: Frontend, settings: NodeSettings, node: TracedNode, packet: Packet): Trace {
  const { sourceRanges, outside, endpoints, whenEmpty, name } = frontend;
  const stop = (verdict: 'reject' | 'drop', reason: string): Trace => ({
    verdict,
    outcomes: [],
    decidedBy: `${name} ${reason}`,
  });
  if (sourceRanges && !isIn(sourceRanges, packet.source)) return stop('drop', 'is not for this source');
  const isInside = isIn(settings.podCIDRs, packet.source) || node.addresses.includes(packet.source);
  const chosen = outside && !isInside ? outside : endpoints;
  if (chosen.length === 0) {
    if (endpoints.length > 0 || whenEmpty === 'drop') return stop('drop', 'has no local endpoints');
    return stop('reject', 'has no endpoints');
  }
  const keepsSource = outside !== undefined && !isInside;
  const outcomes = chosen.map((endpoint) => ({
    address: endpoint.address,
    port: endpoint.port,
    probability: 1 / chosen.length,
    masqueraded: isMasqueraded(endpoint, settings, node, packet, keepsSource),
  }));
  return { verdict: 'forward', outcomes, decidedBy: name };
}

function isMasqueraded(
  endpoint: Endpoint,
  settings: NodeSettings,
  node: TracedNode,
  packet: Packet,
  keepsSource: boolean,
): boolean {
  // It never leaves the node's own stack.
  if (node.addresses.includes(endpoint.address) && node.addresses.includes(packet.source)) return false;
  if (endpoint.local && endpoint.address === packet.source) return true;
  if (!isIn(settings.podCIDRs, packet.source)) return !keepsSource;
  // What is delivered on the node itself passes no postrouting.
  if (node.addresses.includes(endpoint.address)) return false;
  return leavesCluster(settings, { ...packet, destination: endpoint.address });
}

function leavesCluster(settings: NodeSettings, { source, destination }: Packet): boolean {
  const multicast = families.map((traits) => traits.multicast);
  const stays = isIn([...settings.clusterCIDRs, ...settings.serviceCIDRs, ...multicast], destination);
  return isIn(settings.podCIDRs, source) && !stays && !settings.nodeIPs.includes(destination);
}

function isIn(cidrs: readonly string[], address: string): boolean {
  return cidrs.some((cidr) => cidrContains(cidr, address));
}
