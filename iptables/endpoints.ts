import type { EndpointSlice } from '../api/kinds/endpoint-slice.ts';
import { normalizeAddress } from './address.ts';
import type { Family } from './family.ts';
import type { Endpoint, Protocol } from './model.ts';

/** What decides which endpoints this node uses. */
export interface Place {
  readonly nodeName: string;
  /** The node's `topology.kubernetes.io/zone`. */
  readonly zone?: string;
}

/** One address behind a Service port, with what decides whether it is used. */
export interface Candidate extends Endpoint {
  readonly ready: boolean;
  /** Serves while it shuts down: the last resort when nothing is ready. */
  readonly draining: boolean;
  readonly forNodes: readonly string[];
  readonly forZones: readonly string[];
}

export interface ServicePortQuery {
  readonly family: Family;
  readonly protocol: Protocol;
  /** The Service port's name; slices carry the port resolved under the same name. */
  readonly portName: string;
  readonly publishNotReadyAddresses: boolean;
}

/** The candidates of one Service port: all slices merged, every address and port once, in a stable order. */
export function listCandidates(
  slices: readonly EndpointSlice[],
  query: ServicePortQuery,
  place: Place,
): Candidate[] {
  const byAddress = new Map<string, Candidate>();
  for (const slice of slices) {
    if (slice.addressType.toLowerCase() !== query.family) continue;
    for (const port of slice.ports ?? []) {
      if (port.port === undefined || (port.name ?? '') !== query.portName) continue;
      if ((port.protocol ?? 'TCP').toLowerCase() !== query.protocol) continue;
      for (const endpoint of slice.endpoints) {
        for (const candidate of candidatesOf(endpoint, port.port, query, place)) {
          const id = `${candidate.address} ${String(candidate.port)}`;
          const known = byAddress.get(id);
          // While a pod moves from one slice to another it stands in both; either may be the older word.
          if (!known || (candidate.ready && !known.ready)) byAddress.set(id, candidate);
        }
      }
    }
  }
  return [...byAddress.values()].sort((a, b) => compareText(a.address, b.address) || a.port - b.port);
}

const none: readonly string[] = [];

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function* candidatesOf(
  endpoint: EndpointSlice['endpoints'][number],
  port: number,
  query: ServicePortQuery,
  place: Place,
): Generator<Candidate> {
  const conditions = endpoint.conditions ?? {};
  // An unknown state counts as ready (EndpointConditions in the Kubernetes API).
  const ready = query.publishNotReadyAddresses || (conditions.ready ?? true);
  const draining = !ready && (conditions.serving ?? false) && (conditions.terminating ?? false);
  for (const text of endpoint.addresses) {
    const address = normalizeAddress(text);
    if (address === undefined || (address.includes(':') ? 'ipv6' : 'ipv4') !== query.family) continue;
    yield {
      address,
      port,
      local: endpoint.nodeName === place.nodeName,
      ready,
      draining,
      forNodes: endpoint.hints?.forNodes?.map((hint) => hint.name) ?? none,
      forZones: endpoint.hints?.forZones?.map((hint) => hint.name) ?? none,
    };
  }
}

/** Policy Cluster: the ready endpoints that hints give to this node, else all ready ones, else those that drain. */
export function clusterEndpoints(candidates: readonly Candidate[], place: Place): Endpoint[] {
  const ready = candidates.filter((candidate) => candidate.ready);
  if (ready.length === 0) return candidates.filter((candidate) => candidate.draining).map(endpointOf);
  return hinted(ready, place).map(endpointOf);
}

/** Policy Local: this node's ready endpoints, else those of this node that drain. */
export function localEndpoints(candidates: readonly Candidate[]): Endpoint[] {
  const local = candidates.filter((candidate) => candidate.local);
  const ready = local.filter((candidate) => candidate.ready);
  return (ready.length > 0 ? ready : local.filter((candidate) => candidate.draining)).map(endpointOf);
}

/** Hints count only when every ready endpoint has them and one names this place: else somebody would be left out. */
function hinted(ready: readonly Candidate[], place: Place): readonly Candidate[] {
  for (const [kind, name] of [
    ['forNodes', place.nodeName],
    ['forZones', place.zone],
  ] as const) {
    if (name === undefined || !ready.every((candidate) => candidate[kind].length > 0)) continue;
    const ours = ready.filter((candidate) => candidate[kind].includes(name));
    if (ours.length > 0) return ours;
  }
  return ready;
}

function endpointOf({ address, port, local }: Candidate): Endpoint {
  return { address, port, local };
}
