import packet from 'dns-packet';
import t, { type Test } from 'tap';
import { LoopProbe } from '../../dns/loop-probe.ts';
import { Resolver } from '../../dns/resolver.ts';
import type { UpstreamServer } from '../../dns/upstream.ts';
import { Upstreams } from '../../dns/upstreams.ts';
import { ask, type Reply } from './exchange.ts';
import { EVIL, framed, goodAnswer, lies, randomOf, startUpstream, type Random } from './hostile-upstream.ts';

const CACHE_BYTES = 1 << 20;

interface Fixture {
  readonly resolver: Resolver;
  readonly query: (name: string, type?: string) => Promise<Reply>;
}

function setUp(t: Test, servers: UpstreamServer[], { mixCase = false, timeoutMs = 2000 } = {}): Fixture {
  const upstreams = new Upstreams({ loop: new LoopProbe(), timeoutMs });
  t.teardown(() => upstreams.close());
  upstreams.setPlan({ servers, stubDomains: [], policy: 'sequential', mixCase });
  const resolver = new Resolver({ upstreams, maxCacheBytes: CACHE_BYTES });
  const handler: Parameters<typeof ask>[0] = (query, out) => resolver.handle(query, out);
  return { resolver, query: (name, type = 'A') => ask(handler, name, type, { edns: 1232 }) };
}

function good(query: Buffer): Buffer {
  return packet.encode(goodAnswer(query));
}

function expected(name: string): string[] {
  return [
    `${name}. 60 CNAME one.${name}.`,
    `one.${name}. 60 CNAME two.${name}.`,
    `two.${name}. 60 A 192.0.2.1`,
    `two.${name}. 60 A 192.0.2.2`,
  ];
}

for (const [what, lie] of Object.entries(lies)) {
  t.test(`${what} is passed over, over UDP`, async (t) => {
    const server = await startUpstream(t, { udp: (query) => [lie(query), good(query)] });
    t.strictSame(
      (await setUp(t, [server]).query('a.test')).answer.slice(0, 2),
      expected('a.test').slice(0, 2),
    );
    t.notMatch(await setUp(t, [server]).query('b.test'), EVIL);
  });
}

t.test('what comes over TCP instead of the answer leads to the next server', async (t) => {
  const cut = (query: Buffer): Buffer => {
    const answer = Buffer.from(query.subarray(0, query.indexOf(0, 12) + 5));
    answer.writeUInt16BE(0x8380, 2);
    answer.writeUInt16BE(0, 10);
    return answer;
  };
  const streams: Record<string, (query: Buffer) => { chunks: Buffer[]; end: boolean }> = {
    'a closed connection': () => ({ chunks: [], end: true }),
    'half an answer': (query) => ({ chunks: [framed(good(query)).subarray(0, 40)], end: true }),
    'half an answer, and silence': (query) => ({ chunks: [framed(good(query)).subarray(0, 40)], end: false }),
    'a lie': (query) => ({
      chunks: [framed((lies['another id'] ?? good)(query)), framed(good(query))],
      end: true,
    }),
    'a length of nothing': () => ({ chunks: [Buffer.alloc(2)], end: false }),
    'noise without end': () => ({
      chunks: Array.from({ length: 100 }, () => Buffer.alloc(65536, 0xff)),
      end: false,
    }),
    'cut again': (query) => ({ chunks: [framed(cut(query))], end: false }),
  };
  for (const [what, tcp] of Object.entries(streams)) {
    const bad = await startUpstream(t, { udp: (query) => [cut(query)], tcp });
    const fallback = await startUpstream(t, { udp: (query) => [good(query)] });
    const { query } = setUp(t, [bad, fallback], { timeoutMs: 200 });
    t.strictSame((await query('a.test')).answer.length, 4, what);
  }
  const dripping = await startUpstream(t, {
    udp: (query) => [cut(query)],
    tcp: (query) => ({ chunks: Array.from(framed(good(query)), (byte) => Buffer.from([byte])), end: false }),
  });
  t.equal((await setUp(t, [dripping]).query('a.test')).answer.length, 4, 'byte by byte');
});

t.test('many wrong answers lead to TCP, which nobody can guess at', async (t) => {
  const lie = lies['another id'] ?? good;
  let asked = 0;
  const server = await startUpstream(t, {
    udp: (query) => Array.from({ length: 30 }, () => lie(query)),
    tcp: (query) => {
      asked += 1;
      return { chunks: [framed(good(query))], end: true };
    },
  });
  t.equal((await setUp(t, [server]).query('a.test')).answer.length, 4);
  t.ok(asked > 0);
});

t.test('letters in random case must come back', async (t) => {
  const seen: string[] = [];
  const echoing = await startUpstream(t, {
    udp: (query) => {
      seen.push(query.toString('latin1', 13, 13 + 30));
      // An alias to `one.` and a pointer to the question's name, as it was asked.
      const alias = Buffer.from('c00c000500010000003c0006036f6e65c00c', 'hex');
      const answer = Buffer.concat([query.subarray(0, query.indexOf(0, 12) + 5), alias]);
      answer.writeUInt16BE(0x8180, 2);
      answer.writeUInt16BE(1, 6);
      answer.writeUInt16BE(0, 10);
      return [answer];
    },
  });
  const name = 'abcdefghijklmnopqrstuvwxyzabcd.test';
  const reply = await setUp(t, [echoing], { mixCase: true }).query(name, 'CNAME');
  t.strictSame(reply.answer, expected(name).slice(0, 1), 'and nobody sees them');
  t.ok(seen.some((label) => /[A-Z]/.test(label) && /[a-z]/.test(label)));
  const folding = await startUpstream(t, {
    udp: (query) => {
      const lie = packet.encode({
        ...goodAnswer(query),
        answers: [{ name, type: 'A', ttl: 60, data: EVIL }],
      });
      lie.write(name.slice(0, 30), 13, 'latin1');
      return [lie];
    },
    tcp: (query) => ({ chunks: [framed(good(query))], end: true }),
  });
  const asked = await setUp(t, [folding], { mixCase: true }).query(name);
  t.equal(asked.answer.length, 4, 'over TCP');
  t.notMatch(asked, EVIL);
});

/** Some bytes changed, inserted, removed or repeated, behind the id and the question where `from` says so. */
function mutate(message: Buffer, from: number, random: Random): Buffer {
  let bytes = Buffer.from(message);
  for (let changes = 1 + random(6); changes > 0; changes -= 1) {
    const at = from + random(Math.max(bytes.length - from, 1));
    const tail = bytes.subarray(at);
    const telling = [0, 1, 0x3f, 0x40, 0xc0, 0xc0, 0xff, random(256)][random(8)] ?? 0;
    switch (random(5)) {
      case 0:
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from([telling]), tail]);
        break;
      case 1:
        bytes = Buffer.concat([bytes.subarray(0, at), tail.subarray(1 + random(4))]);
        break;
      case 2:
        bytes = Buffer.concat([bytes, tail]).subarray(0, 65_000);
        break;
      default:
        if (at < bytes.length) bytes[at] = telling;
    }
  }
  return bytes;
}

/** What is wrong with a reply to `name`: a record that does not belong to it. */
function strangersIn({ answer, authority, additional }: Reply, name: string): string[] {
  const owners = new Set([`${name}.`]);
  const strangers = answer.filter((record) => {
    // A mutated name may have spaces in it.
    const [, owner = '', type = '', data = ''] = /^(.*) \d+ ([A-Z]+) (.*)$/s.exec(record) ?? [];
    const belongs = owners.has(owner.toLowerCase()) && (type === 'A' || type === 'CNAME');
    if (belongs && type === 'CNAME') owners.add(data.toLowerCase());
    return !belongs;
  });
  return [...strangers, ...authority.filter((record) => !record.includes(' SOA ')), ...additional];
}

t.test(
  'mutated answers: each is answered or refused, nothing foreign gets through, memory is bounded',
  async (t) => {
    const random = randomOf(20_260);
    const server = await startUpstream(t, {
      udp: (query) => {
        // The rest is found by asking again.
        const from = random(4) === 0 ? 0 : query.indexOf(0, 12) + 5;
        return [mutate(good(query), from, random), ...(random(2) === 0 ? [good(query)] : [])];
      },
      tcp: (query) => ({
        chunks: [mutate(framed(good(query)), random(2) * 14, random)],
        end: random(2) === 0,
      }),
    });
    const { resolver, query } = setUp(t, [server], { timeoutMs: 20 });
    const counts: Record<string, number> = {};
    let next = 0;
    const askSome = async (): Promise<void> => {
      while (next < 2000) {
        const name = `n${next}.test`;
        next += 1;
        const reply = await query(name);
        counts[reply.rcode] = (counts[reply.rcode] ?? 0) + 1;
        const strangers = strangersIn(reply, name);
        if (strangers.length > 0) t.fail(`${name}: ${strangers.join('; ')}`);
      }
    };
    await Promise.all(Array.from({ length: 50 }, askSome));
    t.comment(counts);
    t.ok((counts['NOERROR'] ?? 0) > 500);
    t.ok(resolver.cached.bytes <= CACHE_BYTES);
    const honest = await startUpstream(t, { udp: (query) => [good(query)] });
    t.equal((await setUp(t, [honest]).query('after.test')).answer.length, 4, 'it still works');
  },
);
