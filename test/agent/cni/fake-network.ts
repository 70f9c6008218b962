import type { CniNetwork } from '../../../agent/cni/network-door.ts';
import type { Attachment, AttachmentRequest, MadeAttachment } from '../../../agent/network/attachment.ts';

/** A network that notes what is asked of it, and refuses what a test says. */
export class FakeNetwork implements CniNetwork {
  readonly gateways = ['10.244.1.1'];
  readonly calls: string[] = [];
  /** Thrown by the method of this name; of `detach` by the id, too. */
  readonly refusals = new Map<string, Error>();
  /** What a call waits for, by its name and id. */
  readonly delays = new Map<string, Promise<unknown>>();
  readonly #attached = new Map<string, Attachment>();

  attach({ id, netns = '', ifname = '', cni }: AttachmentRequest): Promise<MadeAttachment> {
    return this.#do('attach', id, () => {
      const ips = [`10.244.1.${this.calls.length + 1}`];
      const mac = '02:00:5e:00:53:01';
      const attachment = { id, netns, ifname, ips, mac, hostLink: 'weft0', ...(cni && { cni }) };
      this.#attached.set(id, attachment);
      return { ...attachment, host: { mac: '02:00:5e:00:53:02', mtu: 1450 } };
    });
  }

  detach(id: string): Promise<void> {
    return this.#do('detach', id, () => {
      this.#attached.delete(id);
    });
  }

  check(id: string): Promise<string[]> {
    return this.#do('check', id, () => []);
  }

  attachment(id: string): Attachment | undefined {
    return this.#attached.get(id);
  }

  attachments(): Attachment[] {
    return [...this.#attached.values()];
  }

  probe(): void {
    const refusal = this.refusals.get('probe');
    if (refusal) throw refusal;
  }

  async #do<T>(verb: string, id: string, action: () => T): Promise<T> {
    const call = `${verb} ${id}`;
    this.calls.push(call);
    await this.delays.get(call);
    const refusal = this.refusals.get(verb) ?? this.refusals.get(call);
    if (refusal) throw refusal;
    return action();
  }
}
