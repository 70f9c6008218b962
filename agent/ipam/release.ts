import { AgentError } from '../agent-error.ts';
import type { Attachment } from '../network/attachment.ts';
import { isNamespace } from '../network/pod-namespace.ts';

/** Which lease shall go. */
export interface ReleaseOrder {
  /** An address, or the id of an attachment. */
  readonly what: string;
  /** Also when its namespace is alive: whoever is in there loses the network. */
  readonly force: boolean;
}

/** What was freed. */
export interface Released {
  readonly id: string;
  readonly ips: readonly string[];
}

/** Where leases are, and how one goes with all that belongs to it. */
export interface LeaseHolder {
  attachments(): readonly Attachment[];
  remove(attachment: Attachment): Promise<void>;
}

/**
 * Frees one lease with all that belongs to it. Only for who writes the leases file.
 * @throws AgentError `no-lease`, `in-use`
 */
export async function releaseLease(holder: LeaseHolder, { what, force }: ReleaseOrder): Promise<Released> {
  const found = holder.attachments().find(({ id, ips }) => id === what || ips.includes(what));
  if (!found) throw new AgentError('no-lease', `nobody has ${what} on this node`, 'weft ipam show');
  const { id, ips, netns } = found;
  if (!force && isNamespace(netns)) {
    const message = `${id} has ${ips.join(', ')}, and its namespace ${netns} is alive`;
    const remedy = 'remove the container or pod; --force takes its network away while it runs';
    throw new AgentError('in-use', message, remedy);
  }
  await holder.remove(found);
  return { id, ips };
}
