import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import t, { type Test } from 'tap';
import { ClusterNames } from '../../../agent/names/names.ts';
import type { AgentContext } from '../../../agent/subsystem.ts';
import type { Service } from '../../../api/kinds/service.ts';
import { FrameReader } from '../../../dns/frame-reader.ts';
import { encodeQuery } from '../../../rig/dns-query.ts';
import { readReply } from '../../dns/exchange.ts';
import { hostilePackets, knownKillers } from '../../../rig/hostile-packets.ts';
import { FakeCache } from '../../../rig/fake-cache.ts';
import { clusterDns, forwarding } from './forwarding.ts';

/* The long form of these tests is `scripts/soak dns-fuzz`. */

const NAME = 'web.default.svc.cluster.local';
const UDP_PACKETS = 20_000;
const TCP_PACKETS = 4_000;

/** The agent's own server, worker and all, with one Service. */
async function serve(
  t: Test,
): Promise<{ names: ClusterNames; port: number; log: string[]; metrics: Registry }> {
  const caches = {
    services: new FakeCache<Service>(() => 'default/web'),
    endpointSlices: new FakeCache(() => ''),
    namespaces: new FakeCache(() => 'default'),
    allPods: new FakeCache(() => ''),
  };
  caches.services.set({
    metadata: { name: 'web', namespace: 'default' },
    spec: { clusterIP: '10.96.0.6', ports: [{ name: 'http', port: 80 }] },
  });
  caches.namespaces.set({ metadata: { name: 'default' } });
  const log: string[] = [];
  const metrics = new Registry();
  const names = new ClusterNames(
    {
      nodeName: 'node-1',
      cluster: {
        clusterCIDRs: ['10.244.0.0/16'],
        serviceCIDRs: ['10.96.0.0/16'],
        dnsIPs: ['127.0.0.1'],
        zone: 'cluster.local',
      },
      config: { upstreams: ['127.0.0.1:1'], forwarding, clusterDns, dnsWorkers: 1 },
      caches,
      log: pino({ level: 'error' }, { write: (line) => void log.push(line) }),
      metrics,
    } as unknown as AgentContext,
    { port: 0 },
  );
  t.teardown(() => names.stop());
  // Only who knows all names listens.
  for (const cache of Object.values(caches)) cache.sync();
  await names.start();
  return { names, port: names.addresses[0]?.port ?? 0, log, metrics };
}

/** Asks until there is an answer, as resolvers do: a packet may be lost among so many. */
async function askOverUdp(t: Test, port: number): Promise<string[]> {
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  const answered = once(socket, 'message') as Promise<[Buffer]>;
  const again = setInterval(() => socket.send(encodeQuery(NAME, 'A'), port, '127.0.0.1'), 100);
  const [answer] = await answered;
  clearInterval(again);
  return readReply(answer).answer;
}

/** Those that were read, and those that were too many for a client to have read. */
async function countPackets(metrics: Registry): Promise<number> {
  const text = await metrics.metrics();
  const counts = text.matchAll(/^weft_dns_(?:requests|refused)_total\{.*\} (\d+)$/gm);
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

function isAnswer(bytes: Buffer): boolean {
  return bytes.length >= 12 && (bytes.readUInt16BE(2) & 0x8000) !== 0;
}

t.test(
  'hostile packets over UDP: no crash, no amplification, and answers for who asks properly',
  async (t) => {
    const { names, port, log, metrics } = await serve(t);
    t.strictSame(await askOverUdp(t, port), [`${NAME}. 5 A 10.96.0.6`]);
    const socket = createSocket('udp4');
    t.teardown(() => socket.close());
    let wrong = 0;
    let answers = 0;
    socket.on('message', (bytes: Buffer) => {
      answers += 1;
      if (!isAnswer(bytes) || bytes.length > 1232) wrong += 1;
    });
    const packets = hostilePackets(4711);
    for (let sent = 0; sent < UDP_PACKETS; sent += 1) {
      const packet = sent < knownKillers.length ? knownKillers[sent] : packets.next().value;
      socket.send(packet ?? '', port, '127.0.0.1');
      // Not more than wait in the socket: all of them shall arrive.
      if (sent % 200 === 0) await sleep(1);
    }
    t.strictSame(await askOverUdp(t, port), [`${NAME}. 5 A 10.96.0.6`]);
    t.ok(answers > 0);
    t.equal(wrong, 0, 'all of them answers, none longer than may be');
    // Those that wait for an upstream server count later.
    const counted = await countPackets(metrics);
    t.ok(counted > UDP_PACKETS / 2, `${counted} were looked at`);
    t.strictSame(log, [], 'no crash, and nothing that a client could fill the log with');
    t.match(names.health(), { ready: true });
  },
);

t.test('hostile packets over TCP: whole, cut off, and in small pieces', async (t) => {
  const { names, port, log } = await serve(t);
  const packets = hostilePackets(815);
  for (let round = 0; round < TCP_PACKETS / 100; round += 1) {
    const socket = connect({ host: '127.0.0.1', port });
    t.teardown(() => socket.destroy());
    socket.on('error', () => undefined);
    socket.resume();
    const frames = Buffer.concat(Array.from({ length: 100 }, () => frameOf(packets.next().value)));
    if (round % 4 === 0) for (let at = 0; at < 500; at += 7) socket.write(frames.subarray(at, at + 7));
    else socket.write(frames);
    if (round % 4 === 1) socket.end();
    if (round % 4 === 2) socket.destroySoon();
  }
  const good = connect({ host: '127.0.0.1', port });
  t.teardown(() => good.destroy());
  good.write(frameOf(encodeQuery(NAME, 'A')));
  t.strictSame(readReply(await nextFrame(good)).answer, [`${NAME}. 5 A 10.96.0.6`]);
  t.strictSame(log, []);
  t.match(names.health(), { ready: true });
});

function frameOf(packet: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(packet.length);
  return Buffer.concat([length, packet]);
}

async function nextFrame(socket: Socket): Promise<Buffer> {
  const frames = new FrameReader();
  for (;;) {
    const frame = frames.next();
    if (frame) return frame;
    const [bytes] = (await once(socket, 'data')) as [Buffer];
    frames.push(bytes);
  }
}
