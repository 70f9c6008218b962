import t from 'tap';
import { Resolver } from '../../dns/resolver.ts';
import { Responder } from '../../dns/responder.ts';
import type { Question } from '../../dns/upstream.ts';
import { encodeName } from '../../dns/names.ts';
import { encodeExplainedQuestion, readServerWords } from '../../dns/server-words.ts';
import { TYPE } from '../../dns/wire.ts';
import { createZone, handlerOf, setService } from './cluster.ts';
import { encodeQuery } from '../../rig/dns-query.ts';
import { readReply } from './exchange.ts';

const client = new Uint8Array([127, 0, 0, 1]);

/** What a server called node1 answers to a message. */
async function respond(message: Buffer, synced = true, limit = 65_535): Promise<Buffer> {
  const zone = createZone();
  setService(zone, 'web', { clusterIP: '10.96.0.7', ports: [{ port: 80 }] });
  const responder = new Responder({
    handler: handlerOf(zone, { synced: () => synced }),
    serverName: 'node1',
  });
  const out = Buffer.alloc(limit);
  const result = responder.respond(message, 'udp', client, out);
  return typeof result === 'number' ? out.subarray(0, result) : Buffer.from(await result);
}

function explained(name: string, type: keyof typeof TYPE): Buffer {
  return encodeExplainedQuestion(7, encodeName(name), TYPE[type]);
}

t.test('who answers and how is told to who asks', async (t) => {
  const answer = await respond(explained('web.default.svc.cluster.local', 'A'));
  t.match(readReply(answer), {
    rcode: 'NOERROR',
    answer: ['web.default.svc.cluster.local. 5 A 10.96.0.7'],
    edns: 1232,
  });
  t.strictSame(readServerWords(answer), { server: 'node1', source: "answered from the cluster's names" });
  const rows = [
    [await respond(explained('no.default.svc.cluster.local', 'A')), 'NXDOMAIN', /from the cluster's names/],
    [
      await respond(explained('web.default.svc.cluster.local', 'A'), false),
      'SERVFAIL',
      /not all of the cluster/,
    ],
    [await respond(explained('web.default.svc.cluster.local', 'IXFR')), 'REFUSED', /transfers/],
    [await respond(explained('example.org', 'A')), 'SERVFAIL', /no upstream DNS server is known/],
  ] as const;
  for (const [bytes, rcode, source] of rows) {
    t.equal(readReply(bytes).rcode, rcode);
    t.match(readServerWords(bytes), { server: 'node1', source });
  }
});

t.test('the cache and upstream servers are told of', async (t) => {
  let now = 0;
  const upstreams = {
    ask: ({ name, type }: Question) =>
      Promise.resolve({
        ...{ id: 1, flags: 0x8180, rcode: 0, class: 1, name, type, authority: [], additional: [] },
        answer: [{ name, type, ttlSeconds: 60, data: '\x01\x02\x03\x04' }],
        server: '192.0.2.53:53',
      }),
    isHealthy: () => false,
  };
  const resolver = new Resolver({ upstreams, now: () => now });
  const responder = new Responder({
    handler: (query, out) => resolver.handle(query, out),
    serverName: 'node1',
  });
  const source = async (seconds: number): Promise<string | undefined> => {
    now = seconds;
    const out = Buffer.alloc(1232);
    const result = responder.respond(explained('example.org', 'A'), 'udp', client, out);
    return readServerWords(typeof result === 'number' ? out.subarray(0, result) : Buffer.from(await result))
      .source;
  };
  t.equal(await source(0), 'asked the upstream server 192.0.2.53:53');
  t.equal(await source(12), 'answered from its cache, where it has been for 12 s');
  t.match(
    await source(100),
    /^answered from its cache with what is old, of 100 s ago: upstream servers have no/,
  );
});

t.test('nobody else is told, and there must be room', async (t) => {
  for (const options of [{}, { edns: 1232 }]) {
    const plain = await respond(encodeQuery('web.default.svc.cluster.local', 'A', options));
    t.strictSame(readServerWords(plain), { server: undefined, source: undefined });
  }
  const question = explained('web.default.svc.cluster.local', 'A');
  const whole = await respond(question);
  const short = await respond(question, true, whole.length - 1);
  t.strictSame(readServerWords(short), { server: 'node1', source: undefined }, 'the sentence does not fit');
  t.equal(readReply(short).rcode, 'NOERROR');
});

t.test('an answer that is malformed has no words', (t) => {
  const bad = Buffer.from('000081800001000000000001', 'hex');
  for (let length = 0; length <= bad.length; length += 1) {
    t.strictSame(readServerWords(bad.subarray(0, length)), { server: undefined, source: undefined });
  }
  t.end();
});
