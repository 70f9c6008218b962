import { asksForNote, type AnswerNote } from './answer-note.ts';
import {
  CLASS_IN,
  FLAG,
  HEADER_BYTES,
  MAX_LABEL_BYTES,
  MAX_MESSAGE_BYTES,
  MAX_NAME_BYTES,
  MAX_UDP_BYTES,
  OPCODE_QUERY,
  PLAIN_UDP_BYTES,
  RCODE,
  TYPE,
} from './wire.ts';

/** A readable query. One object is used again and again: see {@link copyQuery}. */
export interface Query {
  /** The message as it came. */
  packet: Buffer;
  id: number;
  /** The header's flag word. */
  flags: number;
  /** The question's name, ASCII letters in lower case, in wire form (dns/names.ts). */
  name: string;
  type: number;
  class: number;
  /** Where the question ends in {@link packet}. */
  questionEnd: number;
  /** Labels of the name without the root, and where each starts in {@link name}. */
  labels: number;
  readonly labelStarts: Uint8Array;
  /** Whether the client speaks EDNS (RFC 6891), its version, and whether it asks for DNSSEC records. */
  edns: boolean;
  ednsVersion: number;
  dnssecOk: boolean;
  /** The largest answer the client takes over this transport, in bytes. */
  limit: number;
  /** The address of whoever asks, 4 or 16 bytes; none where nobody does. */
  client: Uint8Array;
  /** For who asks how the answer came about, and who gave it: to be filled in. */
  note: AnswerNote | undefined;
}

export type Protocol = 'udp' | 'tcp';

/** What {@link parseQuery} found: a query to answer, a message to drop, or one to refuse with an error code. */
export type Verdict = 'query' | 'drop' | 'formerr' | 'notimp' | 'badvers';

/** Fewer than 128 labels fit into 255 bytes. */
export const MAX_LABELS = 128;
/** OPT and a signature (TSIG or SIG(0)); CoreDNS's library takes as many. */
const MAX_ADDITIONAL = 2;

/** The name's bytes on their way into a string; only used inside one call. */
const lowered = Buffer.alloc(MAX_NAME_BYTES);

const noNote: AnswerNote = { code: 0, source: '' };
const noPacket = Buffer.alloc(0);

/** A query object for {@link parseQuery} to fill. */
export function createQuery(): Query {
  return {
    packet: noPacket,
    id: 0,
    flags: 0,
    name: '',
    type: 0,
    class: CLASS_IN,
    questionEnd: HEADER_BYTES,
    labels: 0,
    labelStarts: new Uint8Array(MAX_LABELS),
    edns: false,
    ednsVersion: 0,
    dnssecOk: false,
    limit: PLAIN_UDP_BYTES,
    client: noPacket,
    note: undefined,
  };
}

/** A query that stays as it is while the original is filled anew. */
export function copyQuery(query: Query): Query {
  return {
    ...query,
    packet: Buffer.from(query.packet),
    labelStarts: query.labelStarts.slice(0, query.labels),
    // Not slice(): a Buffer's shares its memory, which holds the next client by then.
    client: Uint8Array.from(query.client),
  };
}

/**
 * Reads a message from a client into `query`. Reads each byte at most twice, follows no pointer, and makes one
 * string, only for a message that is well-formed as a whole: hostile input costs next to nothing and no memory.
 *
 * `drop`: too short to answer, or itself an answer. `formerr`, `notimp`: the header (id, flags) is filled in.
 * `badvers`: everything is.
 */
export function parseQuery(packet: Buffer, protocol: Protocol, query: Query): Verdict {
  if (packet.length < HEADER_BYTES) return 'drop';
  query.packet = packet;
  query.id = word(packet, 0);
  query.flags = word(packet, 2);
  query.questionEnd = HEADER_BYTES;
  query.edns = false;
  query.ednsVersion = 0;
  query.dnssecOk = false;
  query.note = undefined;
  query.limit = protocol === 'tcp' ? MAX_MESSAGE_BYTES : PLAIN_UDP_BYTES;
  if ((query.flags & FLAG.QR) !== 0) return 'drop';
  if (((query.flags >> 11) & 15) !== OPCODE_QUERY) return 'notimp';
  // One question, no answers, no authority (RFC 9619); more is either an error or an attack.
  if (word(packet, 4) !== 1 || word(packet, 6) !== 0 || word(packet, 8) !== 0) return 'formerr';
  const additional = word(packet, 10);
  if (additional > MAX_ADDITIONAL) return 'formerr';
  if (!parseQuestion(packet, query)) return 'formerr';
  if (additional > 0 && !parseAdditional(packet, additional, protocol, query)) return 'formerr';
  takeMemory(packet, query);
  return query.ednsVersion > 0 ? 'badvers' : 'query';
}

/** What is only made for a well-formed message. */
function takeMemory(packet: Buffer, query: Query): void {
  query.name = lowerName(packet, HEADER_BYTES, query.questionEnd - 4);
  if (query.note) query.note = { ...noNote };
}

/** Reads type and class, and where the labels of the name are; returns false where they are malformed or cut off. */
function parseQuestion(packet: Buffer, query: Query): boolean {
  let at = HEADER_BYTES;
  let labels = 0;
  for (;;) {
    const length = packet[at];
    if (length === undefined) return false;
    if (length === 0) break;
    // Also refuses pointers (RFC 1035 section 4.1.4): nothing comes before the first name that it could point to.
    if (length > MAX_LABEL_BYTES) return false;
    query.labelStarts[labels] = at - HEADER_BYTES;
    labels += 1;
    at += 1 + length;
    if (at - HEADER_BYTES >= MAX_NAME_BYTES) return false;
  }
  at += 1;
  if (at + 4 > packet.length) return false;
  query.labels = labels;
  query.type = word(packet, at);
  query.class = word(packet, at + 2);
  query.questionEnd = at + 4;
  return true;
}

/** Length bytes are below 64 and letters above: the whole name can be folded without looking at its labels. */
function lowerName(packet: Buffer, start: number, end: number): string {
  for (let at = start; at < end; at += 1) {
    const byte = packet[at] ?? 0;
    lowered[at - start] = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
  }
  return lowered.toString('latin1', 0, end - start);
}

/** Looks for OPT among the additional records (RFC 6891 section 6.1); returns false where they are malformed. */
function parseAdditional(packet: Buffer, count: number, protocol: Protocol, query: Query): boolean {
  let at = query.questionEnd;
  for (let index = 0; index < count; index += 1) {
    const owner = at;
    at = skipName(packet, at);
    if (at < 0 || at + 10 > packet.length) return false;
    const next = at + 10 + word(packet, at + 8);
    if (next > packet.length) return false;
    if (word(packet, at) === TYPE.OPT) {
      if (query.edns || packet[owner] !== 0) return false;
      if (!readOptions(packet, at + 10, next, query)) return false;
      query.edns = true;
      query.ednsVersion = packet[at + 5] ?? 0;
      query.dnssecOk = ((packet[at + 6] ?? 0) & 0x80) !== 0;
      if (protocol === 'udp') {
        query.limit = Math.min(Math.max(word(packet, at + 2), PLAIN_UDP_BYTES), MAX_UDP_BYTES);
      }
    }
    at = next;
  }
  return true;
}

/** Looks for options that concern us; returns false where they do not end where the OPT record does. */
function readOptions(packet: Buffer, start: number, end: number, query: Query): boolean {
  let at = start;
  while (at < end) {
    if (at + 4 > end) return false;
    if (asksForNote(word(packet, at))) query.note = noNote;
    at += 4 + word(packet, at + 2);
  }
  return at === end;
}

/**
 * The offset behind the name at `at`, or -1 where it is malformed. A pointer ends a name and is not followed;
 * it must point backwards, which rules out loops for whoever follows it.
 */
export function skipName(packet: Uint8Array, start: number): number {
  let at = start;
  for (;;) {
    const length = packet[at];
    if (length === undefined) return -1;
    if (length === 0) return at + 1;
    if (length >= 0xc0) {
      const low = packet[at + 1];
      if (low === undefined || (((length & 0x3f) << 8) | low) >= start) return -1;
      return at + 2;
    }
    if (length > MAX_LABEL_BYTES) return -1;
    at += 1 + length;
    if (at - start >= MAX_NAME_BYTES) return -1;
  }
}

function word(packet: Uint8Array, at: number): number {
  return ((packet[at] ?? 0) << 8) | (packet[at + 1] ?? 0);
}

/** The response code to refuse a message with. */
export const refusals = {
  formerr: RCODE.FORMERR,
  notimp: RCODE.NOTIMP,
  badvers: RCODE.BADVERS,
} as const satisfies Partial<Record<Verdict, number>>;
