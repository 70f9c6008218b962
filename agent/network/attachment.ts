import type { HostPort } from '../../api/kinds/host-ports.ts';
import type { AddressSpan } from '../../cni/span.ts';
import type { Bandwidth } from './bandwidth.ts';
import type { Link } from '../../netns/link.ts';
import type { AttachedPod } from './view.ts';

/** Who an attachment is for, as the API names it. */
interface PodIdentity {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
}

/**
 * What an attachment's lease remembers of it, as plain data: all that a daemon which just started, a garbage
 * collection or an audit has to know beside its addresses.
 */
export interface AttachmentRecord {
  /** Path of somebody else's namespace, entered and never removed; absent: one of our own, which comes and goes with it. */
  readonly netns?: string;
  /** The interface inside. Default: `eth0`. */
  readonly ifname?: string;
  /** The interface's hardware address. Default: follows from the id. */
  readonly mac?: string;
  /** Ports of the node that lead to its own. */
  readonly ports?: readonly HostPort[];
  readonly bandwidth?: Bandwidth;
  readonly pod?: PodIdentity;
  /** Which network's a runtime's attachment is, and which container's, as CNI calls them. */
  readonly cni?: { readonly network: string; readonly containerId: string };
}

/** What somebody wants of the network: one interface, with addresses, in one namespace. */
export interface AttachmentRequest extends AttachmentRecord {
  /** Names the attachment on this node, for ever the same: a pod's uid, `cni:<containerID>:<ifname>`. */
  readonly id: string;
  /** These very addresses, at most one of a family. */
  readonly addresses?: readonly string[];
  /** Only out of these parts of the node's ranges. */
  readonly spans?: readonly AddressSpan[];
}

/** What there is in the kernel for a request. */
export interface Attachment extends AttachedPod, Pick<AttachmentRecord, 'ports' | 'pod'> {
  /** The namespace's path, e.g. `/run/netns/weft-<uid>`. */
  readonly netns: string;
  readonly ifname: string;
  /** The node's end of the link. */
  readonly hostLink: string;
  readonly cni?: AttachmentRecord['cni'];
}

/** An attachment that was just made or completed. */
export interface MadeAttachment extends Attachment {
  /** Of the node's end of the link. */
  readonly host: Pick<Link, 'mac' | 'mtu'>;
}
