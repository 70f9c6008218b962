import { StreamError } from './stream-error.ts';

// Frames of SPDY/3.1 (draft-mbelshe-httpbis-spdy-00 section 2.2): eight bytes of header, then up to 16 MB.

export const frameType = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

/** Status of RST_STREAM. */
export const resetStatus = { protocolError: 1, invalidStream: 2, refusedStream: 3, cancel: 5 } as const;

export const flagFin = 0x01;

export type SpdyFrame =
  | { readonly kind: 'data'; readonly streamId: number; readonly fin: boolean; readonly data: Buffer }
  | { readonly kind: 'control'; readonly type: number; readonly flags: number; readonly body: Buffer };

/** Larger frames are refused: spdystream sends at most 64 KB or so per frame, and frames are held in memory. */
const maxFrameBytes = 4 * 1024 * 1024;

/** Cuts a byte stream into frames; chunks may end anywhere. */
export class SpdyFrameParser {
  #chunks: Buffer[] = [];
  #length = 0;
  /** Bytes needed before the next frame can be complete: saves joining chunks over and over. */
  #needed = 8;

  /** The frames completed by `chunk`. Throws StreamError on a frame that is too long or of another version. */
  *push(chunk: Buffer): Generator<SpdyFrame> {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    if (this.#length < this.#needed) return;
    let buffer = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    this.#needed = 8;
    while (buffer.length >= 8) {
      const length = buffer.readUIntBE(5, 3);
      if (length > maxFrameBytes) throw new StreamError(400, `SPDY frame of ${length} bytes is too long`);
      this.#needed = 8 + length;
      if (buffer.length < this.#needed) break;
      yield decodeFrame(buffer.subarray(0, this.#needed));
      buffer = buffer.subarray(this.#needed);
      this.#needed = 8;
    }
    this.#chunks = buffer.length > 0 ? [buffer] : [];
    this.#length = buffer.length;
  }
}

function decodeFrame(frame: Buffer): SpdyFrame {
  const flags = frame.readUInt8(4);
  const body = frame.subarray(8);
  const first = frame.readUInt32BE(0);
  if (first < 0x80000000) return { kind: 'data', streamId: first, fin: (flags & flagFin) !== 0, data: body };
  const version = (first >>> 16) & 0x7fff;
  if (version !== 3) throw new StreamError(400, `SPDY version ${version} is not ours`);
  return { kind: 'control', type: first & 0xffff, flags, body };
}

/** The eight bytes before a data frame's payload. */
export function encodeDataHeader(streamId: number, fin: boolean, length: number): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(streamId, 0);
  header.writeUInt32BE(length, 4);
  header.writeUInt8(fin ? flagFin : 0, 4);
  return header;
}

export function encodeControl(type: number, flags: number, body: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(0x8003, 0);
  header.writeUInt16BE(type, 2);
  header.writeUInt32BE(body.length, 4);
  header.writeUInt8(flags, 4);
  return Buffer.concat([header, body]);
}

/** A control frame whose body is a few 32-bit words: RST_STREAM, PING, GOAWAY. */
export function encodeWords(type: number, ...words: number[]): Buffer {
  const body = Buffer.alloc(4 * words.length);
  words.forEach((word, index) => body.writeUInt32BE(word, 4 * index));
  return encodeControl(type, 0, body);
}
