import type { CompiledService, NodeSettings } from '../../iptables/model.ts';
import { readSysctl, writeSysctl } from '../../netns/sysctl.ts';
import type { RuleSource, Subject } from '../services/rule-source.ts';
import { attachmentOfKey, compileHostPorts, hostPortKey, servingAddresses } from './compile.ts';
import type { PortedAttachment } from './compile.ts';
import { LocalAddresses } from './local-addresses.ts';

/** Where attachments are known: the pod network. */
export interface AttachmentSource {
  attachments(): readonly PortedAttachment[];
  attachment(id: string): PortedAttachment | undefined;
  /** Tells of each that comes, changes or goes. */
  subscribe(listener: (id: string) => void): () => void;
}

/** Makes the node's addresses lead to the ports that attachments ask for: those of our own pods and of other runtimes'. */
export class HostPorts implements RuleSource {
  readonly #source: AttachmentSource;
  /** The keys of those that ask for ports. */
  readonly #keys = new Set<string>();
  #undo = new DisposableStack();
  #local: LocalAddresses | undefined;

  constructor(source: AttachmentSource) {
    this.#source = source;
  }

  start(onChange: (keys: readonly string[]) => void): void {
    const follow = (id: string): void => {
      if (this.#note(id, this.#source.attachment(id))) onChange([hostPortKey(id)]);
    };
    this.#undo.defer(this.#source.subscribe(follow));
    this.#local = this.#undo.use(new LocalAddresses(() => onChange(this.keys())));
    for (const attachment of this.#source.attachments()) this.#note(attachment.id, attachment);
    onChange(this.keys());
  }

  stop(): void {
    this.#undo.dispose();
    this.#undo = new DisposableStack();
  }

  owns(key: string): boolean {
    return attachmentOfKey(key) !== undefined;
  }

  keys(): string[] {
    return [...this.#keys];
  }

  compile(key: string, settings: NodeSettings): CompiledService | undefined {
    const attachment = this.#find(key);
    return attachment && compileHostPorts(attachment, servingAddresses(this.#local?.all ?? [], settings));
  }

  subjectOf(key: string): Subject | undefined {
    const pod = this.#find(key)?.pod;
    if (!pod) return undefined;
    const { namespace, name, uid } = pod;
    const object = { kind: 'Pod', apiVersion: 'v1', namespace, name, uid };
    return { namespace, object, reason: 'HostPortNotServed' };
  }

  addresses(): readonly string[] {
    return this.#local?.all ?? [];
  }

  /** Returns whether the attachment asks for ports, or did. */
  #note(id: string, attachment: PortedAttachment | undefined): boolean {
    const key = hostPortKey(id);
    const isClaiming = (attachment?.ports ?? []).length > 0;
    const wasClaiming = this.#keys.delete(key);
    if (attachment && isClaiming) {
      this.#keys.add(key);
      admitLoopback(attachment.hostLink);
    }
    return isClaiming || wasClaiming;
  }

  #find(key: string): PortedAttachment | undefined {
    const id = attachmentOfKey(key);
    return id === undefined ? undefined : this.#source.attachment(id);
  }
}

/**
 * Lets answers to 127.0.0.1 in by the pod's own link, as NodeNetwork does by the bridge: by a link that is no port of it
 * they come in themselves.
 */
function admitLoopback(link: string): void {
  const name = `net/ipv4/conf/${link}/route_localnet`;
  if (readSysctl(name) === '0') writeSysctl({ name, value: '1' });
}
