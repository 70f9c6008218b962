import type { EndpointSlice } from '../api/kinds/endpoint-slice.ts';
import type { Service } from '../api/kinds/service.ts';
import { placeOf, type ClusterNaming, type NamePlace } from './cluster-name.ts';
import { explainEndpoint, explainPort, explainService } from './explain-service.ts';
import { renderName } from './names.ts';
import { TYPE, typeName } from './wire.ts';

/** What the API says; only objects that the question can be about need to be there. */
export interface ClusterFacts {
  readonly namespaces: ReadonlySet<string>;
  readonly services: readonly Service[];
  /** By their Service, `namespace/name`. */
  readonly slices: ReadonlyMap<string, readonly EndpointSlice[]>;
  /** What pod names mean (dns/zone.ts). */
  readonly podNames: 'disabled' | 'insecure' | 'verified';
  /** Pods by `namespace/name` with their addresses; undefined where they are not known. */
  readonly pods: ReadonlyMap<string, readonly string[]> | undefined;
}

/** What an answer should be by the API's state, and why. */
export interface Explanation {
  /** Undefined where the cluster's state says nothing about it. */
  readonly expects: 'records' | 'no-data' | 'no-name' | undefined;
  /** One sentence without its full stop, in the words of the objects that decide. */
  readonly why: string;
}

/** Why a question (name in wire form) is answered as it is. */
export function explainAnswer(
  name: string,
  type: number,
  naming: ClusterNaming,
  facts: ClusterFacts,
): Explanation {
  const place = placeOf(name, naming);
  const missing = 'namespace' in place && !facts.namespaces.has(place.namespace);
  if (missing) return { expects: 'no-name', why: `namespace ${place.namespace} does not exist` };
  switch (place.kind) {
    case 'outside':
      return { expects: undefined, why: outsideReason(name, naming, facts) };
    case 'fixed':
      return { expects: undefined, why: "the name belongs to the cluster's zone itself" };
    case 'unknown':
      return { expects: 'no-name', why: unknownReason(place.labels, naming, facts) };
    case 'namespace':
      return {
        expects: 'no-data',
        why: `namespace ${place.namespace} exists, and its name has no records of its own`,
      };
    case 'pod':
      return explainPod(place, type, facts);
    case 'reverse':
      return explainReverse(place.address, facts);
    default:
      return explainOfService(place, type, facts);
  }
}

type ServicePlace = Extract<NamePlace, { service: string }>;

function explainOfService(place: ServicePlace, type: number, facts: ClusterFacts): Explanation {
  const { namespace, service: name } = place;
  const service = facts.services.find(
    ({ metadata }) => metadata.name === name && metadata.namespace === namespace,
  );
  if (!service) {
    const others = facts.services
      .filter(({ metadata }) => metadata.name === name)
      .map(({ metadata }) => metadata.namespace);
    const elsewhere = others.length > 0 ? `; one of that name is in ${others.join(', ')}` : '';
    return {
      expects: 'no-name',
      why: `Service ${name} does not exist in namespace ${namespace}${elsewhere}`,
    };
  }
  const slices = facts.slices.get(keyOf(service)) ?? [];
  if (place.kind === 'port') return explainPort(service, slices, place, type);
  if (place.kind === 'endpoint') return explainEndpoint(service, slices, place.endpoint, type);
  return explainService(service, slices, type);
}

function explainPod(
  { namespace, label, address }: Extract<NamePlace, { kind: 'pod' }>,
  type: number,
  { podNames, pods }: ClusterFacts,
): Explanation {
  if (podNames === 'disabled') return { expects: 'no-name', why: 'names of pods are switched off' };
  if (address === undefined) {
    return { expects: 'no-name', why: `${label} is no address with dashes, like 10-1-2-3` };
  }
  if (podNames === 'verified' && !pods) {
    const why = `pod names exist where a pod of the namespace has that address (${address})`;
    return { expects: undefined, why };
  }
  const owners = [...(pods ?? [])].filter(
    ([pod, addresses]) => pod.startsWith(`${namespace}/`) && addresses.includes(address),
  );
  if (podNames === 'verified' && owners.length === 0) {
    return { expects: 'no-name', why: `no pod of namespace ${namespace} has the address ${address}` };
  }
  const isOfType = type === (address.includes(':') ? TYPE.AAAA : TYPE.A) || type === TYPE.ANY;
  const family = address.includes(':') ? 'IPv6' : 'IPv4';
  const whose =
    podNames === 'verified'
      ? `the address of pod ${owners.map(([pod]) => pod).join(', ')}`
      : `the name spells the address, in every namespace that exists (pod names are not verified)`;
  if (isOfType) return { expects: 'records', why: whose };
  return { expects: 'no-data', why: `${address} is ${family}, which ${typeName(type)} records do not hold` };
}

function explainReverse(address: string | undefined, { services, slices }: ClusterFacts): Explanation {
  if (address === undefined) {
    return {
      expects: 'no-data',
      why: 'the name is a part of addresses: names of whole addresses lie below it',
    };
  }
  const own = services.find(({ spec }) => (spec.clusterIPs ?? [spec.clusterIP]).includes(address));
  if (own) return { expects: 'records', why: `${address} is the clusterIP of Service ${keyOf(own)}` };
  const headless = new Map(
    services.filter(({ spec }) => spec.clusterIP === 'None').map((service) => [keyOf(service), service]),
  );
  const endpoints = [...headless.keys()].flatMap((owner) =>
    (slices.get(owner) ?? [])
      .flatMap((slice) => slice.endpoints)
      .filter(({ addresses }) => addresses.includes(address))
      .map((endpoint) => ({ owner, endpoint })),
  );
  const ready = endpoints.filter(
    ({ owner, endpoint }) =>
      endpoint.conditions?.ready !== false || headless.get(owner)?.spec.publishNotReadyAddresses === true,
  );
  const names = (list: typeof endpoints): string => list.map(({ owner }) => owner).join(', ');
  if (ready.length > 0)
    return { expects: 'records', why: `${address} is an endpoint of headless Service ${names(ready)}` };
  if (endpoints.length > 0) {
    const why = `${address} is an endpoint of headless Service ${names(endpoints)}, but it is not ready`;
    return { expects: 'no-name', why };
  }
  const why = `${address} is no Service's clusterIP and no endpoint of a headless Service: pods have no names of their own`;
  return { expects: 'no-name', why };
}

function keyOf({ metadata }: Service): string {
  return `${metadata.namespace ?? 'default'}/${metadata.name}`;
}

function unknownReason(labels: readonly string[], { zone }: ClusterNaming, facts: ClusterFacts): string {
  const [service, namespace = 'default'] = labels;
  const meant = facts.services.find(
    ({ metadata }) => metadata.name === service && metadata.namespace === namespace,
  );
  const advice =
    meant && labels.length <= 2
      ? `the name of Service ${keyOf(meant)} is ${meant.metadata.name}.${namespace}.svc.${zone}`
      : `Services are called SERVICE.NAMESPACE.svc.${zone}, pods 10-1-2-3.NAMESPACE.pod.${zone}`;
  return `nothing in the cluster is called so: ${advice}`;
}

function outsideReason(name: string, { zone }: ClusterNaming, facts: ClusterFacts): string {
  const labels = renderName(name).replace(/\.$/, '').split('.');
  const [service = '', namespace = ''] = labels;
  const isShort =
    (labels.length === 2 || (labels.length === 3 && labels[2] === 'svc')) && facts.namespaces.has(namespace);
  const reason = `not a name of the cluster (${zone}): upstream servers are asked`;
  if (!isShort) return reason;
  return `${reason}. Was ${service}.${namespace}.svc.${zone} meant? A name is asked as it is written; --from completes it as a pod does`;
}
