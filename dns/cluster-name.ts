import ipaddr from 'ipaddr.js';
import { encodeName, labelsOf, parseDashedAddress, renderAddress } from './names.ts';

/** Which ranges and zone are the cluster's. */
export interface ClusterNaming {
  /** E.g. `cluster.local`. */
  readonly zone: string;
  /** Ranges whose reverse names are the cluster's. */
  readonly cidrs: readonly string[];
}

/**
 * What a name means in the schema of Kubernetes' DNS, whether or not it exists
 * (Kubernetes DNS-Based Service Discovery 1.1.0).
 */
export type NamePlace =
  /** Not the cluster's: upstream servers know. */
  | { readonly kind: 'outside' }
  /** The zone itself, `svc.Z`, `pod.Z`, `ns.dns.Z`, …: always there. */
  | { readonly kind: 'fixed' }
  /** `N.svc.Z`, `N.pod.Z`. */
  | { readonly kind: 'namespace'; readonly namespace: string }
  | { readonly kind: 'service'; readonly namespace: string; readonly service: string }
  /** `_port._proto.S.N.svc.Z`; without `port`: the name above such names. */
  | {
      readonly kind: 'port';
      readonly namespace: string;
      readonly service: string;
      readonly port: string | undefined;
      readonly protocol: string;
    }
  /** `web-0.S.N.svc.Z`, `10-1-2-3.S.N.svc.Z`. */
  | {
      readonly kind: 'endpoint';
      readonly namespace: string;
      readonly service: string;
      readonly endpoint: string;
    }
  /** `10-1-2-3.N.pod.Z`; `address` undefined where the label spells none. */
  | {
      readonly kind: 'pod';
      readonly namespace: string;
      readonly label: string;
      readonly address: string | undefined;
    }
  /** A name of PTR records in one of the cluster's ranges; `address` undefined where it is only a part of one. */
  | { readonly kind: 'reverse'; readonly address: string | undefined }
  /** Below the cluster's zone, and nothing that the schema knows. */
  | { readonly kind: 'unknown'; readonly labels: readonly string[] };

const fixedNames: ReadonlySet<string> = new Set(['', 'svc', 'pod', 'dns', 'ns.dns', 'dns-version']);

/** What a name in wire form means. */
export function placeOf(name: string, naming: ClusterNaming): NamePlace {
  const labels = labelsOf(name);
  const zone = labelsOf(encodeName(naming.zone));
  if (labels.length >= zone.length && labels.slice(-zone.length).join('\0') === zone.join('\0')) {
    return placeInZone(labels.slice(0, labels.length - zone.length));
  }
  return placeInReverse(labels, naming.cidrs);
}

function placeInZone(labels: readonly string[]): NamePlace {
  if (fixedNames.has(labels.join('.'))) return { kind: 'fixed' };
  const [namespace = '', branch = ''] = labels.slice(-2);
  const rest = labels.slice(0, -2);
  if (branch === 'svc') return placeInServices(namespace, rest) ?? { kind: 'unknown', labels };
  if (branch !== 'pod' || rest.length > 1) return { kind: 'unknown', labels };
  const [label] = rest;
  if (label === undefined) return { kind: 'namespace', namespace };
  const bytes = parseDashedAddress(label);
  return { kind: 'pod', namespace, label, address: bytes === undefined ? undefined : renderAddress(bytes) };
}

function placeInServices(namespace: string, labels: readonly string[]): NamePlace | undefined {
  const service = labels.at(-1);
  if (service === undefined) return { kind: 'namespace', namespace };
  const [first, second, ...more] = labels.slice(0, -1);
  if (first === undefined) return { kind: 'service', namespace, service };
  if (more.length > 0) return undefined;
  const last = second ?? first;
  if (last.startsWith('_')) {
    const port = second === undefined ? undefined : first.replace(/^_/, '');
    return { kind: 'port', namespace, service, port, protocol: last.slice(1) };
  }
  return second === undefined ? { kind: 'endpoint', namespace, service, endpoint: first } : undefined;
}

const families = [
  { suffix: ['in-addr', 'arpa'], labels: 4, kind: 'ipv4' },
  { suffix: ['ip6', 'arpa'], labels: 32, kind: 'ipv6' },
] as const;

function placeInReverse(labels: readonly string[], cidrs: readonly string[]): NamePlace {
  const family = families.find(({ suffix }) => labels.slice(-2).join('.') === suffix.join('.'));
  if (!family) return { kind: 'outside' };
  const given = labels.slice(0, -2).reverse();
  const ranges = cidrs
    .map((cidr) => ipaddr.parseCIDR(cidr))
    .filter(([range]) => range.kind() === family.kind);
  const padded = [...given, ...Array<string>(family.labels).fill('0')].slice(0, family.labels);
  const text = family.kind === 'ipv4' ? padded.join('.') : (padded.join('').match(/.{1,4}/g) ?? []).join(':');
  const bitsPerLabel = family.kind === 'ipv4' ? 8 : 4;
  if (given.length > family.labels || !ipaddr.isValid(text)) return { kind: 'outside' };
  const address = ipaddr.parse(text);
  // A name above our ranges' zones is somebody else's: we have no zone for it.
  const isOurs = ranges.some(
    ([range, length]) => given.length * bitsPerLabel >= length && address.match(range, length),
  );
  if (!isOurs) return { kind: 'outside' };
  return { kind: 'reverse', address: given.length === family.labels ? address.toString() : undefined };
}
