import path from 'node:path';
import type { Lease } from '../../cni/pool.ts';
import { namespacePath } from '../../netns/namespace.ts';
import type { Attachment, AttachmentRecord } from './attachment.ts';
import { podHostLinkName, podLinkName, podMac, podNamespaceName } from './marks.ts';

/** How long an address rests after its pod is gone. */
export const restMs = 30_000;

/** Where a node's leases are. */
export function leasesFile(stateDir: string): string {
  return path.join(stateDir, 'network', 'leases.json');
}

/** What there shall be in the kernel for a lease. */
export function describeLease(id: string, lease?: Lease<AttachmentRecord>): Attachment {
  const { netns = namespacePath(podNamespaceName(id)), ...rest } = lease?.record ?? {};
  return {
    ifname: podLinkName,
    mac: podMac(id),
    ...rest,
    id,
    netns,
    ips: lease?.addresses ?? [],
    hostLink: podHostLinkName(id),
  };
}
