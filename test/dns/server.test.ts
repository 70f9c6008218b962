import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import Dns2 from 'dns2';
import { execa } from 'execa';
import t, { type Test } from 'tap';
import { FrameReader } from '../../dns/frame-reader.ts';
import type { Exchange, Handler } from '../../dns/handler.ts';
import { startDnsServer, type DnsServer, type DnsServerOptions } from '../../dns/server.ts';
import { staticZone } from '../../dns/static-zone.ts';
import { createZone, handlerOf, setService, slice } from './cluster.ts';
import { encodeQuery } from '../../rig/dns-query.ts';
import { readReply } from './exchange.ts';

const NAME = 'web.default.svc.cluster.local';
const MANY = 'many.default.svc.cluster.local';

function clusterOf(endpoints: number): Handler {
  const zone = createZone({ pods: 'insecure' });
  zone.setNamespace('default', true);
  setService(zone, 'web', { clusterIP: '10.96.1.1', ports: [{ name: 'http', port: 80 }] });
  const addresses = Array.from({ length: endpoints }, (_, index) => `10.244.0.${index + 1}`);
  setService(zone, 'many', { clusterIP: 'None' }, [slice('IPv4', addresses)]);
  return handlerOf(zone);
}

async function serve(
  t: Test,
  options: Partial<DnsServerOptions> = {},
): Promise<DnsServer & { port: number }> {
  const server = await startDnsServer({
    addresses: [{ host: '127.0.0.1', port: 0 }],
    handler: clusterOf(200),
    ...options,
  });
  t.teardown(() => server.close());
  return { ...server, port: server.addresses[0]?.port ?? 0 };
}

/** A TCP client that counts what it is answered. */
async function dial(
  t: Test,
  port: number,
): Promise<{ socket: Socket; answers: Buffer[]; frame: (query: Buffer) => Buffer }> {
  const socket = connect({ host: '127.0.0.1', port });
  t.teardown(() => socket.destroy());
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  const reader = new FrameReader();
  const answers: Buffer[] = [];
  socket.on('data', (bytes: Buffer) => {
    reader.push(bytes);
    for (let answer = reader.next(); answer; answer = reader.next()) answers.push(answer);
    socket.emit('answers');
  });
  const frame = (query: Buffer): Buffer => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.length);
    return Buffer.concat([length, query]);
  };
  return { socket, answers, frame };
}

async function until(socket: Socket, condition: () => boolean): Promise<void> {
  while (!condition()) await once(socket, 'answers');
}

t.test('dig and kdig over UDP and TCP, IPv4 and IPv6', async (t) => {
  const server = await startDnsServer({
    addresses: [
      { host: '127.0.0.1', port: 0 },
      { host: '::1', port: 0 },
    ],
    handler: clusterOf(200),
  });
  t.teardown(() => server.close());
  for (const { host, port } of server.addresses) {
    const at = [`@${host}`, '-p', String(port)];
    for (const protocol of ['+notcp', '+tcp']) {
      const short = await execa('dig', [...at, protocol, '+short', NAME]);
      t.equal(short.stdout, '10.96.1.1', `dig ${host} ${protocol}`);
      const { stdout } = await execa('kdig', [...at, protocol, 'nope.default.svc.cluster.local']);
      t.match(stdout, /status: NXDOMAIN/);
      t.match(stdout, /cluster\.local\.\s+5\s+IN\s+SOA\s+ns\.dns\.cluster\.local\./);
    }
    const service = await execa('dig', [
      ...at,
      '+noall',
      '+answer',
      '+additional',
      `_http._tcp.${NAME}`,
      'SRV',
    ]);
    t.match(service.stdout, /SRV\s+0 100 80 web\.default\.svc\.cluster\.local\./);
    t.match(service.stdout, /web\.default\.svc\.cluster\.local\.\s+5\s+IN\s+A\s+10\.96\.1\.1/);
    const reverse = await execa('dig', [...at, '+short', '-x', '10.96.1.1']);
    t.equal(reverse.stdout, `${NAME}.`);
    const whole = await execa('dig', [...at, '+short', MANY]);
    t.equal(whole.stdout.split('\n').length, 200, 'cut over UDP, whole over TCP, all by itself');
    const cut = await execa('dig', [...at, '+ignore', '+noall', '+comments', MANY]);
    t.match(cut.stdout, /flags: qr aa tc rd ra/);
    const opcode = await execa('dig', [...at, '+opcode=status', '+noall', '+comments', NAME]);
    t.match(opcode.stdout, /status: NOTIMP/);
    const version = await execa('dig', [...at, '+edns=1', '+noednsnegotiation', '+noall', '+comments', NAME]);
    t.match(version.stdout, /status: BADVERS/);
  }
});

t.test('dns2, which shares no code with us, reads the answers', async (t) => {
  const { port } = await serve(t);
  for (const client of [
    Dns2.UDPClient({ dns: '127.0.0.1', port }),
    Dns2.TCPClient({ dns: '127.0.0.1', port }),
  ]) {
    const { answers } = await client(NAME, 'A');
    t.match(answers, [{ name: NAME, type: 1, ttl: 5, address: '10.96.1.1' }]);
    const missing = await client('nope.default.svc.cluster.local', 'A');
    t.equal(missing.header.rcode, 3);
  }
});

t.test('pipelined queries in one segment, and one query in segments of a byte', async (t) => {
  const { port } = await serve(t);
  const { socket, answers, frame } = await dial(t, port);
  const queries = Array.from({ length: 300 }, (_, id) => frame(encodeQuery(NAME, 'A', { id })));
  socket.write(Buffer.concat(queries));
  await until(socket, () => answers.length === 300);
  t.strictSame(
    answers.map((answer) => answer.readUInt16BE(0)).sort((a, b) => a - b),
    queries.map((_, id) => id),
  );
  socket.setNoDelay(true);
  for (const byte of frame(encodeQuery(NAME, 'A', { id: 999 }))) {
    socket.write(Buffer.from([byte]));
    await new Promise(setImmediate);
  }
  await until(socket, () => answers.length === 301);
  t.strictSame(readReply(answers[300] ?? Buffer.alloc(0)).answer, [`${NAME}. 5 A 10.96.1.1`]);
});

t.test(
  'a slow answer does not hold up the others, and comes even after the client has said all',
  async (t) => {
    const slow = Promise.withResolvers<undefined>();
    const zone = staticZone({ 'fast.test': ['A 192.0.2.1'], 'slow.test': ['A 192.0.2.2'] });
    const handler: Handler = (query, out) => {
      if (!query.name.startsWith('\x04slow')) return zone(query, out);
      const answer = Buffer.from(out.subarray(0, zone(query, out) as number));
      return slow.promise.then(() => answer);
    };
    const { port } = await serve(t, { handler });
    const { socket, answers, frame } = await dial(t, port);
    socket.end(Buffer.concat([frame(encodeQuery('slow.test', 'A')), frame(encodeQuery('fast.test', 'A'))]));
    await until(socket, () => answers.length === 1);
    slow.resolve(undefined);
    await once(socket, 'close');
    t.strictSame(
      answers.map((answer) => readReply(answer).answer),
      [['fast.test. 300 A 192.0.2.1'], ['slow.test. 300 A 192.0.2.2']],
    );
  },
);

t.test('a client that does not read its answers is not read from either, and loses none', async (t) => {
  const cluster = clusterOf(250);
  let asked = 0;
  const handler: Handler = (query, out) => {
    asked += 1;
    return cluster(query, out);
  };
  const { port } = await serve(t, { handler });
  const { socket, answers, frame } = await dial(t, port);
  socket.pause();
  // 250 addresses: 4 kB for each query of 48 bytes; 80 MB in all, more than the kernel's buffers hold.
  const total = 20_000;
  const query = frame(encodeQuery(MANY, 'A'));
  for (let written = 0; written < total; written += 1) socket.write(query);
  for (let before = -1; before !== asked || asked === 0;) {
    before = asked;
    await sleep(50);
  }
  t.ok(asked < total, `${asked} answers wait`);
  socket.resume();
  await until(socket, () => answers.length === total);
  t.equal(asked, total);
});

t.test('silent connections end, and no more than the cap stay open', async (t) => {
  const { port } = await serve(t, { idleTimeoutMs: 50 });
  const { socket } = await dial(t, port);
  await once(socket, 'close');
  t.pass('closed for silence');
  const refused: string[] = [];
  // One client alone gets half.
  const capped = await serve(t, { maxConnections: 4, onRefused: (reason) => refused.push(reason) });
  const [first, second] = [await dial(t, capped.port), await dial(t, capped.port)];
  first.socket.write(first.frame(encodeQuery(NAME, 'A')));
  await until(first.socket, () => first.answers.length === 1);
  const third = await dial(t, capped.port);
  await once(second.socket, 'close');
  t.pass('the one that asked nothing makes room');
  for (const { socket, frame, answers } of [first, third]) {
    const had = answers.length;
    socket.write(frame(encodeQuery(NAME, 'A')));
    await until(socket, () => answers.length === had + 1);
  }
  t.strictSame(refused, ['connections']);
});

t.test('who reads a long answer is not idle', async (t) => {
  const parts = 8;
  const { port } = await serve(t, {
    idleTimeoutMs: 100,
    handler: async function* () {
      for (let part = 0; part < parts; part += 1) {
        yield Buffer.alloc(12, part);
        await sleep(40);
      }
    },
  });
  const { socket, frame, answers } = await dial(t, port);
  socket.write(frame(encodeQuery(NAME, 'AXFR')));
  await once(socket, 'close');
  t.equal(answers.length, parts);
});

/** Resolves when the connection is closed, or reset, which is an error to once(). */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => void socket.once('close', () => resolve()));
}

t.test(
  'bytes are no queries: who drips them is closed, and so is who announces more than a query',
  async (t) => {
    const { port } = await serve(t, { idleTimeoutMs: 100 });
    const dripping = await dial(t, port);
    const drip = setInterval(() => dripping.socket.write('\0'), 10);
    t.teardown(() => clearInterval(drip));
    // Two zeros are a message of no bytes; an odd one announces a long message that never ends.
    dripping.socket.write(Buffer.from([0x0f]));
    await closed(dripping.socket);
    const refused: string[] = [];
    const patient = await serve(t, { onRefused: (reason) => refused.push(reason) });
    const long = await dial(t, patient.port);
    long.socket.write(Buffer.from([0xff, 0xff]));
    await closed(long.socket);
    t.strictSame(refused, ['length']);
  },
);

t.test('a client with more connections than its share does not cost another client its own', async (t) => {
  const { port } = await serve(t, { maxConnections: 8 });
  const dialFrom = async (localAddress: string): Promise<Socket> => {
    const socket = connect({ host: '127.0.0.1', port, localAddress });
    t.teardown(() => socket.destroy());
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  };
  const good = await dialFrom('127.0.0.2');
  const hogs: Socket[] = [];
  for (let count = 0; count < 30; count += 1) hogs.push(await dialFrom('127.0.0.3'));
  const query = encodeQuery(NAME, 'A');
  good.write(Buffer.concat([Buffer.from([0, query.length]), query]));
  const [answer] = (await once(good, 'data')) as [Buffer];
  t.equal(readReply(answer.subarray(2)).rcode, 'NOERROR');
  t.notOk(good.closed);
});

t.test('noise over UDP gets silence or an error, and the next query its answer', async (t) => {
  const observed: Exchange[] = [];
  const { port } = await serve(t, {
    observe: (exchange) => observed.push({ ...exchange, query: undefined }),
  });
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  const send = (packet: Buffer): void => socket.send(packet, port, '127.0.0.1');
  const query = encodeQuery(NAME, 'A', { id: 1 });
  send(Buffer.alloc(0));
  send(query.subarray(0, 11));
  send(Buffer.from('00018180ffffffffffffffff', 'hex'));
  send(Buffer.concat([query.subarray(0, 12), Buffer.from([0xc0, 12, 0, 1, 0, 1])]));
  send(query);
  const replies: string[] = [];
  while (replies.length < 2) {
    const [bytes] = (await once(socket, 'message')) as [Buffer];
    replies.push(readReply(bytes).rcode);
  }
  t.strictSame(replies, ['FORMERR', 'NOERROR']);
  t.strictSame(
    observed.map(({ rcode, answerBytes }) => (answerBytes > 0 ? rcode : 'silence')),
    ['silence', 'silence', 'silence', 1, 0],
  );
});

t.test('a client that is held to a rate loses what is beyond it, and other clients nothing', async (t) => {
  const refused: string[] = [];
  const { port } = await serve(t, { clientRate: 100, onRefused: (reason) => refused.push(reason) });
  const ask = async (address: string, count: number): Promise<number> => {
    const socket = createSocket('udp4');
    t.teardown(() => socket.close());
    let answers = 0;
    socket.on('message', () => (answers += 1));
    await new Promise<void>((resolve) => void socket.bind(0, address, resolve));
    for (let id = 0; id < count; id += 1) socket.send(encodeQuery(NAME, 'A', { id }), port, '127.0.0.1');
    while (answers + refused.length < count) await sleep(10);
    return answers;
  };
  const flooding = await ask('127.0.0.3', 200);
  t.ok(flooding < 200, `${flooding} of 200`);
  t.equal(new Set(refused).size, 1);
  refused.length = 0;
  t.equal(await ask('127.0.0.2', 10), 10);
});

t.test('noise over TCP: frames of every length, cut off at the end', async (t) => {
  const { port } = await serve(t);
  const noisy = await dial(t, port);
  const query = encodeQuery(NAME, 'A', { edns: 1232 });
  for (let round = 0; round < 2000; round += 1) {
    // A damaged query: its answer may be anything, or silence.
    const damaged = Buffer.from(query.subarray(0, round % (query.length + 1)));
    if (damaged.length > 0) damaged[(round * 7) % damaged.length] = (round * 31) & 0xff;
    noisy.socket.write(noisy.frame(damaged));
  }
  noisy.socket.write(noisy.frame(encodeQuery(NAME, 'A', { id: 0xfffe })));
  await until(noisy.socket, () => noisy.answers.some((answer) => answer.readUInt16BE(0) === 0xfffe));
  t.ok(
    noisy.answers.every((answer) => answer.length >= 12 && (answer.readUInt16BE(2) & 0x8000) !== 0),
    'whatever came back is an answer',
  );
  noisy.socket.end(Buffer.from([0xff, 0xff, 1, 2, 3]));
  await once(noisy.socket, 'close');
  const { stdout } = await execa('kdig', ['@127.0.0.1', '-p', String(port), '+tcp', '+short', NAME]);
  t.equal(stdout, '10.96.1.1', 'the next client is answered');
});

t.test('a handler that throws is a failure of one query', async (t) => {
  const errors: unknown[] = [];
  const bug = new Error('bug');
  const { port } = await serve(t, {
    handler: (query) => {
      if (query.type === 1) throw bug;
      return Promise.reject(bug);
    },
    onError: (error) => errors.push(error),
  });
  for (const type of ['A', 'AAAA']) {
    const { stdout } = await execa('dig', ['@127.0.0.1', '-p', String(port), '+tries=1', NAME, type]);
    t.match(stdout, /status: SERVFAIL/);
  }
  t.strictSame(errors, [bug, bug]);
});

t.test('a port that only UDP lacks is named too, and TCP is given back', async (t) => {
  const taken = createSocket('udp4');
  t.teardown(() => taken.close());
  taken.bind(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address();
  const addresses = [{ host: '127.0.0.1', port }];
  await t.rejects(startDnsServer({ addresses, handler: clusterOf(1) }), {
    code: 'CannotListen',
    message: /no DNS on 127\.0\.0\.1 port \d+ \(UDP\): the port is in use/,
  });
  await t.rejects(once(connect({ host: '127.0.0.1', port }), 'connect'), { code: 'ECONNREFUSED' });
});

t.test('an address in use is named, and nothing stays open', async (t) => {
  const { port } = await serve(t);
  const other = startDnsServer({
    addresses: [
      { host: '127.0.0.2', port },
      { host: '127.0.0.1', port },
    ],
    handler: clusterOf(1),
  });
  await t.rejects(other, {
    code: 'CannotListen',
    message: /no DNS on 127\.0\.0\.1 port \d+ \(TCP\): the port is in use/,
  });
  const again = await startDnsServer({ addresses: [{ host: '127.0.0.2', port }], handler: clusterOf(1) });
  await again.close();
});
