import { readBootId, readFiles } from '../../cni/lease-file.ts';
import type { Attachment, AttachmentRecord } from '../network/attachment.ts';
import { describeLease, leasesFile, restMs } from '../network/lease.ts';

/** Who has which addresses, as an administrator asks. */
export interface ListedLease extends Attachment {
  /** When they were given out, in Unix ms; leases of earlier versions do not tell. */
  readonly since?: number;
  /** Given out before the machine started last: nobody's any more, and dropped when the next agent starts. */
  readonly isStale: boolean;
}

export interface LeaseList {
  readonly file: string;
  readonly leases: readonly ListedLease[];
  /** Given back a moment ago. */
  readonly resting: readonly {
    readonly address: string;
    /** Unix ms. */
    readonly until: number;
  }[];
}

/**
 * Reads a node's leases from its disk, whether an agent runs or not.
 * @param now in Unix ms
 * @throws IpamError `corrupt`
 */
export function readLeases(stateDir: string, now: number): LeaseList {
  const file = leasesFile(stateDir);
  const content = readFiles<AttachmentRecord>(file);
  if (!content) return { file, leases: [], resting: [] };
  const { leases, released } = content.state;
  const isStale = content.bootId !== readBootId();
  return {
    file,
    leases: Object.entries(leases).map(([id, lease]) => ({
      ...describeLease(id, lease),
      ...(lease.since !== undefined && { since: lease.since }),
      isStale,
    })),
    // A time from the future is a clock that was set back: the pool takes no notice of it either.
    resting: Object.entries(released)
      .filter(([, at]) => !isStale && at <= now && now < at + restMs)
      .map(([address, at]) => ({ address, until: at + restMs })),
  };
}
