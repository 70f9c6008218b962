import type { Attachment, AttachmentRequest, MadeAttachment } from '../network/attachment.ts';

/** What the CNI verbs need of the node's network: implemented by PodNetwork, faked by tests. */
export interface CniNetwork {
  /** The node's addresses in its pod ranges: the containers' gateways, one per family. */
  readonly gateways: readonly string[];
  attach(request: AttachmentRequest): Promise<MadeAttachment>;
  detach(id: string): Promise<void>;
  /** What of an attachment is not in the kernel as it shall be, a sentence each. */
  check(id: string): Promise<string[]>;
  /** The one of this id, if it has addresses here. */
  attachment(id: string): Attachment | undefined;
  /** All that have addresses here, our own pods included. */
  attachments(): Attachment[];
  /** Whether an attachment that asks for nothing special could be made now. Throws why not. */
  probe(): void;
}
