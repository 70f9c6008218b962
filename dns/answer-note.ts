import { HEADER_BYTES, OPT_BYTES, TYPE } from './wire.ts';

/** Options of EDNS (IANA's DNS EDNS0 Option Codes) that tell an operator who answered, and how. */
export const OPTION = {
  /** The server's name for itself (RFC 5001); asked for by an empty one. */
  NSID: 3,
  /** A code and a sentence about the answer (RFC 8914). We tell it to who sends an empty one. */
  EXTENDED_ERROR: 15,
} as const;

/** How an answer came about; only made for who asks. */
export interface AnswerNote {
  /** Of IANA's Extended DNS Error Codes (RFC 8914 section 5.2). */
  code: number;
  /** One sentence without its full stop. */
  source: string;
}

/** Codes that say more than their text. */
export const NOTE = { OTHER: 0, STALE: 3, NOT_READY: 14, PROHIBITED: 18, NO_UPSTREAM: 22 } as const;

/** Fills in a note; where nobody asks there is none, and `source` is not made. */
export function takeNote(
  { note }: { readonly note: AnswerNote | undefined },
  code: number,
  source: () => string,
): void {
  if (!note) return;
  note.code = code;
  note.source = source();
}

/** Whether an option of a query asks who answers and how. */
export function asksForNote(option: number): boolean {
  return option === OPTION.NSID || option === OPTION.EXTENDED_ERROR;
}

/** An answer's OPT record, which is its last, before anything is put into it (dns/answer.ts). */
const OPT_WITHOUT_OPTIONS = { type: OPT_BYTES - 1, length: 2 } as const;

/**
 * Puts who answered, and how, behind the answer of `length` bytes in `out`, as far as there is room up to `limit`.
 * Returns the new length.
 */
export function appendNote(
  out: Buffer,
  length: number,
  limit: number,
  server: string,
  { code, source }: AnswerNote,
): number {
  const lengthAt = length - OPT_WITHOUT_OPTIONS.length;
  const hasOpt =
    length >= HEADER_BYTES + OPT_BYTES &&
    out.readUInt16BE(length - OPT_WITHOUT_OPTIONS.type) === TYPE.OPT &&
    out.readUInt16BE(lengthAt) === 0;
  if (!hasOpt) return length;
  let end = length;
  const room = Math.min(limit, out.length);
  for (const [option, data] of [
    [OPTION.NSID, Buffer.from(server)],
    [OPTION.EXTENDED_ERROR, Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(source)])],
  ] as const) {
    if (end + 4 + data.length > room) break;
    end = out.writeUInt16BE(data.length, out.writeUInt16BE(option, end));
    end += data.copy(out, end);
  }
  out.writeUInt16BE(end - length, lengthAt);
  return end;
}
