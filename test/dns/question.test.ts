import t from 'tap';
import { copyQuery, createQuery, parseQuery, skipName, type Verdict } from '../../dns/question.ts';
import { Responder } from '../../dns/responder.ts';
import { writeError } from '../../dns/answer.ts';
import { createZone, handlerOf, setService } from './cluster.ts';
import { encodeQuery } from '../../rig/dns-query.ts';
import { client } from './exchange.ts';

/** A header: id, flags, counts. */
function header(...words: number[]): Buffer {
  const bytes = Buffer.alloc(12);
  words.forEach((word, index) => bytes.writeUInt16BE(word, index * 2));
  return bytes;
}

function query(...parts: (Buffer | number[] | string)[]): Buffer {
  return Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))),
  );
}

const ONE = [1, 0x0100, 1, 0, 0, 0];
const A_IN = [0, 1, 0, 1];
const OPT = [0, 0, 41, 0x10, 0, 0, 0, 0x80, 0, 0, 0];

t.test('a query is read field by field', (t) => {
  const parsed = createQuery();
  const packet = encodeQuery('WWW.Example.test', 'AAAA', { edns: 4096, dnssecOk: true, id: 77 });
  t.equal(parseQuery(packet, 'udp', parsed), 'query');
  t.match(parsed, {
    id: 77,
    name: '\x03www\x07example\x04test\0',
    type: 28,
    class: 1,
    questionEnd: 12 + 18 + 4,
    labels: 3,
    edns: true,
    ednsVersion: 0,
    dnssecOk: true,
    limit: 1232,
  });
  t.strictSame([...parsed.labelStarts.subarray(0, 3)], [0, 4, 12]);
  const copy = copyQuery(parsed);
  t.equal(parseQuery(encodeQuery('other.test', 'A'), 'tcp', parsed), 'query');
  t.match(copy, { id: 77, name: '\x03www\x07example\x04test\0', limit: 1232 }, 'a copy stays');
  t.match(
    parsed,
    { edns: false, dnssecOk: false, limit: 65535, labels: 2 },
    'nothing is left of the one before',
  );
  t.end();
});

t.test('the client says how much it takes, within limits', (t) => {
  const sizes: [edns: number | undefined, limit: number][] = [
    [undefined, 512],
    [1, 512],
    [511, 512],
    [800, 800],
    [1232, 1232],
    [65535, 1232],
  ];
  for (const [edns, limit] of sizes) {
    const parsed = createQuery();
    parseQuery(encodeQuery('a.test', 'A', edns === undefined ? {} : { edns }), 'udp', parsed);
    t.equal(parsed.limit, limit, String(edns));
  }
  t.end();
});

t.test('messages that are no proper query', (t) => {
  const long = `${`\x3f${'x'.repeat(63)}`.repeat(3)}\x3d${'x'.repeat(61)}\0`;
  const table: [what: string, packet: Buffer, verdict: Verdict][] = [
    ['empty', query([]), 'drop'],
    ['eleven bytes', query(header(...ONE).subarray(0, 11)), 'drop'],
    ['an answer', query(header(1, 0x8180, 1), '\x01a\0', A_IN), 'drop'],
    ['an answer with another opcode', query(header(1, 0xa800, 1), '\x01a\0', A_IN), 'drop'],
    ['header only', query(header(...ONE)), 'formerr'],
    ['no question', query(header(1, 0x0100, 0)), 'formerr'],
    ['two questions', query(header(1, 0x0100, 2), '\x01a\0', A_IN, '\x01a\0', A_IN), 'formerr'],
    ['all counts 65535', query(header(1, 0x0100, 65535, 65535, 65535, 65535)), 'formerr'],
    [
      'one question, other counts 65535',
      query(header(1, 0, 1, 65535, 65535, 65535), '\x01a\0', A_IN),
      'formerr',
    ],
    ['an answer record', query(header(1, 0, 1, 1), '\x01a\0', A_IN), 'formerr'],
    ['status', query(header(1, 0x1000, 1), '\x01a\0', A_IN), 'notimp'],
    ['update', query(header(1, 0x2800, 65535, 65535, 65535, 65535)), 'notimp'],
    ['opcode 15', query(header(1, 0x7800)), 'notimp'],
    ['pointer to itself', query(header(...ONE), [0xc0, 12], A_IN), 'formerr'],
    ['pointer to the header', query(header(...ONE), [0xc0, 0], A_IN), 'formerr'],
    ['pointer behind a label', query(header(...ONE), '\x01a', [0xc0, 12], A_IN), 'formerr'],
    ['label kind 01', query(header(...ONE), [0x40, 0], A_IN), 'formerr'],
    ['label kind 10', query(header(...ONE), [0x80, 0], A_IN), 'formerr'],
    ['label beyond the end', query(header(...ONE), '\x3fabc'), 'formerr'],
    ['no root', query(header(...ONE), '\x01a'), 'formerr'],
    ['no type', query(header(...ONE), '\x01a\0'), 'formerr'],
    ['half a class', query(header(...ONE), '\x01a\0', [0, 1, 0]), 'formerr'],
    ['255 bytes of name', query(header(...ONE), long, A_IN), 'query'],
    ['256 bytes of name', query(header(...ONE), `\x01x${long}`, A_IN), 'formerr'],
    ['128 labels', query(header(...ONE), '\x01x'.repeat(128), [0], A_IN), 'formerr'],
    ['127 labels', query(header(...ONE), '\x01x'.repeat(127), [0], A_IN), 'query'],
    ['root', query(header(...ONE), [0], A_IN), 'query'],
    ['OPT', query(header(1, 0, 1, 0, 0, 1), '\x01a\0', A_IN, OPT), 'query'],
    ['OPT missing', query(header(1, 0, 1, 0, 0, 1), '\x01a\0', A_IN), 'formerr'],
    ['OPT cut off', query(header(1, 0, 1, 0, 0, 1), '\x01a\0', A_IN, OPT.slice(0, -1)), 'formerr'],
    ['OPT twice', query(header(1, 0, 1, 0, 0, 2), '\x01a\0', A_IN, OPT, OPT), 'formerr'],
    ['OPT with a name', query(header(1, 0, 1, 0, 0, 1), '\x01a\0', A_IN, '\x01a', OPT), 'formerr'],
    [
      'OPT with a pointer as name',
      query(header(1, 0, 1, 0, 0, 1), '\x01a\0', A_IN, [0xc0, 12], OPT.slice(1)),
      'formerr',
    ],
    [
      'OPT longer than the message',
      query(header(1, 0, 1, 0, 0, 1), '\x01a\0', A_IN, OPT.with(10, 4)),
      'formerr',
    ],
    [
      'option longer than OPT',
      query(header(1, 0, 1, 0, 0, 1), '\x01a\0', A_IN, OPT.with(10, 4), [0, 10, 0, 1]),
      'formerr',
    ],
    [
      'a client cookie',
      query(
        header(1, 0, 1, 0, 0, 1),
        '\x01a\0',
        A_IN,
        OPT.with(10, 12),
        [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8],
      ),
      'query',
    ],
    ['EDNS version 1', query(header(1, 0, 1, 0, 0, 1), '\x01a\0', A_IN, OPT.with(6, 1)), 'badvers'],
    ['three additional records', query(header(1, 0, 1, 0, 0, 3), '\x01a\0', A_IN, OPT, OPT, OPT), 'formerr'],
  ];
  for (const [what, packet, verdict] of table) {
    for (const protocol of ['udp', 'tcp'] as const) {
      t.equal(parseQuery(packet, protocol, createQuery()), verdict, what);
    }
  }
  t.end();
});

t.test('refusals echo id and opcode and nothing that was not read', (t) => {
  const responder = new Responder({ handler: (q, out) => writeError(q, 0, 0, out) });
  const out = Buffer.alloc(512);
  const answerTo = (packet: Buffer): string => {
    const length = responder.respond(packet, 'udp', client, out);
    return typeof length === 'number' ? out.subarray(0, length).toString('hex') : 'later';
  };
  t.equal(answerTo(header(0xabcd, 0x0100, 1, 65535)), 'abcd81010000000000000000', 'FORMERR');
  t.equal(answerTo(header(0xabcd, 0x2900, 1)), 'abcda9040000000000000000', 'NOTIMP');
  const badVersion = query(header(0xabcd, 0, 1, 0, 0, 1), '\x01a\0', A_IN, OPT.with(6, 1));
  t.equal(
    answerTo(badVersion),
    'abcd80000001000000000001' + '0161000001' + '0001' + '00002904d0' + '01' + '00' + '8000' + '0000',
    'BADVERS: its upper bits are in OPT, with our version',
  );
  t.equal(answerTo(header(1, 0x8000)), '', 'an answer gets none');
  t.end();
});

t.test('skipName follows no pointer and accepts none forwards', (t) => {
  t.equal(skipName(Buffer.from('\x01a\0', 'latin1'), 0), 3);
  t.equal(skipName(Buffer.from('\x01a\0\x01b\xc0\0', 'latin1'), 3), 7);
  t.equal(skipName(Buffer.from('\xc0\0', 'latin1'), 0), -1);
  t.equal(skipName(Buffer.from('\x01a\xc0', 'latin1'), 0), -1);
  t.equal(skipName(Buffer.from([]), 0), -1);
  t.end();
});

/** Mulberry32: the same bytes in each run. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** The whole path from bytes to bytes. */
function createTarget() {
  const zone = createZone({ pods: 'insecure' });
  zone.setNamespace('default', true);
  setService(zone, 'web', { clusterIP: '10.96.1.1', ports: [{ name: 'http', port: 80 }] });
  const errors: unknown[] = [];
  const responder = new Responder({ handler: handlerOf(zone), onError: (error) => errors.push(error) });
  // Larger than any answer over UDP: what is written beyond the limit shows.
  const out = Buffer.alloc(4096);
  const respond = (packet: Buffer): void => {
    out.fill(0xee, 1232);
    const length = responder.respond(packet, 'udp', client, out);
    if (typeof length !== 'number') return;
    if (length > 1232 || out.subarray(1232).some((byte) => byte !== 0xee))
      throw new Error(packet.toString('hex'));
    if (length > 0 && (length < 12 || out.readUInt16BE(0) !== packet.readUInt16BE(0)))
      throw new Error('no answer');
  };
  return { respond, errors };
}

t.test('a query cut off at each byte, and with each byte changed', (t) => {
  const { respond } = createTarget();
  for (const name of [
    'web.default.svc.cluster.local',
    '_http._tcp.web.default.svc.cluster.local',
    '1.1.96.10.in-addr.arpa',
  ]) {
    for (const type of ['A', 'SRV', 'PTR', 'ANY']) {
      const packet = encodeQuery(name, type, { edns: 1232 });
      for (let length = 0; length < packet.length; length += 1) {
        t.ok(
          parseQuery(packet.subarray(0, length), 'udp', createQuery()) !== 'query',
          `${name} cut at ${length}`,
        );
        respond(packet.subarray(0, length));
      }
      for (let at = 0; at < packet.length; at += 1) {
        for (const value of [0, 1, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff]) {
          const changed = Buffer.from(packet);
          changed[at] = value;
          respond(changed);
        }
      }
    }
  }
  t.end();
});

t.test('what is no proper query takes no memory', (t) => {
  const query = createQuery();
  const good = encodeQuery('www.example.com', 'A', { edns: 1232 });
  const bad: Buffer[] = [];
  // Cut off anywhere, and with each byte that makes it improper.
  for (let length = 0; length < good.length; length += 1) bad.push(good.subarray(0, length));
  for (let at = 0; at < good.length; at += 1) {
    for (const byte of [0x3f, 0x80, 0xc0, 0xff]) {
      const packet = Buffer.from(good);
      packet[at] = byte;
      if (['drop', 'formerr', 'notimp'].includes(parseQuery(packet, 'udp', query))) bad.push(packet);
    }
  }
  const parseAll = (rounds: number): void => {
    for (let round = 0; round < rounds; round += 1)
      for (const packet of bad) parseQuery(packet, 'udp', query);
  };
  // Until it is compiled, the engine takes memory for itself.
  parseAll(2000);
  const rounds = 2000;
  const before = process.memoryUsage().heapUsed;
  parseAll(rounds);
  const bytes = (process.memoryUsage().heapUsed - before) / (rounds * bad.length);
  t.ok(bad.length > 100);
  // The least that an object takes is 16 bytes.
  t.ok(bytes < 4, `${bytes} bytes for each`);
  t.end();
});

t.test('100 000 packets of noise and of damaged queries', (t) => {
  const { respond, errors } = createTarget();
  const random = createRandom(20_240_229);
  const good = encodeQuery('web.default.svc.cluster.local', 'A', { edns: 1232 });
  for (let round = 0; round < 50_000; round += 1) {
    const noise = Buffer.alloc(random() % 300);
    for (let at = 0; at < noise.length; at += 1) noise[at] = random();
    // Half of them get past the header's checks.
    if (round % 2 === 0 && noise.length >= 12)
      header(round & 0xffff, 0x0100, 1, 0, 0, random() % 3).copy(noise);
    respond(noise);
    const damaged = Buffer.from(good.subarray(0, 12 + (random() % good.length)));
    for (let hits = 0; hits < 3; hits += 1) damaged[random() % damaged.length] = random();
    respond(damaged);
  }
  t.ok(
    errors.every((error) => error instanceof Error && error.name === 'DnsError'),
    'only upstream servers were missed',
  );
  t.end();
});
