/** Clients that break the rules cost neither the agent nor its memory. */
import { duplexPair } from 'node:stream';
import t from 'tap';
import { WebSocket } from 'ws';
import { SpdyConnection } from '../../../agent/streams/spdy-connection.ts';
import {
  encodeControl,
  encodeDataHeader,
  encodeWords,
  frameType,
} from '../../../agent/streams/spdy-frames.ts';
import { eventually } from '../../api/eventually.ts';
import { startNode } from './fixture.ts';
import type { NodeFixture } from './fixture.ts';
import { SpdyClient } from './spdy-client.ts';

const exec = '/exec/default/web/main?command=cat&stdin=true&stdout=true';

async function openSocket(node: NodeFixture) {
  const { ca, master } = node;
  const tls = { ca, cert: master.certificate, key: master.key };
  const socket = new WebSocket(`wss://${node.host}:${node.port}${exec}`, ['v5.channel.k8s.io'], tls);
  const received: Buffer[] = [];
  socket.on('message', (data: Buffer) => received.push(data));
  const closed = new Promise<number>((resolve) => socket.once('close', resolve));
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  socket.on('error', () => socket.terminate());
  return { socket, received, closed };
}

t.test('WebSocket', async (t) => {
  const node = await startNode(t, t.testdir());

  t.test('stdin after its end, unknown channels, sizes that are none, empty messages', async (t) => {
    const { socket, received, closed } = await openSocket(node);
    const messages = [
      [],
      [9, 1],
      [1, 65],
      [4, 123],
      [4, 125],
      [255],
      [255, 3],
      [0, 104, 105],
      [255, 0],
      [0, 120],
      [255, 0],
    ];
    for (const message of messages) socket.send(Buffer.from(message));
    t.equal(await closed, 1000);
    const output = received
      .filter(([channel]) => channel === 1)
      .map((message) => message.subarray(1).toString());
    t.equal(output.join(''), 'hi');
  });

  t.test('a message larger than any is refused', async (t) => {
    const { socket, closed } = await openSocket(node);
    socket.send(Buffer.alloc(17 * 1024 * 1024));
    t.not(await closed, 1000);
  });

  t.test('pings whose answers nobody reads', async (t) => {
    const { socket, closed } = await openSocket(node);
    let code = 0;
    void closed.then((each) => (code = each));
    socket.pause();
    const payload = Buffer.alloc(125);
    for (let round = 0; round < 1_000 && socket.readyState === WebSocket.OPEN; round += 1) {
      for (let count = 0; count < 300; count += 1) socket.ping(payload);
      await new Promise((resolve) => setImmediate(resolve));
    }
    socket.resume();
    await eventually('it is cut off', () => code !== 0);
    t.equal(code, 1006);
  });

  t.test('the node serves on', async (t) => {
    const { socket, closed } = await openSocket(node);
    socket.send(Buffer.from([255, 0]));
    t.equal(await closed, 1000);
  });
});

t.test('SPDY', async (t) => {
  const node = await startNode(t, t.testdir());
  const headless = (type: number, length: number): Buffer => encodeControl(type, 0, Buffer.alloc(length, 1));
  const inputs: [string, Buffer][] = [
    ['noise', Buffer.alloc(100_000, 0xff)],
    ['control frames cut short', Buffer.concat([1, 3, 6, 8].map((type) => headless(type, 2)))],
    ['a header block that is no zlib', headless(frameType.synStream, 40)],
    ['a frame of 16 MB', encodeDataHeader(1, false, 0xffffff)],
    ['a frame that never ends', encodeDataHeader(1, false, 1_000_000)],
  ];
  for (const [what, bytes] of inputs) {
    for (const [path, protocol] of [
      [exec, 'v4.channel.k8s.io'],
      ['/portForward/default/web', 'portforward.k8s.io'],
    ] as const) {
      t.test(`${what}: ${path}`, async (t) => {
        const client = await SpdyClient.connect(node, path, protocol);
        client.write(bytes);
        if (what.endsWith('ends')) client.close();
        await client.closed;
        t.pass('closed');
      });
    }
  }

  t.test('data after the end, data of no stream, streams opened twice', async (t) => {
    const client = await SpdyClient.connect(node, exec);
    const [, stdin = 0] = await client.open('error', 'stdin', 'stdout', 'stdin', 'unknown');
    await client.send(stdin, Buffer.from('hi'), true);
    await client.send(stdin, Buffer.from('more'), true);
    await client.send(2, Buffer.from('even'));
    await client.send(999, Buffer.from('nobody'), true);
    await eventually('the session ends', () => client.ended.has('error'));
    t.equal(client.text('stdout'), 'hi');
    client.close();
  });

  t.test('a stdin that is reset is at its end', async (t) => {
    const client = await SpdyClient.connect(node, exec);
    const [, stdin = 0] = await client.open('error', 'stdin', 'stdout');
    await client.send(stdin, Buffer.from('hi'));
    await eventually('it is read', () => client.text('stdout') === 'hi');
    client.control(frameType.rstStream, stdin, 5);
    await eventually('the session ends', () => client.ended.has('error'));
    t.match(JSON.parse(client.text('error')), { status: 'Success' });
    client.close();
  });

  t.test('pings whose answers nobody reads are not read either', async (t) => {
    const [ours, theirs] = duplexPair();
    const running = new SpdyConnection(ours, { onStream: () => undefined, maxUnreadBytes: 100_000 }).run();
    const ping = encodeWords(frameType.ping, 1);
    const block = Buffer.concat(Array.from({ length: 1_000 }, () => ping));
    let written = 0;
    for (let count = 0; count < 100; count += 1) theirs.write(block, () => (written += block.length));
    await eventually('reading begins', () => written > 0);
    await new Promise((resolve) => setTimeout(resolve, 200));
    t.ok(ours.writableLength < 200_000, `${ours.writableLength} bytes of answers wait`);
    t.ok(theirs.writableLength > 500_000, `${theirs.writableLength} bytes of 1,200,000 are not read`);
    ours.destroy();
    theirs.on('error', () => undefined).destroy();
    await running;
  });
});
