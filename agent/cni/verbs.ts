import type { CniEnvironment } from '../../cni/call.ts';
import { compareResult } from '../../cni/check.ts';
import { CniError, cniCodes } from '../../cni/cni-error.ts';
import type { NetworkConfig } from '../../cni/network-config.ts';
import type { CniResult } from '../../cni/result.ts';
import { appendResult } from '../../cni/result.ts';
import { describeAttachment } from './attachment-result.ts';
import { toCniError } from './errors.ts';
import type { GoneNotes } from './gone-notes.ts';
import type { CniNetwork } from './network-door.ts';
import { Turns } from './turns.ts';

export interface CniVerbsOptions {
  readonly network: CniNetwork;
  readonly notes: GoneNotes;
}

/** How an attachment of a runtime's is called on this node. */
function attachmentId(containerId: string, ifname: string): string {
  return `cni:${containerId}:${ifname}`;
}

/** The verbs of the CNI specification 1.1.0. Each throws what {@link toCniError} understands. */
export class CniVerbs {
  readonly #options: CniVerbsOptions;
  readonly #turns = new Turns();

  constructor(options: CniVerbsOptions) {
    this.#options = options;
  }

  add({ containerId, ifname, netns }: CniEnvironment, config: NetworkConfig): Promise<CniResult> {
    const { network } = this.#options;
    const id = attachmentId(containerId, ifname);
    return this.#turns.take(id, async () => {
      await this.#clearTheWay(id, containerId, ifname);
      const cni = { network: config.name, containerId };
      const attachment = await network.attach({ id, netns, ifname, ...config.wishes, cni });
      const result = describeAttachment(attachment, network.gateways, config.dns);
      return config.prevResult ? appendResult(config.prevResult, result) : result;
    });
  }

  /** Idempotent: what is not there is fine. */
  del(containerId: string, ifname: string): Promise<void> {
    const id = attachmentId(containerId, ifname);
    return this.#turns.take(id, async () => {
      await this.#options.network.detach(id);
      this.#options.notes.remove(containerId, ifname);
    });
  }

  async check({ containerId, ifname }: CniEnvironment, { prevResult }: NetworkConfig): Promise<void> {
    const { network } = this.#options;
    if (!prevResult) throw new CniError(cniCodes.badConfig, 'CHECK needs a prevResult');
    const id = attachmentId(containerId, ifname);
    const attachment = network.attachment(id);
    if (!attachment) {
      throw new CniError(cniCodes.unknownContainer, `${containerId} has no address here for ${ifname}`);
    }
    const made = { name: attachment.ifname, mac: attachment.mac, addresses: attachment.ips };
    const problems = [...compareResult(prevResult, made), ...(await network.check(id))];
    if (problems.length > 0) {
      throw new CniError(cniCodes.checkFailed, problems[0] ?? '', problems.slice(1).join('; '));
    }
  }

  /** Frees every attachment of the network that is not named; goes on after a failure and tells of all. */
  async gc({ name, validAttachments }: NetworkConfig): Promise<void> {
    if (!validAttachments) {
      throw new CniError(cniCodes.badConfig, 'GC needs cni.dev/valid-attachments; an empty list frees all');
    }
    const valid = new Set(validAttachments.map((each) => attachmentId(each.containerID, each.ifname)));
    const failures: string[] = [];
    const attempt = async (containerId: string, ifname: string): Promise<void> => {
      try {
        await this.del(containerId, ifname);
      } catch (error) {
        failures.push(`${attachmentId(containerId, ifname)}: ${toCniError(error).message}`);
      }
    };
    for (const { containerId, ifname } of this.#options.notes.list()) await attempt(containerId, ifname);
    for (const { id, cni, ifname } of this.#options.network.attachments())
      if (cni?.network === name && !valid.has(id)) await attempt(cni.containerId, ifname);
    if (failures.length === 0) return;
    throw new CniError(cniCodes.garbageLeft, `${failures.length} attachments are left`, failures.join('; '));
  }

  /** Whether ADD would work now. */
  status(): void {
    try {
      this.#options.network.probe();
    } catch (error) {
      const { message, details } = toCniError(error);
      throw new CniError(cniCodes.unavailable, message, details, { cause: error });
    }
  }

  /** Finishes what the plugin wrote down while there was no agent. A note stays until what it says is done. */
  async finishNotes(onError: (error: unknown) => void): Promise<void> {
    for (const { containerId, ifname } of this.#options.notes.list())
      await this.del(containerId, ifname).catch(onError);
  }

  /** Takes away what a DEL that was written down, or an ADD that never ended well, left of an attachment. */
  async #clearTheWay(id: string, containerId: string, ifname: string): Promise<void> {
    const { network, notes } = this.#options;
    const attachment = network.attachment(id);
    const isNoted = notes.has(containerId, ifname);
    if (attachment && !isNoted && (await network.check(id)).length === 0) {
      const where = `${ifname} in ${attachment.netns}`;
      throw new CniError(cniCodes.interfaceExists, `${where} is there already: ADD was done for it`);
    }
    if (attachment || isNoted) await network.detach(id);
    if (isNoted) notes.remove(containerId, ifname);
  }
}
