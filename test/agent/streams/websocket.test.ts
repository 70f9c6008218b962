import t from 'tap';
import type { Test } from 'tap';
import { WebSocket } from 'ws';
import { eventually } from '../../api/eventually.ts';
import { startNode } from './fixture.ts';
import type { NodeFixture } from './fixture.ts';

/** What came per channel, and how it ended. */
interface Session {
  readonly socket: WebSocket;
  readonly channels: Map<number, Buffer[]>;
  readonly closed: Promise<number>;
  text(channel: number): string;
  send(channel: number, data: string | Buffer): Promise<void>;
}

async function connect(node: NodeFixture, path: string, protocols = ['v5.channel.k8s.io']): Promise<Session> {
  const socket = new WebSocket(`wss://${node.host}:${node.port}${path}`, protocols, {
    ca: node.ca,
    cert: node.master.certificate,
    key: node.master.key,
  });
  const channels = new Map<number, Buffer[]>();
  socket.on('message', (data: Buffer) => {
    const channel = data[0] ?? -1;
    const parts = channels.get(channel) ?? [];
    parts.push(data.subarray(1));
    channels.set(channel, parts);
  });
  const closed = new Promise<number>((resolve) => socket.once('close', resolve));
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  return {
    socket,
    channels,
    closed,
    text: (channel) => Buffer.concat(channels.get(channel) ?? []).toString(),
    send: (channel, data) =>
      new Promise((resolve) => {
        socket.send(Buffer.concat([Buffer.from([channel]), Buffer.from(data)]), () => {
          resolve();
        });
      }),
  };
}

const sh = (script: string): string => `command=sh&command=-c&command=${encodeURIComponent(script)}`;
const exec = (query: string): string => `/exec/default/web/main?${query}`;
const endOfStdin = '\0';

async function endsWith(t: Test, session: Session, expected: object): Promise<void> {
  t.equal(await session.closed, 1000);
  t.match(JSON.parse(session.text(3)), expected);
}

t.test('exec over WebSocket', async (t) => {
  const node = await startNode(t, t.testdir());

  t.test('v5: stdin with its end, stdout, stderr, exit code', async (t) => {
    const query = `${sh('cat; echo oops >&2; exit 7')}&stdin=true&stdout=true&stderr=true`;
    const session = await connect(node, exec(query), ['v5.channel.k8s.io', 'v4.channel.k8s.io']);
    t.equal(session.socket.protocol, 'v5.channel.k8s.io');
    await session.send(0, 'hello');
    await session.send(255, endOfStdin);
    await endsWith(t, session, {
      status: 'Failure',
      reason: 'NonZeroExitCode',
      details: { causes: [{ reason: 'ExitCode', message: '7' }] },
    });
    t.equal(session.text(1), 'hello');
    t.equal(session.text(2), 'oops\n');
  });

  t.test('v4', async (t) => {
    const session = await connect(node, exec('command=echo&command=hi&stdout=true'), ['v4.channel.k8s.io']);
    t.equal(session.socket.protocol, 'v4.channel.k8s.io');
    await endsWith(t, session, { status: 'Success' });
    t.equal(session.text(1), 'hi\n');
  });

  t.test('terminal sizes', async (t) => {
    const session = await connect(node, exec('command=cat&stdin=true&stdout=true&tty=true'));
    await session.send(4, '{"Width":80,"Height":24}');
    await eventually('the size arrives', () => node.processes.sizes.includes('80x24'));
    await session.send(255, endOfStdin);
    await endsWith(t, session, { status: 'Success' });
  });

  t.test('attach', async (t) => {
    const session = await connect(node, '/attach/default/web/main?stdout=true');
    await endsWith(t, session, { status: 'Success' });
    t.equal(session.text(1), 'attached\n');
  });

  t.test('another protocol is refused', async (t) => {
    await t.rejects(connect(node, exec('command=true&stdout=1'), ['v9.channel.k8s.io']), { message: /400/ });
  });

  t.test('a client that leaves takes its process along', async (t) => {
    const before = node.processes.closed;
    const session = await connect(node, exec('command=sleep&command=100&stdout=true'));
    session.socket.terminate();
    t.ok(await eventually('the process is ended', () => node.processes.closed > before));
  });

  t.test('twenty megabytes each way arrive unharmed', async (t) => {
    const session = await connect(node, exec('command=cat&stdin=true&stdout=true'));
    const block = Buffer.alloc(32 * 1024, 'weft');
    for (let count = 0; count < 640; count += 1) {
      block.writeUInt32BE(count, 0);
      await session.send(0, block);
    }
    await session.send(255, endOfStdin);
    await endsWith(t, session, { status: 'Success' });
    const output = Buffer.concat(session.channels.get(1) ?? []);
    t.equal(output.length, 640 * block.length);
    let harmed = 0;
    for (let count = 0; count < 640; count += 1) {
      block.writeUInt32BE(count, 0);
      if (!output.subarray(count * block.length, (count + 1) * block.length).equals(block)) harmed += 1;
    }
    t.equal(harmed, 0);
  });

  t.test('a client that does not read stops the process, not the memory', async (t) => {
    const session = await connect(node, exec(`${sh('head -c 200000000 /dev/zero')}&stdout=true`));
    session.socket.pause();
    const before = process.memoryUsage();
    let most = 0;
    for (let look = 0; look < 20; look += 1) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      const now = process.memoryUsage();
      most = Math.max(most, now.external + now.heapUsed - before.external - before.heapUsed);
    }
    t.ok(most < 50e6, `grew by ${Math.round(most / 1e6)} MB of 200`);
    session.socket.terminate();
    await session.closed;
  });
});
