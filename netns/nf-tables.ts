/**
 * Elements of nf_tables sets and maps on the wire (linux/netfilter/nf_tables.h, nfnetlink.h): written in batches, each of
 * which is one transaction, and read back. Everything else of a ruleset is text for `nft`.
 */
import * as m from './message.ts';
import type { Request } from './message.ts';
import type { Refusal } from './netlink.ts';

export const NFNL_SUBSYS_NFTABLES = 10;
const NFNL_MSG_BATCH_BEGIN = 0x10;
const NFNL_MSG_BATCH_END = 0x11;
const NFPROTO_UNSPEC = 0;
const NFPROTO_INET = 1;
const NFT_MSG = { chain: 4, rule: 7, newElement: 12, element: 13, deleteElement: 14, set: 10 } as const;
/** NFTA_SET_ELEM_LIST_… */
const LIST = { table: 1, set: 2, elements: 3 } as const;
const NFTA_LIST_ELEM = 1;
/** NFTA_SET_ELEM_… */
const ELEM = { key: 1, data: 2, flags: 3, userdata: 6, keyEnd: 10 } as const;
/** NFTA_DATA_… and NFTA_VERDICT_… */
const DATA = { value: 1, verdict: 2, code: 1, chain: 2 } as const;
const NFT_SET_ELEM_INTERVAL_END = 1;
const NFT_GOTO = -4;
/** libnftnl/udata.h: type and length of one byte each, then a text with its NUL. */
const NFTNL_UDATA_SET_ELEM_COMMENT = 0;

const messageHeader = 16;
/** A nested attribute's length has 16 bits: a list of elements goes on in another message before that. */
const maxListBytes = 60_000;
const NESTED = 0x8000;

/** One element of a set or map. */
export interface SetElement {
  readonly key: Uint8Array;
  /** Of a set whose concatenated keys are ranges: the last key of the range. */
  readonly keyEnd?: Uint8Array | undefined;
  /** Of a set of ranges that is no concatenation: the key is the first behind a range. */
  readonly intervalEnd?: boolean;
  readonly data?: Uint8Array | undefined;
  /** Of a verdict map: the chain to go to. */
  readonly goto?: string | undefined;
  /** At most 127 bytes: nft takes no more. */
  readonly comment?: string | undefined;
}

/** Writes a batch into one buffer: the kernel takes a transaction whole, in one send(2). */
export class ElementBatch {
  readonly #table: string;
  #bytes: Buffer;
  #length = 0;
  #sequence = 0;
  /** Where the message and its list of elements start that are being written; which set it is for. */
  #message = 0;
  #list = 0;
  #target = '';

  /** @param reused bytes that a batch before this one does not need any more */
  constructor(table: string, reused: Buffer = Buffer.allocUnsafe(1 << 16)) {
    this.#table = table;
    this.#bytes = reused;
    this.#begin(NFNL_MSG_BATCH_BEGIN, 0);
    this.#writeGeneral(NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES);
    this.#end();
  }

  /** The memory it is written in. */
  get buffer(): Buffer {
    return this.#bytes;
  }

  /** Whether nothing has been put into it. */
  get empty(): boolean {
    return this.#sequence === 1;
  }

  put(verb: 'add' | 'delete', set: string, element: SetElement): void {
    // More than any element needs: two keys and data of 64 bytes each, a comment, a chain's name.
    this.#reserve(1024);
    if (`${verb} ${set}` !== this.#target || this.#length - this.#list > maxListBytes) this.#open(verb, set);
    const start = this.#beginNested(NFTA_LIST_ELEM);
    this.#writeValue(ELEM.key, element.key);
    if (element.keyEnd) this.#writeValue(ELEM.keyEnd, element.keyEnd);
    if (element.intervalEnd === true) this.#writeNumber(ELEM.flags, NFT_SET_ELEM_INTERVAL_END);
    if (verb === 'add') {
      if (element.data) this.#writeValue(ELEM.data, element.data);
      if (element.goto !== undefined) this.#writeGoto(element.goto);
      if (element.comment !== undefined) this.#writeComment(element.comment);
    }
    this.#endNested(start);
  }

  /** The whole batch. It stands in memory that the next batch may be given. */
  finish(): Buffer {
    this.#close();
    this.#reserve(64);
    this.#begin(NFNL_MSG_BATCH_END, 0);
    this.#writeGeneral(NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES);
    this.#end();
    return this.#bytes.subarray(0, this.#length);
  }

  #open(verb: 'add' | 'delete', set: string): void {
    this.#close();
    this.#target = `${verb} ${set}`;
    const type = verb === 'add' ? NFT_MSG.newElement : NFT_MSG.deleteElement;
    this.#begin((NFNL_SUBSYS_NFTABLES << 8) | type, verb === 'add' ? m.NLM_F_CREATE : 0);
    this.#writeGeneral(NFPROTO_INET, 0);
    this.#writeString(LIST.table, this.#table);
    this.#writeString(LIST.set, set);
    this.#list = this.#beginNested(LIST.elements);
  }

  #close(): void {
    if (this.#target === '') return;
    this.#endNested(this.#list);
    this.#end();
    this.#target = '';
  }

  #begin(type: number, flags: number): void {
    this.#message = this.#length;
    this.#bytes.writeUInt16LE(type, this.#length + 4);
    this.#bytes.writeUInt16LE(flags | m.NLM_F_REQUEST, this.#length + 6);
    this.#bytes.writeUInt32LE(++this.#sequence, this.#length + 8);
    this.#bytes.writeUInt32LE(0, this.#length + 12);
    this.#length += messageHeader;
  }

  #end(): void {
    this.#bytes.writeUInt32LE(this.#length - this.#message, this.#message);
  }

  /** struct nfgenmsg */
  #writeGeneral(family: number, resource: number): void {
    this.#bytes[this.#length] = family;
    this.#bytes[this.#length + 1] = 0;
    this.#bytes.writeUInt16BE(resource, this.#length + 2);
    this.#length += 4;
  }

  #beginNested(type: number): number {
    const start = this.#length;
    this.#bytes.writeUInt16LE(type | NESTED, start + 2);
    this.#length += 4;
    return start;
  }

  #endNested(start: number): void {
    this.#bytes.writeUInt16LE(this.#length - start, start);
  }

  #writeAttribute(type: number, value: Uint8Array): void {
    const { length } = value;
    this.#bytes.writeUInt16LE(4 + length, this.#length);
    this.#bytes.writeUInt16LE(type, this.#length + 2);
    const start = this.#length + 4;
    // Most values are so short that a call to copy them costs more.
    for (let index = 0; index < length; index += 1) this.#bytes[start + index] = value[index] ?? 0;
    this.#length = start + length;
    while (this.#length % 4 !== 0) this.#bytes[this.#length++] = 0;
  }

  #writeValue(type: number, value: Uint8Array): void {
    const start = this.#beginNested(type);
    this.#writeAttribute(DATA.value, value);
    this.#endNested(start);
  }

  /** Numbers are in network byte order here, unlike in rtnetlink. */
  #writeNumber(type: number, value: number): void {
    this.#bytes.writeUInt16LE(8, this.#length);
    this.#bytes.writeUInt16LE(type, this.#length + 2);
    this.#bytes.writeInt32BE(value, this.#length + 4);
    this.#length += 8;
  }

  #writeString(type: number, value: string): void {
    this.#writeAttribute(type, Buffer.from(`${value}\0`));
  }

  #writeGoto(chain: string): void {
    const data = this.#beginNested(ELEM.data);
    const verdict = this.#beginNested(DATA.verdict);
    this.#writeNumber(DATA.code, NFT_GOTO);
    this.#writeString(DATA.chain, chain);
    this.#endNested(verdict);
    this.#endNested(data);
  }

  #writeComment(comment: string): void {
    const text = Buffer.from(`${comment}\0`);
    this.#writeAttribute(
      ELEM.userdata,
      Buffer.concat([Buffer.of(NFTNL_UDATA_SET_ELEM_COMMENT, text.length), text]),
    );
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(this.#bytes.length * 2);
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** Asks for all chains, sets or rules of `table`, or for the elements of its set. */
export function encodeList(what: 'chain' | 'rule' | 'set' | 'element', table: string, set?: string): Request {
  const name = set === undefined ? [] : [m.encodeString(LIST.set, set)];
  return {
    type: (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG[what],
    flags: 0,
    // The table's name is attribute 1 of every kind of object.
    payload: Buffer.concat([Buffer.of(NFPROTO_INET, 0, 0, 0), m.encodeString(LIST.table, table), ...name]),
    name: `nf_tables ${what}`,
    about: set ?? table,
  };
}

/** The elements in one answer to {@link encodeList}: views into `payload`. */
export function decodeElements(payload: Buffer, visit: (element: SetElement) => void): void {
  for (const list of attributes(payload, 4, payload.length)) {
    if (list.type !== LIST.elements) continue;
    for (const element of attributes(payload, list.start, list.end)) {
      visit(decodeElement(payload, element.start, element.end));
    }
  }
}

/** The element that a refusal of a batch is about, and its set; undefined when the kernel did not point at one. */
export function findRefused(
  batch: Buffer,
  { sequence, offset }: Refusal,
): { readonly set: string; readonly element: SetElement } | undefined {
  if (offset === undefined) return undefined;
  for (const { sequence: number, payload } of m.decodeMessages(batch)) {
    if (number !== sequence) continue;
    const top = attributes(payload, 4, payload.length);
    const name = top.find(({ type }) => type === LIST.set);
    const list = top.find(({ type }) => type === LIST.elements);
    if (!name || !list) return undefined;
    const at = offset - messageHeader;
    const hit = attributes(payload, list.start, list.end).find(
      ({ start, end }) => start - 4 <= at && at < end,
    );
    if (!hit) return undefined;
    const set = m.decodeString(payload.subarray(name.start, name.end));
    return { set, element: decodeElement(payload, hit.start, hit.end) };
  }
  return undefined;
}

interface Attribute {
  readonly type: number;
  /** Where its value starts and ends. */
  readonly start: number;
  readonly end: number;
}

function attributes(bytes: Buffer, start: number, end: number): Attribute[] {
  const found: Attribute[] = [];
  let offset = start;
  while (offset + 4 <= end) {
    const length = bytes.readUInt16LE(offset);
    if (length < 4 || offset + length > end) throw new RangeError('truncated netlink attribute');
    found.push({
      type: bytes.readUInt16LE(offset + 2) & 0x3fff,
      start: offset + 4,
      end: offset + length,
    });
    offset += (length + 3) & ~3;
  }
  return found;
}

function decodeElement(bytes: Buffer, start: number, end: number): SetElement {
  const element: { -readonly [K in keyof SetElement]: SetElement[K] } = { key: bytes.subarray(0, 0) };
  for (const { type, start: from, end: to } of attributes(bytes, start, end)) {
    if (type === ELEM.key) element.key = decodeValue(bytes, from, to);
    else if (type === ELEM.keyEnd) element.keyEnd = decodeValue(bytes, from, to);
    else if (type === ELEM.userdata) element.comment = decodeComment(bytes, from, to);
    else if (type === ELEM.flags) {
      element.intervalEnd = (bytes.readUInt32BE(from) & NFT_SET_ELEM_INTERVAL_END) !== 0;
    } else if (type === ELEM.data) {
      if ((bytes.readUInt16LE(from + 2) & 0x3fff) === DATA.value) {
        element.data = decodeValue(bytes, from, to);
      } else element.goto = decodeGoto(bytes, from + 4, to);
    }
  }
  return element;
}

/** NFTA_DATA_VALUE is all there is in it. */
function decodeValue(bytes: Buffer, start: number, end: number): Buffer {
  return bytes.subarray(start + 4, Math.min(start + bytes.readUInt16LE(start), end));
}

function decodeGoto(bytes: Buffer, start: number, end: number): string {
  const verdict = m.decodeAttributes(bytes.subarray(start, end));
  const chain = m.decodeString(verdict.get(DATA.chain) ?? Buffer.alloc(0));
  // Any other verdict is none of ours: no chain has such a name.
  return verdict.get(DATA.code)?.readInt32BE(0) === NFT_GOTO ? chain : `not goto ${chain}`;
}

function decodeComment(bytes: Buffer, start: number, end: number): string | undefined {
  for (let offset = start; offset + 2 <= end; offset += 2 + (bytes[offset + 1] ?? 0)) {
    if (bytes[offset] !== NFTNL_UDATA_SET_ELEM_COMMENT) continue;
    return m.decodeString(bytes.subarray(offset + 2, Math.min(offset + 2 + (bytes[offset + 1] ?? 0), end)));
  }
  return undefined;
}
