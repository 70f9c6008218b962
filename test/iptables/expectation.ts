import { BlockList } from 'node:net';

import type { EndpointSlice } from '../../api/kinds/endpoint-slice.ts';
import type { Service } from '../../api/kinds/service.ts';

// What Services must do (Kubernetes Service API, kube-proxy's documented behaviour), said once more, straight from the
// API's objects: nothing here comes from the code that makes rules. Addresses are in the kernel's notation (RFC 5952).

/** The node that is asked, and its cluster. CIDRs and addresses of both families mixed. */
export interface ExpectedNode {
  readonly name: string;
  readonly zone: string;
  /** Every address of the node, those of bridge and loopback included. */
  readonly addresses: readonly string[];
  readonly podCIDRs: readonly string[];
  readonly clusterCIDRs: readonly string[];
  readonly serviceCIDRs: readonly string[];
  readonly dnsIPs: readonly string[];
  /** Addresses of all nodes. */
  readonly nodeIPs: readonly string[];
  readonly nodePortAddresses: readonly string[];
  readonly nonMasqueradeCIDRs: readonly string[];
}

export interface World {
  readonly node: ExpectedNode;
  readonly services: readonly Service[];
  /** By `namespace/name` of the Service. */
  readonly slices: ReadonlyMap<string, readonly EndpointSlice[]>;
}

export interface ExpectedPacket {
  readonly source: string;
  readonly destination: string;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly port: number;
}

/** What must become of the packet; several endpoints have equal chances. */
export type Expected =
  | { readonly verdict: 'pass'; readonly masqueraded: boolean }
  | { readonly verdict: 'reject' }
  | { readonly verdict: 'drop' }
  | { readonly verdict: 'forward'; readonly endpoints: readonly ExpectedEndpoint[] };

interface ExpectedEndpoint {
  readonly address: string;
  readonly port: number;
  readonly masqueraded: boolean;
}

/** A Service's port that has the destination, and by which of its addresses. */
interface Claim {
  readonly service: Service;
  readonly port: NonNullable<Service['spec']['ports']>[number];
  readonly by: 'clusterIP' | 'externalIP' | 'loadBalancer' | 'nodePort';
}

/** What must become of a connection's first packet. */
export function expect(world: World, packet: ExpectedPacket): Expected {
  const { node } = world;
  const fromNode = node.addresses.includes(packet.source);
  if (node.dnsIPs.includes(packet.destination)) {
    // The node's own DNS server: port 53 is for everybody, everything else for the node itself.
    const asks = packet.port === 53 && packet.protocol !== 'sctp';
    return asks || fromNode ? { verdict: 'pass', masqueraded: false } : { verdict: 'reject' };
  }
  const claim = findClaim(world, packet);
  if (claim) return expectService(world, claim, packet);
  if (isIn(node.serviceCIDRs, packet.destination)) return { verdict: 'reject' };
  return { verdict: 'pass', masqueraded: leavesCluster(node, packet.source, packet.destination) };
}

function expectService(world: World, claim: Claim, packet: ExpectedPacket): Expected {
  const { node } = world;
  const { spec } = claim.service;
  const ranges = claim.by === 'loadBalancer' ? (spec.loadBalancerSourceRanges ?? []) : [];
  if (
    ranges.length > 0 &&
    !isIn(
      ranges.map((range) => range.trim()),
      packet.source,
    )
  )
    return { verdict: 'drop' };
  const candidates = listEndpoints(world, claim, packet);
  const everywhere = clusterPolicy(candidates, node);
  const onNode = node.addresses.includes(packet.source) || isIn(node.podCIDRs, packet.source);
  const policy = claim.by === 'clusterIP' ? spec.internalTrafficPolicy : spec.externalTrafficPolicy;
  // Who is on the node and uses an address meant for outside may use what is not here.
  const local = policy === 'Local' && (claim.by === 'clusterIP' || !onNode);
  const chosen = local ? localPolicy(candidates) : everywhere;
  if (chosen.length === 0) return { verdict: everywhere.length > 0 ? 'drop' : 'reject' };
  const keepsSource = local && claim.by !== 'clusterIP';
  const endpoints = chosen.map(({ address, port }) => ({
    address,
    port,
    masqueraded: isMasqueraded(node, packet.source, address, keepsSource),
  }));
  return { verdict: 'forward', endpoints };
}

function isMasqueraded(node: ExpectedNode, source: string, endpoint: string, keepsSource: boolean): boolean {
  // Delivered here, it leaves by no device, and the answer comes from where the rewriting is known.
  if (node.addresses.includes(endpoint)) return false;
  if (isIn(node.podCIDRs, source)) return source === endpoint || leavesCluster(node, source, endpoint);
  // From elsewhere, or from the node itself: the answer must come back through here, unless the policy forbids it.
  return !keepsSource;
}

/** Pods have their own address towards pods, Services and nodes; beyond, that of the node. */
function leavesCluster(node: ExpectedNode, source: string, destination: string): boolean {
  const multicast = ['224.0.0.0/4', 'ff00::/8'];
  return (
    isIn(node.podCIDRs, source) &&
    !isIn(
      [...node.clusterCIDRs, ...node.serviceCIDRs, ...node.nonMasqueradeCIDRs, ...multicast],
      destination,
    ) &&
    ![...node.nodeIPs, ...node.addresses].includes(destination)
  );
}

/** Of Services that claim the same, the oldest has it; an address goes before a NodePort. */
function findClaim({ node, services }: World, packet: ExpectedPacket): Claim | undefined {
  const age = ({ metadata }: Service): string =>
    `${metadata.creationTimestamp ?? ''} ${metadata.namespace ?? ''}/${metadata.name}`;
  const claims = services
    .filter(isServed)
    .sort((a, b) => (age(a) < age(b) ? -1 : 1))
    .flatMap((service) => [...listClaims(service, node, packet)]);
  return claims.find(({ by }) => by !== 'nodePort') ?? claims[0];
}

function isServed({ metadata, spec }: Service): boolean {
  const labels = metadata.labels ?? {};
  return (
    spec.type !== 'ExternalName' &&
    spec.clusterIP !== 'None' &&
    !('service.kubernetes.io/service-proxy-name' in labels) &&
    !('service.kubernetes.io/headless' in labels)
  );
}

function* listClaims(service: Service, node: ExpectedNode, packet: ExpectedPacket): Generator<Claim> {
  const { spec, status } = service;
  const { destination } = packet;
  const clusterIPs = spec.clusterIPs ?? [];
  if (!clusterIPs.some((address) => familyOf(address) === familyOf(destination))) return;
  const ingress = (status?.loadBalancer?.ingress ?? []).filter(({ ipMode }) => ipMode !== 'Proxy');
  const ports = (spec.ports ?? []).filter(
    ({ protocol }) => (protocol ?? 'TCP').toLowerCase() === packet.protocol,
  );
  for (const port of ports) {
    const to = (addresses: readonly (string | undefined)[]): boolean =>
      port.port === packet.port && addresses.includes(destination);
    if (to(clusterIPs)) yield { service, port, by: 'clusterIP' };
    if (to(spec.externalIPs ?? [])) yield { service, port, by: 'externalIP' };
    if (to(ingress.map(({ ip }) => ip))) yield { service, port, by: 'loadBalancer' };
    if (port.nodePort === packet.port && servesNodePorts(node, destination))
      yield { service, port, by: 'nodePort' };
  }
}

function servesNodePorts(node: ExpectedNode, address: string): boolean {
  const never = [...node.serviceCIDRs, ...node.clusterCIDRs, '127.0.0.0/8', '::1/128'];
  if (!node.addresses.includes(address) || isIn(never, address) || node.dnsIPs.includes(address))
    return false;
  return node.nodePortAddresses.length === 0 || isIn(node.nodePortAddresses, address);
}

interface Candidate {
  readonly address: string;
  readonly port: number;
  readonly local: boolean;
  readonly ready: boolean;
  readonly draining: boolean;
  readonly forNodes: readonly string[];
  readonly forZones: readonly string[];
}

function listEndpoints(
  { node, slices }: World,
  { service, port }: Claim,
  packet: ExpectedPacket,
): Candidate[] {
  const key = `${service.metadata.namespace ?? ''}/${service.metadata.name}`;
  const found = new Map<string, Candidate>();
  for (const slice of slices.get(key) ?? []) {
    if (slice.addressType !== (familyOf(packet.destination) === 4 ? 'IPv4' : 'IPv6')) continue;
    const target = (slice.ports ?? []).find(
      ({ name, protocol }) =>
        (name ?? '') === (port.name ?? '') && (protocol ?? 'TCP').toLowerCase() === packet.protocol,
    );
    if (target?.port === undefined) continue;
    for (const { addresses, conditions = {}, nodeName, hints = {} } of slice.endpoints) {
      const ready = service.spec.publishNotReadyAddresses === true || conditions.ready !== false;
      for (const address of addresses) {
        const id = `${address} ${String(target.port)}`;
        if (found.get(id)?.ready) continue;
        found.set(id, {
          address,
          port: target.port,
          local: nodeName === node.name,
          ready,
          draining: conditions.serving === true && conditions.terminating === true,
          forNodes: (hints.forNodes ?? []).map(({ name }) => name),
          forZones: (hints.forZones ?? []).map(({ name }) => name),
        });
      }
    }
  }
  return [...found.values()];
}

/** Ready ones, those that hints give to this node if hints are complete; none ready: those that drain. */
function clusterPolicy(candidates: readonly Candidate[], node: ExpectedNode): readonly Candidate[] {
  const ready = candidates.filter((each) => each.ready);
  if (ready.length === 0) return candidates.filter((each) => each.draining);
  const forNode = ready.filter(({ forNodes }) => forNodes.includes(node.name));
  if (forNode.length > 0 && ready.every(({ forNodes }) => forNodes.length > 0)) return forNode;
  const forZone = ready.filter(({ forZones }) => forZones.includes(node.zone));
  if (forZone.length > 0 && ready.every(({ forZones }) => forZones.length > 0)) return forZone;
  return ready;
}

/** Those of this node that are ready; none ready: those of this node that drain. */
function localPolicy(candidates: readonly Candidate[]): readonly Candidate[] {
  const ready = candidates.filter((each) => each.local && each.ready);
  return ready.length > 0 ? ready : candidates.filter((each) => each.local && each.draining);
}

function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}

function isIn(cidrs: readonly string[], address: string): boolean {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [network = '', length] = cidr.split('/');
    list.addSubnet(network, Number(length), familyOf(network) === 4 ? 'ipv4' : 'ipv6');
  }
  return list.check(address, familyOf(address) === 4 ? 'ipv4' : 'ipv6');
}
