import ipaddr from 'ipaddr.js';
import type { ContainerPort } from './container.ts';
import type { PodSpec } from './pod-spec.ts';

/** A port of its node that leads to one of a pod's own. */
export interface HostPort {
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  /** The one address of the node that it is for; `0.0.0.0` or `::`: all of that family. Absent: all. */
  readonly hostIP?: string;
}

/** What a pod's containers claim, also those that run beside them from the start. */
export function hostPortsOf({ containers, initContainers = [] }: PodSpec): HostPort[] {
  const beside = initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always');
  return [...containers, ...beside].flatMap(({ ports = [] }) => ports).flatMap(hostPortOf);
}

function hostPortOf({ hostPort, containerPort, protocol, hostIP }: ContainerPort): HostPort[] {
  if (!hostPort) return [];
  const known = protocol === 'UDP' || protocol === 'SCTP' ? protocol : 'TCP';
  return [{ hostPort, containerPort, protocol: known, ...(hostIP ? { hostIP } : {}) }];
}

/** What claims are told apart by. */
export type PortClaim = Pick<HostPort, 'hostPort' | 'protocol' | 'hostIP'>;

/** Whether two claims share an address and port. Those of the two families do not, of any address they do. */
export function clash(one: PortClaim, other: PortClaim): boolean {
  if (one.hostPort !== other.hostPort || one.protocol !== other.protocol) return false;
  const [a, b] = [placeOf(one), placeOf(other)];
  if (!a || !b) return true;
  if (a.isIPv6 !== b.isIPv6) return false;
  return a.address === undefined || b.address === undefined || a.address === b.address;
}

/** Undefined: every address of both families. Without an address: all of one. */
export function placeOf({
  hostIP,
}: Pick<PortClaim, 'hostIP'>): { readonly isIPv6: boolean; readonly address?: string } | undefined {
  if (!hostIP) return undefined;
  const isIPv6 = hostIP.includes(':');
  const address = ipaddr.isValid(hostIP) ? ipaddr.parse(hostIP).toString() : hostIP;
  return address === '0.0.0.0' || address === '::' ? { isIPv6 } : { isIPv6, address };
}
