import { randomBytes } from 'node:crypto';
import t from 'tap';
import { announcementsOf, probeFor, readFrame } from '../../../agent/announce/frames.ts';
import { linksFor, unusableNames } from '../../../agent/announce/links.ts';
import { decodeArp, encodeArp, nobody } from '../../../netns/arp.ts';
import { broadcastMac, decodeHeader } from '../../../netns/ethernet.ts';
import { decodeNeighborMessage, encodeNeighborMessage } from '../../../netns/neighbor-discovery.ts';

const ours = '02:00:5e:00:53:01';
const client = '02:00:5e:00:53:02';
const [v4, v6] = ['192.0.2.16', '2001:db8::10'];

t.test('questions are answered to whoever asks', (t) => {
  const sender = { mac: client, address: '192.0.2.1' };
  const target = { mac: nobody.mac, address: v4 };
  const heard = readFrame(encodeArp(broadcastMac, { operation: 'request', sender, target }), ours);
  t.match(heard, { kind: 'question', address: v4 });
  const reply = heard?.kind === 'question' ? heard.reply : Buffer.alloc(0);
  t.strictSame(decodeArp(reply), { operation: 'reply', sender: { mac: ours, address: v4 }, target: sender });
  t.equal(decodeHeader(reply)?.destination, client);

  for (const [source, destination, to] of [
    ['2001:db8::1', '2001:db8::1', client],
    ['::', 'ff02::1', '33:33:00:00:00:01'],
  ] as const) {
    const macs = { source: client, destination: '33:33:ff:00:00:10' };
    const message = { type: 'solicitation', source, destination: 'ff02::1:ff00:10', target: v6 } as const;
    const asked = readFrame(encodeNeighborMessage(macs, message), ours);
    const answer = asked?.kind === 'question' ? asked.reply : Buffer.alloc(0);
    t.equal(decodeHeader(answer)?.destination, to);
    t.match(decodeNeighborMessage(answer), {
      type: 'advertisement',
      destination,
      target: v6,
      linkAddress: ours,
      solicited: source !== '::',
      override: true,
    });
  }
  t.end();
});

t.test('nobody is made to answer everybody', (t) => {
  const sender = { mac: broadcastMac, address: '192.0.2.1' };
  const target = { mac: nobody.mac, address: v4 };
  t.equal(readFrame(encodeArp(broadcastMac, { operation: 'request', sender, target }), ours), undefined);
  const message = {
    type: 'solicitation',
    source: '2001:db8::1',
    destination: 'ff02::1:ff00:10',
    target: v6,
  } as const;
  const macs = { source: '33:33:00:00:00:01', destination: '33:33:ff:00:00:10' };
  t.equal(readFrame(encodeNeighborMessage(macs, message), ours), undefined);
  t.end();
});

t.test('what one node says, another understands', (t) => {
  for (const address of [v4, v6]) {
    for (const frame of announcementsOf(address, client)) {
      t.strictSame(readFrame(frame, ours), { kind: 'claim', address, mac: client }, 'an announcement claims');
    }
    t.match(readFrame(probeFor(address, client), ours), { kind: 'question', address }, 'a probe asks');
  }
  t.end();
});

t.test('nothing that comes from the link does harm', (t) => {
  const frames = [...announcementsOf(v4, client), ...announcementsOf(v6, client), probeFor(v6, client)];
  for (let i = 0; i < 5_000; i += 1) {
    const frame = Buffer.from(frames[i % frames.length] ?? []);
    const noise = randomBytes(3);
    frame[(noise[0] ?? 0) % frame.length] = noise[1] ?? 0;
    readFrame(frame.subarray(0, (noise[2] ?? 0) % 2 === 0 ? frame.length : noise[2]), ours);
  }
  t.pass('none made it throw');
  t.end();
});

t.test('the link of an address', (t) => {
  const link = (ifindex: number, name: string, mac = `02:00:00:00:00:0${ifindex}`, up = true) => ({
    ifindex,
    name,
    mac,
    up,
  });
  const links = [
    link(1, 'lo', '00:00:00:00:00:00'),
    link(2, 'eth0'),
    link(3, 'eth1'),
    link(4, 'eth2', undefined, false),
    link(5, 'wg0', ''),
    link(6, 'weft0'),
  ];
  const on = (ifindex: number, address: string, prefix: number) => ({ ifindex, address, prefix });
  const addresses = [
    on(1, '127.0.0.1', 8),
    on(2, '192.0.2.1', 24),
    on(2, '2001:db8::1', 64),
    on(3, '198.51.100.1', 24),
    on(3, '192.0.2.2', 24),
    on(4, '203.0.113.1', 24),
    on(5, '10.9.0.1', 24),
    on(6, '10.244.1.1', 24),
    on(3, '203.0.113.9', 32),
  ];
  const find = (address: string, nodeIPs = ['192.0.2.1', '2001:db8::1'], names: string[] = []): string =>
    linksFor(address, { links, addresses, nodeIPs, names })
      .map(({ name }) => name)
      .join(' ');
  t.equal(find('192.0.2.16'), 'eth0', "of two cards in its subnet the one with the node's address");
  t.equal(find('192.0.2.16', ['192.0.2.2']), 'eth1');
  t.equal(find('198.51.100.16'), 'eth1', 'another subnet of the node');
  t.equal(find('2001:db8::10'), 'eth0');
  t.equal(find('203.0.113.16'), 'eth0', "a link that is down is none: the node's own");
  t.equal(find('10.9.0.16'), 'eth0', 'a tunnel has no neighbours');
  t.equal(find('10.244.1.16'), 'eth0', 'nor our own bridge');
  t.equal(find('192.0.2.16', undefined, ['eth1', 'eth0', 'eth2']), 'eth0 eth1', 'those that were named');
  t.equal(find('192.0.2.16', [], ['eth9']), '', 'and no others');
  t.equal(find('203.0.113.16', []), '', 'none at all');
  const names = ['eth0', 'eth2', 'eht1', 'wg0', 'weft0'];
  const unusable = ['eth2', 'eht1', 'wg0', 'weft0'];
  t.strictSame(unusableNames({ links, addresses, nodeIPs: [], names }), unusable, 'names that help nobody');
  t.end();
});
