import { duplexPair } from 'node:stream';
import t from 'tap';
import { SpdyConnection } from '../../../agent/streams/spdy-connection.ts';
import type { SpdyStream } from '../../../agent/streams/spdy-connection.ts';
import {
  encodeControl,
  encodeDataHeader,
  encodeWords,
  frameType,
  SpdyFrameParser,
} from '../../../agent/streams/spdy-frames.ts';
import type { SpdyFrame } from '../../../agent/streams/spdy-frames.ts';
import { SpdyHeaderCodec, spdyDictionary } from '../../../agent/streams/spdy-headers.ts';
import { eventually } from '../../api/eventually.ts';
import { startNode } from './fixture.ts';
import { SpdyClient } from './spdy-client.ts';

t.test('the dictionary is SPDY/3’s', async (t) => {
  t.equal(spdyDictionary.length, 1423);
  const codec = new SpdyHeaderCodec();
  t.teardown(() => codec.close());
  // RFC 1950: CMF, FLG, then the Adler-32 of the dictionary, e3c6a7c2 in every SPDY/3 capture.
  t.equal((await codec.encode(new Map([['a', 'b']]))).subarray(0, 6).toString('hex'), '78bbe3c6a7c2');
});

t.test('headers survive, block after block', async (t) => {
  const sender = new SpdyHeaderCodec();
  const receiver = new SpdyHeaderCodec();
  t.teardown(() => {
    sender.close();
    receiver.close();
  });
  for (const headers of [
    new Map([['streamtype', 'stdin']]),
    new Map<string, string>(),
    new Map([
      ['streamtype', 'stdout'],
      ['long', 'x'.repeat(100_000)],
    ]),
  ]) {
    t.same(await receiver.decode(await sender.encode(headers)), headers);
  }
});

t.test('a header block that is nonsense, or a bomb, is refused', async (t) => {
  const codec = new SpdyHeaderCodec();
  t.teardown(() => codec.close());
  await t.rejects(codec.decode(Buffer.from('nonsense')));
  const sender = new SpdyHeaderCodec();
  const receiver = new SpdyHeaderCodec();
  t.teardown(() => {
    sender.close();
    receiver.close();
  });
  const parts = Array.from({ length: 3 }, (_, index): [string, string] => [
    `h${index}`,
    '\0'.repeat(100_000),
  ]);
  await t.rejects((async () => receiver.decode(await sender.encode(new Map(parts))))(), {
    message: 'SPDY header block is too long',
  });
});

t.test('frames come out the same however the bytes are cut', (t) => {
  const bytes = Buffer.concat([
    encodeControl(frameType.synStream, 1, Buffer.from('0123456789')),
    encodeDataHeader(3, false, 5),
    Buffer.from('hello'),
    encodeDataHeader(3, true, 0),
    encodeWords(frameType.ping, 7),
  ]);
  const render = (frame: SpdyFrame): string =>
    frame.kind === 'data'
      ? `data ${frame.streamId} ${frame.fin} ${frame.data.toString()}`
      : `control ${frame.type} ${frame.flags} ${frame.body.length}`;
  const expected = ['control 1 1 10', 'data 3 false hello', 'data 3 true ', 'control 6 0 4'];
  for (let size = 1; size <= bytes.length; size += 1) {
    const parser = new SpdyFrameParser();
    const frames: string[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      for (const frame of parser.push(bytes.subarray(at, at + size))) frames.push(render(frame));
    }
    t.same(frames, expected, `in pieces of ${size}`);
  }
  t.end();
});

t.test('frames too long or of another version are refused', (t) => {
  t.throws(() => [...new SpdyFrameParser().push(Buffer.from('00000001ffffffff', 'hex'))], { code: 400 });
  t.throws(() => [...new SpdyFrameParser().push(Buffer.from('8002000600000000', 'hex'))], { code: 400 });
  t.end();
});

t.test('a connection ends although nobody reads its stream', async (t) => {
  const [ours, theirs] = duplexPair();
  const opened = Promise.withResolvers<SpdyStream>();
  const connection = new SpdyConnection(ours, { onStream: opened.resolve });
  const running = connection.run();
  const client = new SpdyClient(theirs);
  const [id = 0] = await client.open('stdin');
  const stream = await opened.promise;
  void client.send(id, Buffer.alloc(1_000_000));
  await eventually('data waits for its reader', () => stream.readableLength > 0);
  ours.destroy();
  await running;
  t.equal(stream.destroyed, true);
});

t.test('exec over SPDY', async (t) => {
  const node = await startNode(t, t.testdir());
  const path = (query: string, container = 'main'): string => `/exec/default/web/${container}?${query}`;
  const sh = (script: string): string => `command=sh&command=-c&command=${encodeURIComponent(script)}`;
  const statusOf = async (client: SpdyClient): Promise<unknown> => {
    await eventually('the error stream ends', () => client.ended.has('error'));
    return JSON.parse(client.text('error'));
  };

  t.test('stdin, stdout, stderr and the exit code', async (t) => {
    const query = `${sh('cat; echo oops >&2; exit 7')}&stdin=true&stdout=true&stderr=true`;
    const client = await SpdyClient.connect(node, path(query));
    const [, stdin = 0] = await client.open('error', 'stdin', 'stdout', 'stderr');
    await client.send(stdin, Buffer.from('hello '));
    await client.send(stdin, Buffer.from('world'), true);
    t.match(await statusOf(client), {
      status: 'Failure',
      reason: 'NonZeroExitCode',
      details: { causes: [{ reason: 'ExitCode', message: '7' }] },
    });
    t.equal(client.text('stdout'), 'hello world');
    t.equal(client.text('stderr'), 'oops\n');
    t.same(client.replies, [1, 3, 5, 7]);
    t.same([...client.ended].sort(), ['error', 'stderr', 'stdin', 'stdout'], 'all ended, none reset');
    t.same(client.resets, []);
    client.close();
  });

  t.test('kube-apiserver’s names of the flags', async (t) => {
    const client = await SpdyClient.connect(node, path('command=true&output=1'));
    await client.open('error', 'stdout');
    t.same(await statusOf(client), { metadata: {}, status: 'Success' });
    client.close();
  });

  t.test('a program that is not there', async (t) => {
    const client = await SpdyClient.connect(node, path('command=/no/such/program&stdout=true'));
    await client.open('error', 'stdout');
    t.match(await statusOf(client), { status: 'Failure', reason: 'InternalError', message: /ENOENT/ });
    client.close();
  });

  t.test('terminal sizes', async (t) => {
    const client = await SpdyClient.connect(node, path('command=cat&stdin=true&stdout=true&tty=true'));
    const [, stdin = 0, , resize = 0] = await client.open('error', 'stdin', 'stdout', 'resize');
    await client.send(resize, Buffer.from('{"Width":80,"Hei'));
    await client.send(resize, Buffer.from('ght":24}\n{"Width":1,"Height":2}{"Width":-1}'));
    await eventually('both arrive', () => node.processes.sizes.length === 2);
    t.same(node.processes.sizes, ['80x24', '1x2']);
    await client.send(stdin, Buffer.alloc(0), true);
    t.match(await statusOf(client), { status: 'Success' });
    client.close();
  });

  t.test('a process that reads no stdin ends all the same', async (t) => {
    const client = await SpdyClient.connect(node, path('command=true&stdin=true&stdout=true'));
    const [, stdin = 0] = await client.open('error', 'stdin', 'stdout');
    void client.send(stdin, Buffer.alloc(3 * 1024 * 1024));
    t.match(await statusOf(client), { status: 'Success' });
    client.close();
  });

  t.test('pings are answered, unknown and late frames passed over', async (t) => {
    const client = await SpdyClient.connect(node, path('command=cat&stdin=true&stdout=true'));
    const [, stdin = 0] = await client.open('error', 'stdin', 'stdout');
    client.control(frameType.ping, 41);
    client.control(frameType.settings, 0);
    client.control(frameType.windowUpdate, stdin, 65536);
    client.control(99, 1);
    await client.send(77, Buffer.from('nobody'));
    await client.send(stdin, Buffer.from('still here'), true);
    t.match(await statusOf(client), { status: 'Success' });
    t.same(client.pongs, [41]);
    t.equal(client.text('stdout'), 'still here');
    client.close();
  });

  t.test('a client that leaves takes its process along', async (t) => {
    const before = node.processes.closed;
    const client = await SpdyClient.connect(node, path('command=sleep&command=100&stdout=true'));
    await client.open('error', 'stdout');
    await eventually('the streams stand', () => client.replies.length === 2);
    client.close();
    t.ok(await eventually('the process is ended', () => node.processes.closed > before));
  });

  t.test('a client that breaks the protocol is cut off', async (t) => {
    const client = await SpdyClient.connect(node, path('command=sleep&command=100&stdout=true'));
    client.write(Buffer.from('8002000600000000', 'hex'));
    await client.closed;
    t.pass('closed');
  });

  t.test('what cannot be is refused with a Status', async (t) => {
    const refusals: [string, RegExp, string?][] = [
      [path('stdout=true'), /^400 .*must specify a command/],
      [path('command=true'), /^400 .*at least 1 of stdin, stdout, stderr/],
      [path('command=true&stdout=1', 'missing'), /^404 .*container not found/],
      ['/exec/default/web?command=true&stdout=1', /^404 /],
      [path('command=true&stdout=1'), /^403 .*X-Stream-Protocol-Version/, 'v9.channel.k8s.io'],
      ['/containerLogs/default/web/main', /^400 .*no upgrade/],
    ];
    for (const [target, expected, protocol] of refusals) {
      await t.rejects(SpdyClient.connect(node, target, protocol), { message: expected }, target);
    }
  });

  t.test('twenty megabytes each way arrive unharmed', async (t) => {
    const client = await SpdyClient.connect(node, path('command=cat&stdin=true&stdout=true'));
    const [, stdin = 0] = await client.open('error', 'stdin', 'stdout');
    const block = Buffer.alloc(32 * 1024);
    for (let at = 0; at < block.length; at += 4) block.writeUInt32BE((at * 2654435761) % 2 ** 32, at);
    for (let count = 0; count < 640; count += 1) {
      block.writeUInt32BE(count, 0);
      await client.send(stdin, Buffer.from(block), count === 639);
    }
    t.match(await statusOf(client), { status: 'Success' });
    const output = Buffer.concat(client.received.get('stdout') ?? []);
    t.equal(output.length, 640 * block.length);
    let harmed = 0;
    for (let count = 0; count < 640; count += 1) {
      block.writeUInt32BE(count, 0);
      if (!output.subarray(count * block.length, (count + 1) * block.length).equals(block)) harmed += 1;
    }
    t.equal(harmed, 0);
    client.close();
  });
});
