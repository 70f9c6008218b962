import { clash } from '../../api/kinds/host-ports.ts';
import type { HostPort } from '../../api/kinds/host-ports.ts';
import type { PortedAttachment } from './compile.ts';

/** Why an attachment cannot have these ports of the node: who has one of them. Undefined: it can. */
export function describeClash(
  wanted: readonly HostPort[],
  others: readonly PortedAttachment[],
): string | undefined {
  for (const port of wanted) {
    const holder = others.find(({ ports = [] }) => ports.some((taken) => clash(port, taken)));
    if (!holder) continue;
    const { hostPort, protocol, hostIP = '' } = port;
    const { id, pod } = holder;
    const who = pod ? `pod ${pod.namespace}/${pod.name}` : id;
    return `hostPort ${hostPort}/${protocol}${hostIP && ` at ${hostIP}`} belongs to ${who}`;
  }
  return undefined;
}
