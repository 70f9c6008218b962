import type { EndpointSlice } from '../api/kinds/endpoint-slice.ts';
import type { Service } from '../api/kinds/service.ts';
import { cidrContains, familyOf, normalizeAddress, normalizeCIDR } from './address.ts';
import { clusterEndpoints, listCandidates, localEndpoints } from './endpoints.ts';
import type { Candidate, Place } from './endpoints.ts';
import { protocols } from './model.ts';
import type { CompiledService, Endpoint, Frontend, HealthCheck, Protocol } from './model.ts';
import type { Family } from './family.ts';

/** What a Service is compiled for. */
export interface CompileContext extends Place {
  /** Addresses that this node's own DNS server answers; no rules for them. */
  readonly dnsIPs: readonly string[];
}

type ServicePort = NonNullable<Service['spec']['ports']>[number];

/** Names go into rule comments and onto command lines: only what Kubernetes itself allows in them. */
const nameForm = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;

/** Labels by which an administrator hands a Service to another proxy, or marks it as having none. */
export const foreignLabels: readonly string[] = [
  'service.kubernetes.io/service-proxy-name',
  'service.kubernetes.io/headless',
];

/** `sessionAffinityConfig.clientIP.timeoutSeconds` when the object has none (Kubernetes Service API). */
const defaultAffinitySeconds = 10_800;

/**
 * Compiles one Service and its EndpointSlices to what the data plane must do; undefined when it gets no rules
 * (headless, ExternalName, another proxy's). Never throws: parts that make no sense are listed as problems.
 */
export function compileService(
  service: Service,
  slices: readonly EndpointSlice[],
  context: CompileContext,
): CompiledService | undefined {
  if (!isOurs(service)) return undefined;
  const key = `${service.metadata.namespace ?? 'default'}/${service.metadata.name}`;
  const compiled: MutableService = {
    key,
    frontends: [],
    problems: [],
    readyHere: new Set(),
  };
  if (!key.split('/').every((part) => nameForm.test(part))) {
    compiled.problems.push('the name is not a DNS label');
    return finish(service, compiled);
  }
  for (const port of service.spec.ports ?? []) compilePort(service, port, slices, context, compiled);
  return finish(service, compiled);
}

interface MutableService {
  readonly key: string;
  readonly frontends: Frontend[];
  readonly problems: string[];
  /** Addresses of ready endpoints on this node. */
  readonly readyHere: Set<string>;
}

/** Whether the Service gets rules at all. One that is being deleted serves until it is gone, as with kube-proxy. */
export function isOurs(service: Service): boolean {
  const { spec, metadata } = service;
  if (spec.type === 'ExternalName' || spec.clusterIP === 'None') return false;
  return !foreignLabels.some((label) => metadata.labels?.[label] !== undefined);
}

const none: readonly string[] = [];

function finish(service: Service, compiled: MutableService): CompiledService {
  const { key, frontends, problems } = compiled;
  return {
    key,
    created: service.metadata.creationTimestamp ?? '',
    // Copied: a list that grew holds room for more, and there are many of them.
    frontends: [...frontends],
    problems: problems.length === 0 ? none : problems,
    ...healthCheckOf(service, compiled),
  };
}

/** Only load balancers ask, and only where it matters which node they choose. */
function healthCheckOf({ spec }: Service, { readyHere }: MutableService): { healthCheck?: HealthCheck } {
  const { type, externalTrafficPolicy, healthCheckNodePort: port } = spec;
  if (type !== 'LoadBalancer' || externalTrafficPolicy !== 'Local' || !isPort(port)) return {};
  const addresses = [...readyHere];
  const count = (family: Family): number => addresses.filter((each) => familyOf(each) === family).length;
  return { healthCheck: { port, localEndpoints: { ipv4: count('ipv4'), ipv6: count('ipv6') } } };
}

function compilePort(
  service: Service,
  port: ServicePort,
  slices: readonly EndpointSlice[],
  context: CompileContext,
  compiled: MutableService,
): void {
  const protocol = protocols.find((known) => known === (port.protocol ?? 'TCP').toLowerCase());
  const portName = port.name ?? '';
  if (!protocol || !isPort(port.port) || (portName !== '' && !nameForm.test(portName))) {
    compiled.problems.push(`port ${portName || String(port.port)}: protocol, number or name is not valid`);
    return;
  }
  for (const family of serviceFamilies(service)) {
    const candidates = listCandidates(
      slices,
      {
        family,
        protocol,
        portName,
        publishNotReadyAddresses: service.spec.publishNotReadyAddresses ?? false,
      },
      context,
    );
    for (const { address, local, ready } of candidates) if (local && ready) compiled.readyHere.add(address);
    compiled.frontends.push(
      ...frontendsOf({ service, port, protocol, family, candidates, context, compiled }),
    );
  }
}

/** The families in which the Service has clusterIPs; they alone decide where it is served. */
function serviceFamilies(service: Service): Family[] {
  const families = clusterIPs(service).map(familyOf);
  return [...new Set(families)];
}

function clusterIPs(service: Service): string[] {
  const { clusterIPs: all = [], clusterIP } = service.spec;
  const addresses = all.length > 0 ? all : clusterIP ? [clusterIP] : [];
  return addresses.map(normalizeAddress).filter((address) => address !== undefined);
}

interface PortInput {
  readonly service: Service;
  readonly port: ServicePort;
  readonly protocol: Protocol;
  readonly family: Family;
  readonly candidates: readonly Candidate[];
  readonly context: CompileContext;
  readonly compiled: MutableService;
}

function* frontendsOf(input: PortInput): Generator<Frontend> {
  const { service, port, family, context, compiled } = input;
  const { spec } = service;
  const ofFamily = (address: string): boolean =>
    familyOf(address) === family && !context.dnsIPs.includes(address);
  const everywhere = clusterEndpoints(input.candidates, context);
  const inside = insideTargets(input, everywhere);
  const external = externalTargets(input, everywhere);
  const frontend = frontendMaker(input);
  for (const address of clusterIPs(service).filter(ofFamily)) {
    yield frontend('clusterIP', address, inside);
  }
  for (const address of validAddresses(spec.externalIPs ?? [], 'externalIPs', compiled).filter(ofFamily)) {
    yield frontend('externalIP', address, external);
  }
  // ipMode Proxy: the load balancer delivers to node addresses, so its own address must reach it.
  const ingress = (service.status?.loadBalancer?.ingress ?? []).filter((entry) => entry.ipMode !== 'Proxy');
  const addresses = ingress.map((entry) => entry.ip).filter((ip) => ip !== undefined);
  const sourceRanges = sourceRangesOf(input);
  for (const address of validAddresses(addresses, 'status.loadBalancer', compiled).filter(ofFamily)) {
    yield { ...frontend('loadBalancer', address, external), ...sourceRanges };
  }
  if (isPort(port.nodePort)) {
    yield { ...frontend('nodePort', undefined, external), port: port.nodePort };
  }
}

/** Makes frontends of one Service port. The common ones are written at once: objects that grow take half as much again. */
function frontendMaker({ service, port, protocol, family, compiled }: PortInput) {
  const name = port.name ? `${compiled.key}:${port.name}` : compiled.key;
  const affinity = service.spec.sessionAffinity === 'ClientIP';
  const affinitySeconds =
    service.spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? defaultAffinitySeconds;
  return (kind: Frontend['kind'], address: string | undefined, targets: Targets): Frontend => {
    const { endpoints, whenEmpty, outside } = targets;
    const frontend = { family, protocol, kind, address, port: port.port, name, endpoints, whenEmpty };
    if (!affinity && !outside) return frontend;
    return { ...frontend, ...(affinity ? { affinitySeconds } : {}), ...(outside ? { outside } : {}) };
  };
}

type Targets = Pick<Frontend, 'endpoints' | 'whenEmpty'> & { readonly outside?: readonly Endpoint[] };

function insideTargets({ service, candidates }: PortInput, everywhere: readonly Endpoint[]): Targets {
  if (service.spec.internalTrafficPolicy !== 'Local') return { endpoints: everywhere, whenEmpty: 'reject' };
  return { endpoints: localEndpoints(candidates), whenEmpty: everywhere.length > 0 ? 'drop' : 'reject' };
}

function externalTargets({ service, candidates }: PortInput, everywhere: readonly Endpoint[]): Targets {
  const targets = { endpoints: everywhere, whenEmpty: 'reject' } as const;
  if (service.spec.externalTrafficPolicy !== 'Local') return targets;
  return { ...targets, outside: localEndpoints(candidates) };
}

function sourceRangesOf({ service, family, compiled }: PortInput): { sourceRanges?: readonly string[] } {
  const texts = service.spec.loadBalancerSourceRanges ?? [];
  if (texts.length === 0) return {};
  const ranges = texts.map((text) => {
    const cidr = normalizeCIDR(text);
    if (cidr === undefined)
      problem(compiled, `loadBalancerSourceRanges: ${JSON.stringify(text)} is not a CIDR`);
    return cidr;
  });
  // Ranges that are all of the other family, or all unreadable, still mean "not everyone".
  const ours = ranges.filter((cidr) => cidr !== undefined).filter((cidr) => familyOf(cidr) === family);
  return { sourceRanges: withoutContained(ours) };
}

/** Drops ranges that lie inside another one: interval sets refuse overlaps. */
function withoutContained(cidrs: readonly string[]): string[] {
  const distinct = [...new Set(cidrs)];
  const lengthOf = (cidr: string): number => Number(cidr.split('/')[1]);
  return distinct.filter(
    (cidr) =>
      !distinct.some(
        (other) =>
          other !== cidr &&
          lengthOf(other) < lengthOf(cidr) &&
          cidrContains(other, cidr.split('/')[0] ?? cidr),
      ),
  );
}

function validAddresses(texts: readonly string[], field: string, compiled: MutableService): string[] {
  const addresses = texts.map((text) => {
    const address = normalizeAddress(text);
    if (address === undefined) problem(compiled, `${field}: ${JSON.stringify(text)} is not an address`);
    return address;
  });
  return [...new Set(addresses.filter((address) => address !== undefined))];
}

function problem(compiled: MutableService, sentence: string): void {
  if (!compiled.problems.includes(sentence)) compiled.problems.push(sentence);
}

function isPort(port: number | undefined): port is number {
  return port !== undefined && Number.isInteger(port) && port >= 1 && port <= 65_535;
}
