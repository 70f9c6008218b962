import t from 'tap';
import { decodeEchoReply, encodeEchoRequest } from '../../netns/echo.ts';
import { internetChecksum, pseudoHeader } from '../../netns/internet-checksum.ts';
import { encodeIpPacket, encodeUdp } from '../../netns/ip-packet.ts';
import { encodeVxlan, vxlanOverheadBytes } from '../../netns/vxlan-packet.ts';

const v4 = { source: '10.244.1.1', destination: '10.244.2.1' };
const v6 = { source: 'fd00:10:244:1::1', destination: 'fd00:10:244:2::1' };

t.test('the checksum of RFC 1071', (t) => {
  // The example of its section 3: 0001 f203 f4f5 f6f7 sum up to ddf2.
  t.equal(internetChecksum(Buffer.from('0001f203f4f5f6f7', 'hex')), ~0xddf2 & 0xffff);
  t.equal(internetChecksum(Buffer.from('0001f203', 'hex'), Buffer.from('f4f5f6f7', 'hex')), ~0xddf2 & 0xffff);
  t.equal(internetChecksum(Buffer.of(0x12)), ~0x1200 & 0xffff, 'an odd byte is the first of two');
  t.end();
});

t.test('packets that carry their checksums', (t) => {
  const data = Buffer.from('weft!');
  for (const ends of [v4, v6]) {
    const udp = encodeUdp(ends, [4000, 33434], data);
    t.equal(internetChecksum(pseudoHeader(ends.source, ends.destination, 17, udp.length), udp), 0);
    const packet = encodeIpPacket(ends, 17, udp);
    t.same(packet.subarray(-udp.length), udp);
  }
  const packet = encodeIpPacket(v4, 17, data);
  t.equal(internetChecksum(packet.subarray(0, 20)), 0);
  t.equal(packet.toString('hex', 0, 10), '45000019000040004011', 'length, no fragments, 64 hops, UDP');
  t.equal(encodeIpPacket(v6, 58, data).toString('hex', 0, 8), '6000000000053a40');
  t.end();
});

t.test('echoes', (t) => {
  const mark = { identifier: 0x1234, sequence: 7 };
  for (const [family, ends, header] of [
    ['ipv4', v4, 20],
    ['ipv6', v6, 40],
  ] as const) {
    const request = encodeEchoRequest(ends, mark, 1450);
    t.equal(encodeIpPacket(ends, 1, request).length, 1450, `${family}: the whole packet's length`);
    t.equal(request.length, 1450 - header);
    const received = family === 'ipv4' ? encodeIpPacket(ends, 1, request) : request;
    t.equal(decodeEchoReply(family, received), undefined, 'a request is no reply');
  }
  t.equal(internetChecksum(encodeEchoRequest(v4, mark, 100)), 0);
  const reply = Buffer.from('0000000012340007', 'hex');
  t.same(decodeEchoReply('ipv4', Buffer.concat([encodeIpPacket(v4, 1, Buffer.alloc(0)), reply])), mark);
  t.same(decodeEchoReply('ipv6', Buffer.from('8100000012340007', 'hex')), mark);
  t.equal(decodeEchoReply('ipv6', Buffer.from('810000', 'hex')), undefined, 'cut off');
  t.end();
});

t.test('a datagram of the vxlan', (t) => {
  const macs = { source: '02:00:5e:00:53:01', destination: '02:00:5e:00:53:02' };
  const wrapped = encodeVxlan(117, macs, { source: v4.source, packet: Buffer.from('abcd', 'hex') });
  t.equal(
    wrapped.toString('hex'),
    ['08000000', '00007500', '02005e005302', '02005e005301', '0800', 'abcd'].join(''),
  );
  t.same(vxlanOverheadBytes, { ipv4: 50, ipv6: 70 });
  t.end();
});
