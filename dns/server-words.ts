import { OPTION } from './answer-note.ts';
import { skipName } from './question.ts';
import { CLASS_IN, FLAG, HEADER_BYTES, MAX_UDP_BYTES, OPT_BYTES, TYPE } from './wire.ts';

/** A server that was asked who it is, and how it came by its answer. */
export interface ServerWords {
  readonly server: string | undefined;
  /** In the server's own words. */
  readonly source: string | undefined;
}

/** A query that asks also who answers, and how; the name in wire form. */
export function encodeExplainedQuestion(id: number, name: string, type: number): Buffer {
  const asked = [OPTION.NSID, 0, OPTION.EXTENDED_ERROR, 0];
  const packet = Buffer.alloc(HEADER_BYTES + name.length + 4 + OPT_BYTES + asked.length * 2);
  [id, FLAG.RD, 1, 0, 0, 1].forEach((word, index) => packet.writeUInt16BE(word, index * 2));
  let at = HEADER_BYTES + packet.write(name, HEADER_BYTES, 'latin1');
  for (const word of [type, CLASS_IN]) at = packet.writeUInt16BE(word, at);
  // OPT's owner is the root: one byte of zero, which is there already.
  at += 1;
  for (const word of [TYPE.OPT, MAX_UDP_BYTES, 0, 0, asked.length * 2, ...asked])
    at = packet.writeUInt16BE(word, at);
  return packet;
}

/**
 * The words in an answer; nothing where it has none, or is malformed. Walks the records once and follows no pointer.
 */
export function readServerWords(packet: Buffer): ServerWords {
  const options = optionsOf(packet);
  const told = options.get(OPTION.EXTENDED_ERROR);
  return {
    server: options.get(OPTION.NSID)?.toString('utf8'),
    // Two bytes are the code, the rest is text (RFC 8914 section 2).
    source: told && told.length > 2 ? told.toString('utf8', 2) : undefined,
  };
}

function optionsOf(packet: Buffer): Map<number, Buffer> {
  const none = new Map<number, Buffer>();
  if (packet.length < HEADER_BYTES) return none;
  const [questions, ...records] = [4, 6, 8, 10].map((at) => packet.readUInt16BE(at));
  let at = HEADER_BYTES;
  for (let index = 0; index < (questions ?? 0); index += 1) at = skipName(packet, at) + 4;
  for (let left = records.reduce((sum, count) => sum + count, 0); left > 0; left -= 1) {
    const fixed = skipName(packet, at);
    if (fixed < 0 || fixed + 10 > packet.length) return none;
    const end = fixed + 10 + packet.readUInt16BE(fixed + 8);
    if (end > packet.length) return none;
    if (packet.readUInt16BE(fixed) === TYPE.OPT) return optionsIn(packet.subarray(fixed + 10, end));
    at = end;
  }
  return none;
}

function optionsIn(data: Buffer): Map<number, Buffer> {
  const options = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= data.length;) {
    const end = at + 4 + data.readUInt16BE(at + 2);
    options.set(data.readUInt16BE(at), data.subarray(at + 4, end));
    at = end;
  }
  return options;
}
