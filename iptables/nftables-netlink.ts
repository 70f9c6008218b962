import { decodeElements, ElementBatch, encodeList, findRefused } from '../netns/nf-tables.ts';
import type { SetElement } from '../netns/nf-tables.ts';
import { isErrno, KernelError } from '../netns/kernel-error.ts';
import { decodeAttributes, decodeString } from '../netns/message.ts';
import { KeptSocket } from '../netns/kept-socket.ts';
import { NETLINK_NETFILTER } from '../netns/netlink.ts';
import type { NetlinkSocket, Refusal } from '../netns/netlink.ts';
import { RulesError } from './error.ts';
import { askGeneration } from './generation.ts';
import { tableName } from './nftables-banks.ts';
import { ElementRefusal } from './nftables-door.ts';
import type { Element, Layout, NftDoor, NftTransaction } from './nftables-door.ts';
import { numberBytes } from './nftables-bytes.ts';
import { chainBytes, objectNamed } from './nftables-objects.ts';
import type { NftObject } from './nftables-objects.ts';
import { elementText } from './nftables-text.ts';

/** What a transaction of this size leaves allocated is kept for the next one. */
const keptBytes = 1 << 18;

/**
 * {@link NftDoor} to the real kernel, by netlink: a tenth of a millisecond per change, where running `nft` takes twenty.
 * For the network namespace of its first use.
 */
export class NetlinkDoor implements NftDoor {
  readonly #socket = new KeptSocket({ protocol: NETLINK_NETFILTER });
  #buffer: Buffer | undefined;

  generation(): number | undefined {
    try {
      return this.#socket.use(askGeneration).id;
    } catch (error) {
      if (error instanceof KernelError) return undefined;
      throw error;
    }
  }

  readLayout(): Layout | undefined {
    const sets = this.#list('set');
    if (!sets) return undefined;
    const chains = new Map<string, string>();
    for (const payload of this.#list('chain') ?? []) noteChain(payload, chains);
    for (const payload of this.#list('rule') ?? []) noteRule(payload, chains);
    return { chains, objects: new Set(sets.map(setName)) };
  }

  readElements(object: string, visit: (element: Element) => void): boolean {
    const shape = objectNamed(object);
    const request = encodeList('element', tableName, object);
    const whole = this.#unlessMissing((socket) =>
      socket.visit(request, (payload) => {
        decodeElements(payload, (element) => {
          visit(fromKernel(shape, element));
        });
      }),
    );
    return whole ?? true;
  }

  apply({ removed, added }: NftTransaction): void {
    const batch = new ElementBatch(tableName, this.#buffer);
    for (const element of removed) batch.put('delete', element.object, toKernel(element));
    for (const element of added) batch.put('add', element.object, toKernel(element));
    if (batch.empty) return;
    const bytes = batch.finish();
    this.#buffer = batch.buffer.length > keptBytes ? undefined : batch.buffer;
    let refusals: Refusal[];
    try {
      refusals = this.#socket.use((socket) => socket.commit(bytes));
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      throw new RulesError('REFUSED', error.message, { cause: error });
    }
    const [refusal] = refusals;
    if (refusal) throw explain(refusal, bytes);
  }

  #list(what: 'set' | 'chain' | 'rule'): Buffer[] | undefined {
    return this.#unlessMissing((socket) => socket.dump(encodeList(what, tableName)));
  }

  /** Undefined when what is asked for does not exist. */
  #unlessMissing<T>(ask: (socket: NetlinkSocket) => T): T | undefined {
    try {
      return this.#socket.use(ask);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined;
      throw error;
    }
  }
}

/** Attributes of sets, chains and rules (linux/netfilter/nf_tables.h). */
const NFTA_SET_NAME = 2;
const CHAIN = { table: 1, name: 3, hook: 4, policy: 5, type: 7, flags: 10 } as const;
const RULE = { chain: 2, expressions: 4 } as const;

function setName(payload: Buffer): string {
  return text(decodeAttributes(payload, 4).get(NFTA_SET_NAME));
}

/** The kernel lists the chains of all tables. */
function noteChain(payload: Buffer, chains: Map<string, string>): void {
  const attributes = decodeAttributes(payload, 4);
  if (text(attributes.get(CHAIN.table)) !== tableName) return;
  const parts = [CHAIN.hook, CHAIN.policy, CHAIN.type, CHAIN.flags].map((type) => hex(attributes.get(type)));
  chains.set(text(attributes.get(CHAIN.name)), parts.join(' '));
}

function noteRule(payload: Buffer, chains: Map<string, string>): void {
  const attributes = decodeAttributes(payload, 4);
  const chain = text(attributes.get(RULE.chain));
  chains.set(chain, `${chains.get(chain) ?? ''}\n${hex(attributes.get(RULE.expressions))}`);
}

function text(value: Buffer | undefined): string {
  return value ? decodeString(value) : '';
}

function hex(value: Buffer | undefined): string {
  return value?.toString('hex') ?? '';
}

function toKernel({ object, key, value, comment }: Element): SetElement {
  const shape = objectNamed(object);
  const at = key.length - (shape.form === 'ranges' ? key.length / 2 : shape.form === 'bounds' ? 4 : 0);
  return {
    key: key.subarray(0, at),
    keyEnd: shape.form === 'ranges' ? key.subarray(at) : undefined,
    intervalEnd: shape.form === 'bounds' && key.readUInt32LE(at) === 1,
    ...(shape.value === 'chain' ? { goto: value && decodeString(value) } : { data: value }),
    comment,
  };
}

function fromKernel(shape: NftObject, element: SetElement): Element {
  const { name: object, form, value } = shape;
  const behind =
    form === 'ranges' ? (element.keyEnd ?? element.key) : numberBytes(element.intervalEnd === true ? 1 : 0);
  return {
    object,
    key: form === 'exact' ? Buffer.from(element.key) : Buffer.concat([element.key, behind]),
    value: value === 'chain' ? chainBytes(element.goto ?? '') : element.data && Buffer.from(element.data),
    comment: element.comment,
  };
}

function explain(refusal: Refusal, batch: Buffer): ElementRefusal {
  const found = findRefused(batch, refusal);
  const element = found && fromKernel(objectNamed(found.set), found.element);
  const error = new KernelError(
    'nf_tables',
    refusal.errno,
    element ? elementText(element) : `message ${String(refusal.sequence)} of a transaction`,
    refusal.text,
  );
  return new ElementRefusal(error.message, element, { cause: error });
}
