import t from 'tap';
import { decodeArp, encodeArp, nobody } from '../../netns/arp.ts';
import type { ArpPacket } from '../../netns/arp.ts';
import { broadcastMac } from '../../netns/ethernet.ts';

const mac = '02:00:5e:00:53:01';
const other = '02:00:5e:00:53:02';

/** Field by field as RFC 826 lists them: hardware, protocol, their lengths, operation, sender, target. */
const table: { name: string; to: string; packet: ArpPacket; frame: string }[] = [
  {
    name: 'a request (RFC 826)',
    to: broadcastMac,
    packet: {
      operation: 'request',
      sender: { mac, address: '192.0.2.1' },
      target: { mac: nobody.mac, address: '192.0.2.9' },
    },
    frame: 'ffffffffffff 02005e005301 0806 0001 0800 06 04 0001 02005e005301 c0000201 000000000000 c0000209',
  },
  {
    name: 'its reply',
    to: mac,
    packet: {
      operation: 'reply',
      sender: { mac: other, address: '192.0.2.9' },
      target: { mac, address: '192.0.2.1' },
    },
    frame: '02005e005301 02005e005302 0806 0001 0800 06 04 0002 02005e005302 c0000209 02005e005301 c0000201',
  },
  {
    name: 'a probe: nobody asks (RFC 5227 section 2.1.1)',
    to: broadcastMac,
    packet: {
      operation: 'request',
      sender: { mac, address: nobody.address },
      target: { mac: nobody.mac, address: '192.0.2.9' },
    },
    frame: 'ffffffffffff 02005e005301 0806 0001 0800 06 04 0001 02005e005301 00000000 000000000000 c0000209',
  },
  {
    name: 'an announcement: sender and target address are the same (RFC 5227 section 2.3)',
    to: broadcastMac,
    packet: {
      operation: 'request',
      sender: { mac, address: '192.0.2.9' },
      target: { mac: nobody.mac, address: '192.0.2.9' },
    },
    frame: 'ffffffffffff 02005e005301 0806 0001 0800 06 04 0001 02005e005301 c0000209 000000000000 c0000209',
  },
];

const bytes = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

for (const { name, to, packet, frame } of table) {
  t.equal(encodeArp(to, packet).toString('hex'), bytes(frame).toString('hex'), name);
  t.same(decodeArp(bytes(frame)), packet, `${name}, read`);
  t.same(decodeArp(Buffer.concat([bytes(frame), Buffer.alloc(18)])), packet, `${name}, padded to 60 bytes`);
}

const good = table[0]?.frame ?? '';
for (const [name, frame] of [
  ['an empty frame', ''],
  ['a header alone', good.slice(0, 31)],
  ['one byte short', good.slice(0, -2)],
  ['another Ethernet type', good.replace('0806', '0800')],
  ['another hardware', good.replace('0806 0001', '0806 0006')],
  ['another protocol', good.replace('0800 06', '86dd 06')],
  ['other lengths', good.replace('06 04', '06 10')],
  ['another operation', good.replace('06 04 0001', '06 04 0008')],
] as const) {
  t.equal(decodeArp(bytes(frame)), undefined, name);
}
