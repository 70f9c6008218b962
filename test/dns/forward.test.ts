import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { encodeName } from '../../dns/names.ts';
import { Forwarder, type ForwarderOptions } from '../../dns/forward.ts';
import type { Handler } from '../../dns/handler.ts';
import { LoopProbe, markedAnswer } from '../../dns/loop-probe.ts';
import { renderRecord } from '../../dns/records.ts';
import { startDnsServer } from '../../dns/server.ts';
import { staticZone } from '../../dns/static-zone.ts';
import { encodeQuestion, type UpstreamServer } from '../../dns/upstream.ts';
import { writeAnswer, writeError } from '../../dns/answer.ts';
import { readReply } from './exchange.ts';

const question = { name: encodeName('www.example.test'), type: 1, dnssecOk: false, checkingDisabled: false };
const zone = staticZone({ 'www.example.test': ['A 192.0.2.1'] });

async function upstream(t: Test, handler: Handler): Promise<UpstreamServer> {
  const server = await startDnsServer({ addresses: [{ host: '127.0.0.1', port: 0 }], handler });
  t.teardown(() => server.close());
  const [address] = server.addresses;
  if (!address) throw new Error('no address');
  return address;
}

function forwarder(t: Test, options: ForwarderOptions): Forwarder {
  const made = new Forwarder(options);
  t.teardown(() => made.close());
  return made;
}

/** A UDP socket that answers each packet with what `replies` makes of it. */
async function rawUpstream(t: Test, replies: (query: Buffer) => Buffer[]): Promise<UpstreamServer> {
  const socket = createSocket('udp4');
  socket.on('message', (query, { port, address }) => {
    for (const reply of replies(query)) socket.send(reply, port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  return { host: '127.0.0.1', port: socket.address().port };
}

/** A port that nothing listens on. */
async function closedPort(): Promise<UpstreamServer> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return { host: '127.0.0.1', port };
}

/** The true answer to a query, with another address in it. */
function answerTo(query: Buffer, address: number): Buffer {
  const record = Buffer.from(`c00c0001000100000005000400000000`, 'hex');
  record.writeUInt32BE(address, 12);
  const answer = Buffer.concat([query.subarray(0, 12 + question.name.length + 4), record]);
  answer.writeUInt16BE(0x8180, 2);
  answer.writeUInt16BE(1, 6);
  answer.writeUInt16BE(0, 10);
  return answer;
}

t.test('a question on the wire', (t) => {
  const reply = readReply(encodeQuestion(7, { ...question, dnssecOk: true, checkingDisabled: true }, true));
  t.match(reply, { question: 'www.example.test. A', flags: 'rd ad cd', edns: 1232 });
  t.equal(readReply(encodeQuestion(7, question, false)).edns, undefined);
  t.end();
});

t.test('the first server that answers is enough', async (t) => {
  let others = 0;
  const first = await upstream(t, zone);
  const second = await upstream(t, (query, out) => {
    others += 1;
    return zone(query, out);
  });
  const { answer } = await forwarder(t, { servers: [first, second] }).ask(question);
  t.strictSame(answer.map(renderRecord), ['www.example.test. 300 IN A 192.0.2.1']);
  t.equal(others, 0);
});

t.test(
  'a closed port, a silent server, one that refuses and one without a way to it lead to the next',
  async (t) => {
    const good = await upstream(t, zone);
    const refusing = await upstream(t, (query, out) => writeError(query, 5, 0, out));
    const silent = await rawUpstream(t, () => []);
    // The kernel will not connect to a broadcast address, as to a network that it has no route to.
    const unreachable = { host: '255.255.255.255', port: 53 };
    for (const bad of [await closedPort(), refusing, silent, unreachable]) {
      const { answer } = await forwarder(t, { servers: [bad, good], timeoutMs: 50 }).ask(question);
      t.equal(answer.length, 1);
    }
    const { rcode } = await forwarder(t, { servers: [refusing, silent], timeoutMs: 20 }).ask(question);
    t.equal(rcode, 5, 'an error is better than nothing');
    await t.rejects(forwarder(t, { servers: [silent], timeoutMs: 20 }).ask(question), {
      code: 'NoUpstream',
      message: /no answer from 127\.0\.0\.1:\d+/,
    });
    await t.rejects(forwarder(t, { servers: [] }).ask(question), {
      message: /no upstream DNS server is known/,
    });
  },
);

t.test('forged answers are passed over', async (t) => {
  const forged = 0xcb007101;
  const server = await rawUpstream(t, (query) => {
    const wrongId = answerTo(query, forged);
    wrongId.writeUInt16BE(query.readUInt16BE(0) ^ 1, 0);
    const wrongName = answerTo(query, forged);
    wrongName.write('x', 13, 'latin1');
    const wrongType = answerTo(query, forged);
    wrongType.writeUInt16BE(28, 12 + question.name.length);
    const noAnswer = answerTo(query, forged);
    noAnswer.writeUInt16BE(0x0100, 2);
    const cut = answerTo(query, forged).subarray(0, -1);
    return [wrongId, wrongName, wrongType, noAnswer, cut, Buffer.alloc(0), answerTo(query, 0xc0000207)];
  });
  const { answer } = await forwarder(t, { servers: [server] }).ask(question);
  t.strictSame(answer.map(renderRecord), ['www.example.test. 5 IN A 192.0.2.7']);
});

t.test('ids and ports differ from one question to the next', async (t) => {
  const ids = new Set<number>();
  const ports = new Set<number>();
  const socket = createSocket('udp4');
  socket.on('message', (query, { port, address }) => {
    ids.add(query.readUInt16BE(0));
    ports.add(port);
    socket.send(answerTo(query, 0xc0000207), port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  const asking = forwarder(t, { servers: [{ host: '127.0.0.1', port: socket.address().port }] });
  for (let round = 0; round < 40; round += 1) await asking.ask(question);
  t.ok(ids.size > 30, `${ids.size} ids of 40`);
  t.ok(ports.size > 30, `${ports.size} ports of 40`);
});

t.test('an answer that does not fit is fetched over TCP', async (t) => {
  const records = Array.from({ length: 200 }, (_, index) => `A 192.0.2.${index}`);
  const server = await upstream(t, staticZone({ 'www.example.test': records }));
  const { answer, flags } = await forwarder(t, { servers: [server] }).ask(question);
  t.equal(answer.length, 200);
  t.equal(flags & 0x0200, 0);
});

t.test('a server from before EDNS is asked without', async (t) => {
  let asked = 0;
  const server = await upstream(t, (query, out) => {
    asked += 1;
    return query.edns ? writeError({ ...query, edns: false }, 1, 0, out) : zone(query, out);
  });
  const { answer } = await forwarder(t, { servers: [server] }).ask(question);
  t.equal(answer.length, 1);
  t.equal(asked, 2);
});

t.test('a dead server is asked last until a probe finds it alive', async (t) => {
  let alive = false;
  const moody = await rawUpstream(t, (query) => {
    if (!alive) return [];
    // The answer to a probe, or to a question: header and question back.
    const answer = Buffer.from(query.subarray(0, query.length - 11));
    answer.writeUInt16BE(0x8183, 2);
    answer.writeUInt16BE(0, 10);
    return [answer];
  });
  const good = await upstream(t, zone);
  const changes: boolean[] = [];
  const recovered = Promise.withResolvers<undefined>();
  const asked: string[] = [];
  const asking = forwarder(t, {
    servers: [moody, good],
    timeoutMs: 50,
    probeMs: 10,
    observer: {
      asked: (server, rcode) => asked.push(`${server} ${rcode ?? 'nothing'}`),
      health: (_, healthy) => {
        changes.push(healthy);
        if (healthy) recovered.resolve(undefined);
      },
    },
  });
  await asking.ask(question);
  await asking.ask(question);
  t.strictSame(changes, [false], 'two failures in a row');
  t.ok(asking.healthy, 'the other one answers');
  asked.length = 0;
  t.equal((await asking.ask(question)).rcode, 0);
  t.match(asked[0], /^127.0.0.1:\d+ 0$/, 'the healthy one was asked first');
  alive = true;
  await recovered.promise;
  t.equal((await asking.ask(question)).rcode, 3, 'it is the first again');
  t.strictSame(changes, [false, true]);
});

t.test('random order reaches every server', async (t) => {
  const asked = new Set<number>();
  const servers = await Promise.all(
    [0, 1].map((index) =>
      upstream(t, (query, out) => {
        asked.add(index);
        return zone(query, out);
      }),
    ),
  );
  const asking = forwarder(t, { servers, policy: 'random' });
  for (let round = 0; round < 64 && asked.size < 2; round += 1) await asking.ask(question);
  t.equal(asked.size, 2);
});

t.test('closing ends what is under way', async (t) => {
  const silent = await rawUpstream(t, () => []);
  const asking = forwarder(t, { servers: [silent], timeoutMs: 60_000 });
  const pending = asking.ask(question);
  asking.close();
  await t.rejects(pending, { code: 'NoUpstream' });
});

t.test('a server that led back to us is asked again although a probe was lost', async (t) => {
  const loop = new LoopProbe();
  let probes = 0;
  const server = await upstream(t, (query, out) => {
    if (!loop.isProbe(query.name, query.type)) return zone(query, out);
    probes += 1;
    if (probes === 1) return writeAnswer(query, markedAnswer(query.name), out);
    return probes === 2 ? new Promise<never>(() => undefined) : writeError(query, 3, 0, out);
  });
  const { promise: found, resolve: find } = Promise.withResolvers<undefined>();
  const { promise: ended, resolve: end } = Promise.withResolvers<undefined>();
  const made = forwarder(t, {
    servers: [server],
    loop,
    timeoutMs: 100,
    probeMs: 10,
    loopProbeMs: 10,
    observer: {
      asked: () => undefined,
      health: () => undefined,
      loop: (_, looping) => (looping ? find : end)(undefined),
    },
  });
  await found;
  await t.rejects(made.ask(question), { code: 'NoUpstream' });
  await ended;
  t.strictSame((await made.ask(question)).answer.map(renderRecord), ['www.example.test. 300 IN A 192.0.2.1']);
});
