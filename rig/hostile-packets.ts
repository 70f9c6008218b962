import { encodeQuery } from './dns-query.ts';

const S = 'default.svc.cluster.local';

/** Queries like those that clients send; damaged, they get furthest. */
const queries = [
  encodeQuery(`web.${S}`, 'A', { edns: 1232 }),
  encodeQuery(`web.${S}`, 'AAAA'),
  encodeQuery(`_http._tcp.web.${S}`, 'SRV', { edns: 65_535, dnssecOk: true }),
  encodeQuery('1.0.96.10.in-addr.arpa', 'PTR'),
  encodeQuery('10-244-1-1.default.pod.cluster.local', 'A'),
  encodeQuery('cluster.local', 'SOA', { edns: 0 }),
  encodeQuery('cluster.local', 'AXFR'),
  encodeQuery(`web.${S}`, 'ANY', { edns: 4096 }),
  encodeQuery('version.bind', 'TXT', { class: 'CH' }),
];

/** A header of six words, and what follows. */
function message(words: readonly number[], ...rest: (Buffer | readonly number[])[]): Buffer {
  const header = Buffer.alloc(12);
  words.forEach((word, index) => header.writeUInt16BE(word, index * 2));
  return Buffer.concat([header, ...rest.map((part) => Buffer.from(part))]);
}

const ask = [0x1234, 0x0100, 1, 0, 0, 0] as const;
const askWithOpt = [0x1234, 0x0100, 1, 0, 0, 1] as const;
const typeA = [0, 1, 0, 1] as const;
/** 255 bytes: the longest name there may be, of labels of 63, 63, 63 and 61. */
const longName = Buffer.concat(
  [63, 63, 63, 61].map((length) => Buffer.alloc(1 + length, length)).concat(Buffer.alloc(1)),
);
const manyLabels = Buffer.concat([Buffer.from('\x01a'.repeat(127), 'latin1'), Buffer.alloc(1)]);

/** What has felled DNS servers before. */
export const knownKillers: readonly Buffer[] = [
  // A name that points to itself, at another that points back, forwards, beyond the end, and into its own middle.
  message(ask, [0xc0, 12], typeA),
  message(ask, [0xc0, 14, 0xc0, 12], typeA),
  message(ask, [0xc0, 18], typeA, [0]),
  message(ask, [0xff, 0xff], typeA),
  message(ask, [1, 0x61, 0xc0, 12], typeA),
  // All counts 65535, with nothing, and with something behind them.
  message([1, 0x0100, 65_535, 65_535, 65_535, 65_535]),
  message([1, 0x0100, 65_535, 65_535, 65_535, 65_535], longName, typeA),
  message([1, 0x0100, 1, 0, 0, 65_535], [0], typeA, Buffer.alloc(1000)),
  // The longest names, and one byte more; reserved label types.
  message(ask, longName, typeA),
  message(ask, manyLabels, typeA),
  message(ask, [1, 0x61], longName, typeA),
  message(ask, Buffer.alloc(600, 1), typeA),
  message(ask, [0x40, 1, 0], typeA),
  message(ask, [0x80, 1, 0], typeA),
  message(ask, [64], Buffer.alloc(64, 0x61), [0], typeA),
  // OPT: twice, with an owner, longer than the message, with an option longer than it, of another version.
  message(
    [1, 0x0100, 1, 0, 0, 2],
    [0],
    typeA,
    [0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 0],
    [0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 0],
  ),
  message(askWithOpt, [0], typeA, [1, 0x61, 0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 0]),
  message(askWithOpt, [0], typeA, [0, 0, 41, 4, 0, 0, 0, 0, 0, 0xff, 0xff]),
  message(askWithOpt, [0], typeA, [0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 4, 0, 3, 0xff, 0xff]),
  message(askWithOpt, [0], typeA, [0, 0, 41, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0]),
  // An additional record whose name is a chain of pointers, and one that points at the question's middle.
  message(askWithOpt, [1, 0x61, 0], typeA, [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]),
  message([1, 0x0100, 1, 0, 0, 2], [0], typeA, [0xc0, 17, 0xc0, 17, 0, 41, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
  // An answer, which must not be answered; other opcodes; nothing at all.
  message([1, 0x8180, 1, 0, 0, 0], [0], typeA),
  message([1, 0x2800, 1, 0, 0, 0], [0], typeA),
  message([1, 0x7800, 0, 0, 0, 0]),
  Buffer.alloc(0),
  Buffer.alloc(11),
  Buffer.alloc(12),
  Buffer.alloc(1400, 0xff),
];

/** Numbers of 32 bits that look random and are the same for the same seed (xorshift, Marsaglia 2003). */
function createNumbers(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}

/** Packets without end: noise, damaged queries, and now and then a known killer. The same for the same seed. */
export function* hostilePackets(seed: number): Generator<Buffer, never> {
  const next = createNumbers(seed);
  for (;;) {
    const kind = next() % 16;
    if (kind === 0) yield knownKillers[next() % knownKillers.length] ?? Buffer.alloc(0);
    else if (kind < 5) yield noise(next);
    else yield damaged(next);
  }
}

function noise(next: () => number): Buffer {
  const packet = Buffer.alloc(next() % 512);
  for (let at = 0; at < packet.length; at += 1) packet[at] = next();
  // Half of them get past the header's checks.
  if (packet.length >= 12 && next() % 2 === 0)
    message([next() & 0xffff, 0x0100, 1, 0, 0, next() % 3]).copy(packet);
  return packet;
}

function damaged(next: () => number): Buffer {
  const query = queries[next() % queries.length] ?? Buffer.alloc(12);
  const cut = next() % 4 === 0 ? next() % query.length : query.length;
  const packet = Buffer.from(query.subarray(0, cut));
  for (let hits = next() % 4; hits > 0 && packet.length > 0; hits -= 1)
    packet[next() % packet.length] = next();
  return packet;
}
