import {
  addressLeaseName,
  addressOfLease,
  announcementNamespace,
  announcerLeaseName,
  announcerOfLease,
} from '../../api/announcement.ts';
import type { Lease } from '../../api/kinds/lease.ts';

/** A node's heartbeat. */
export interface AnnouncerLease {
  readonly node: string;
  /** The API's resourceVersion: another one means that the node lives. */
  readonly version: string;
  /** The node gave everything away and went. */
  readonly released: boolean;
  readonly durationMs: number;
}

/** Who announces an address. */
export interface AddressLease {
  readonly address: string;
  /** Undefined: nobody, free to take. */
  readonly holder: string | undefined;
  readonly version: string;
  /** How often it changed hands. */
  readonly transitions: number;
}

const labels = {
  'app.kubernetes.io/managed-by': 'weft',
  'app.kubernetes.io/component': 'load-balancer',
} as const;

/** Selects the Leases of all announcers and addresses. */
export const leaseSelector = Object.entries(labels)
  .map(([key, value]) => `${key}=${value}`)
  .join(',');

export function readAnnouncerLease({ metadata, spec }: Lease): AnnouncerLease | undefined {
  const node = announcerOfLease(metadata.name);
  if (node === undefined) return undefined;
  return {
    node,
    version: metadata.resourceVersion ?? '',
    released: !spec?.holderIdentity,
    durationMs: (spec?.leaseDurationSeconds ?? 0) * 1000,
  };
}

export function readAddressLease({ metadata, spec }: Lease): AddressLease | undefined {
  const address = addressOfLease(metadata.name);
  if (address === undefined) return undefined;
  return {
    address,
    holder: spec?.holderIdentity ? spec.holderIdentity : undefined,
    version: metadata.resourceVersion ?? '',
    transitions: spec?.leaseTransitions ?? 0,
  };
}

/** @param nodeUid of the Node that owns the Lease, so that it goes with it; undefined when not known */
export function renderAnnouncerLease(
  node: string,
  spec: AnnouncerSpec,
  nodeUid: string | undefined,
  now: Date,
): Lease {
  const owner = { apiVersion: 'v1', kind: 'Node', name: node, uid: nodeUid ?? '' };
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      name: announcerLeaseName(node),
      namespace: announcementNamespace,
      labels,
      ...(nodeUid === undefined ? {} : { ownerReferences: [owner] }),
    },
    spec: renderAnnouncerSpec(spec, now),
  };
}

export interface AnnouncerSpec {
  /** The node's name; empty when it goes. */
  readonly holder: string;
  readonly seconds: number;
}

export function renderAnnouncerSpec(
  { holder, seconds }: AnnouncerSpec,
  now: Date,
): NonNullable<Lease['spec']> {
  return { holderIdentity: holder, leaseDurationSeconds: seconds, renewTime: microTime(now) };
}

/** The address's Lease in another hand. With `before`, only that version is replaced. */
export function renderAddressLease(
  address: string,
  holder: string | undefined,
  before: AddressLease | undefined,
  now: Date,
): Lease {
  const changes = before !== undefined && holder !== undefined && before.holder !== holder;
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      name: addressLeaseName(address),
      namespace: announcementNamespace,
      labels,
      ...(before && { resourceVersion: before.version }),
    },
    spec: {
      holderIdentity: holder ?? '',
      acquireTime: microTime(now),
      leaseTransitions: (before?.transitions ?? 0) + (changes ? 1 : 0),
    },
  };
}

/** metav1.MicroTime. */
function microTime(time: Date): string {
  return time.toISOString().replace('Z', '000Z');
}
