import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as net from 'node:net';
import { buffer } from 'node:stream/consumers';
import t from 'tap';
import type { Test } from 'tap';
import { WebSocket } from 'ws';
import { frameType } from '../../../agent/streams/spdy-frames.ts';
import { eventually } from '../../api/eventually.ts';
import { listKubectls } from '../../kubectls.ts';
import { startNode } from './fixture.ts';
import type { NodeFixture } from './fixture.ts';
import { startCluster } from './kubectl-cluster.ts';
import { SpdyClient } from './spdy-client.ts';

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** A server for one test; returns its port. Its sockets allow half-open connections. */
async function listen(t: Test, serve: (socket: net.Socket) => void): Promise<number> {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    serve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return (server.address() as net.AddressInfo).port;
}

const echo = (socket: net.Socket): unknown => socket.pipe(socket);

/** Answers what it was sent, and how long, only after the client has ended its direction. */
const judge = (socket: net.Socket): void => {
  void buffer(socket).then((bytes) => socket.end(`${bytes.length} ${digest(bytes)}`));
};

/** Sends `bytes`, ends that direction, and returns what comes back until the end. */
async function exchange(port: number, bytes: Buffer): Promise<Buffer> {
  const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  socket.end(bytes);
  return buffer(socket);
}

async function refusedPort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  return port;
}

for (const { path: kubectl, version } of listKubectls([29, 31])) {
  t.test(`kubectl ${version}`, async (t) => {
    const { forward } = await startCluster(t);

    t.test('bytes both ways, the end of one direction, several ports', async (t) => {
      const [echoing, judging] = [await listen(t, echo), await listen(t, judge)];
      const { ports } = await forward(t, kubectl, 'pod/web', `:${echoing}`, `:${judging}`);
      const bytes = randomBytes(20_000_000);
      t.equal(digest(await exchange(ports.get(echoing) ?? 0, bytes)), digest(bytes));
      const verdict = await exchange(ports.get(judging) ?? 0, bytes);
      t.equal(verdict.toString(), `${bytes.length} ${digest(bytes)}`);
    });

    t.test('many connections at a time, none disturbs another', async (t) => {
      const port = await listen(t, echo);
      const { ports, errors } = await forward(t, kubectl, 'web', `:${port}`);
      const local = ports.get(port) ?? 0;
      const blocks = Array.from({ length: 60 }, (_, index) => randomBytes(1000 * index));
      const answers = await Promise.all(blocks.map((block) => exchange(local, block)));
      t.same(answers.map(digest), blocks.map(digest));
      t.equal(errors(), '');
    });

    t.test('a port nobody listens on is told in kubectl’s words', async (t) => {
      const port = await refusedPort();
      const { ports, errors } = await forward(t, kubectl, 'web', `:${port}`);
      await exchange(ports.get(port) ?? 0, Buffer.from('hello')).catch(() => undefined);
      await eventually('kubectl says it', () => errors().includes('\n'));
      t.match(
        errors(),
        new RegExp(
          `an error occurred forwarding \\d+ -> ${port}: error forwarding port ${port} to pod web.*REFUSED`,
        ),
      );
    });
  });
}

t.test('port-forward over SPDY', async (t) => {
  const node = await startNode(t, t.testdir());
  const connect = (pod = 'web'): Promise<SpdyClient> =>
    SpdyClient.connect(node, `/portForward/default/${pod}`, 'portforward.k8s.io');
  const pair = (port: number | string, requestid = '1') =>
    ['error', 'data'].map((streamtype) => ({ streamtype, port: String(port), requestid }));

  t.test('a pair of streams is a connection', async (t) => {
    const port = await listen(t, echo);
    const client = await connect();
    const [error = 0, data = 0] = await client.openAll(pair(port));
    await client.send(error, Buffer.alloc(0), true);
    await client.send(data, Buffer.from('hello'), true);
    await eventually('both end', () => client.ended.has('data') && client.ended.has('error'));
    t.equal(client.text('data'), 'hello');
    t.equal(client.text('error'), '');
    client.close();
  });

  t.test('a client that resets its data learns that all is well', async (t) => {
    const closed = Promise.withResolvers<undefined>();
    const port = await listen(t, (socket) => socket.resume().once('end', () => closed.resolve(undefined)));
    const client = await connect();
    const [, data = 0] = await client.openAll(pair(port));
    await client.send(data, Buffer.from('hello'));
    client.control(frameType.rstStream, data, 5);
    await eventually('the error stream ends', () => client.ended.has('error'));
    t.equal(client.text('error'), '');
    await closed.promise;
    client.close();
  });

  t.test('streams that make no pair are refused', async (t) => {
    const port = await listen(t, echo);
    const client = await connect();
    const wrong = [
      ...pair('0', 'a'),
      ...pair('70000', 'b'),
      ...pair('http', 'c'),
      { streamtype: 'data', port: '80' },
      { streamtype: 'stdin', port: '80', requestid: 'd' },
    ];
    const ids = await client.openAll(wrong);
    await eventually('all are reset', () => client.resets.length === wrong.length);
    t.same(client.resets, ids);
    const [, data = 0] = await client.openAll(pair(port, 'e'));
    await client.send(data, Buffer.from('still here'), true);
    await eventually('a right one works', () => client.text('data') === 'still here');
    client.close();
  });

  t.test('more streams than anybody needs are refused', async (t) => {
    const client = await connect();
    const many = Array.from({ length: 2_010 }, (_, index) => ({
      streamtype: 'error',
      port: '80',
      requestid: String(index),
    }));
    await client.openAll(many);
    t.ok(await eventually('the last are reset', () => client.resets.length === 10));
    client.close();
  });

  t.test('a client that leaves takes its connections along', async (t) => {
    const closed = Promise.withResolvers<undefined>();
    const opened = Promise.withResolvers<undefined>();
    const port = await listen(t, (socket) => {
      opened.resolve(undefined);
      socket.resume().once('end', () => closed.resolve(undefined));
    });
    const client = await connect();
    await client.openAll(pair(port));
    await opened.promise;
    client.close();
    await closed.promise;
    t.pass('closed');
  });

  t.test('what cannot be is refused with a Status', async (t) => {
    await t.rejects(connect('missing'), { message: /^404 .*not on this node/ });
    await t.rejects(SpdyClient.connect(node, '/portForward/default/web', 'v4.channel.k8s.io'), {
      message: /^403 .*must be portforward.k8s.io/,
    });
  });
});

/** What came per channel of a port-forward in plain messages. */
async function openMessages(node: NodeFixture, query: string, protocols: string[]) {
  const socket = new WebSocket(
    `wss://${node.host}:${node.port}/portForward/default/web?${query}`,
    protocols,
    {
      ca: node.ca,
      cert: node.master.certificate,
      key: node.master.key,
    },
  );
  const channels = new Map<number, Buffer[]>();
  socket.on('message', (data: Buffer) => {
    const channel = data[0] ?? -1;
    channels.set(channel, [...(channels.get(channel) ?? []), data.subarray(1)]);
  });
  const closed = new Promise<number>((resolve) => socket.once('close', resolve));
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  const received = (channel: number): Buffer => Buffer.concat(channels.get(channel) ?? []);
  return { socket, closed, received };
}

t.test('port-forward in plain WebSocket messages', async (t) => {
  const node = await startNode(t, t.testdir());
  const protocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];
  const uint16 = (value: number): Buffer => Buffer.from([value & 0xff, value >> 8]);

  t.test('two ports, each with its channels', async (t) => {
    const [one, two] = [await listen(t, echo), await listen(t, (socket) => socket.end('bye'))];
    const { socket, closed, received } = await openMessages(node, `ports=${one},${two}`, protocols);
    t.equal(socket.protocol, 'v4.channel.k8s.io');
    const bytes = randomBytes(3_000_000);
    for (let at = 0; at < bytes.length; at += 30_000)
      socket.send(Buffer.concat([Buffer.from([0]), bytes.subarray(at, at + 30_000)]));
    await eventually('all comes back', () => received(0).length === bytes.length + 2);
    t.same(received(0).subarray(0, 2), uint16(one));
    t.equal(digest(received(0).subarray(2)), digest(bytes));
    t.same(received(1), uint16(one));
    t.same(received(2), Buffer.concat([uint16(two), Buffer.from('bye')]));
    socket.send(Buffer.from([7, 1]));
    socket.send(Buffer.alloc(0));
    socket.close();
    await closed;
  });

  t.test('a refused port is told on its error channel, and the end of all closes', async (t) => {
    const port = await refusedPort();
    const { closed, received } = await openMessages(node, `port=${port}`, protocols);
    t.equal(await closed, 1000);
    t.match(received(1).subarray(2).toString(), `error forwarding port ${port} to pod web`);
  });

  t.test('a request without ports, or of another protocol, is refused', async (t) => {
    await t.rejects(openMessages(node, '', protocols), { message: /400/ });
    await t.rejects(openMessages(node, 'ports=0', protocols), { message: /400/ });
    await t.rejects(openMessages(node, 'ports=80', ['v9.channel.k8s.io']), { message: /400/ });
  });

  t.test('a client that does not read stops the pod, not the memory', async (t) => {
    let sent = 0;
    const port = await listen(t, (socket) => {
      const more = (): void => {
        while (sent < 200e6 && socket.write(Buffer.alloc(65_536))) sent += 65_536;
      };
      socket.on('drain', more);
      more();
    });
    const { socket, closed } = await openMessages(node, `ports=${port}`, protocols);
    socket.pause();
    const start = sent;
    await new Promise((resolve) => setTimeout(resolve, 300));
    t.ok(sent - start < 50e6, `${Math.round((sent - start) / 1e6)} MB of 200 were taken`);
    socket.terminate();
    await closed;
  });
});
