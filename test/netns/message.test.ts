import t from 'tap';
import * as m from '../../netns/message.ts';

t.test('a message is a header, the payload and padding', (t) => {
  const bytes = m.encodeMessage(16, m.NLM_F_REQUEST | m.NLM_F_ACK, 7, Buffer.of(1, 2, 3));
  t.equal(bytes.toString('hex'), '13000000100005000700000000000000' + '01020300');
  t.same(
    [...m.decodeMessages(bytes)],
    [{ type: 16, flags: 5, sequence: 7, port: 0, payload: Buffer.of(1, 2, 3) }],
  );
  t.end();
});

t.test('several messages of one datagram', (t) => {
  const datagram = Buffer.concat([
    m.encodeMessage(1, 0, 1, Buffer.of(1)),
    m.encodeMessage(2, 0, 2, Buffer.alloc(0)),
    m.encodeMessage(3, 0, 3, Buffer.of(3)),
  ]);
  t.same(
    Array.from(m.decodeMessages(datagram), ({ type }) => type),
    [1, 2, 3],
  );
  t.end();
});

t.test('attributes', (t) => {
  const cases: [string, Buffer, string][] = [
    ['u8', m.encodeU8(1, 255), '05000100ff000000'],
    ['u16, network order', m.encodeU16BE(2, 8472), '0600020021180000'],
    ['u32', m.encodeU32(3, 0xfffffffe), '08000300feffffff'],
    ['string', m.encodeString(4, 'lo'), '070004006c6f0000'],
    ['nested', m.encodeNested(5, m.encodeU8(1, 2)), '0c000580' + '0500010002000000'],
    ['empty', m.encodeAttribute(6, Buffer.alloc(0)), '04000600'],
  ];
  for (const [name, bytes, hex] of cases) t.equal(bytes.toString('hex'), hex, name);
  const decoded = m.decodeAttributes(Buffer.concat([Buffer.alloc(4), ...cases.map(([, bytes]) => bytes)]), 4);
  t.same([...decoded.keys()], [1, 2, 3, 4, 5, 6]);
  t.equal(m.decodeString(decoded.get(4) ?? Buffer.alloc(0)), 'lo');
  t.same([...m.decodeNested(decoded, 5)], [[1, Buffer.of(2)]]);
  t.same([...m.decodeNested(decoded, 99)], [], 'absent');
  t.end();
});

t.test('bytes that are cut or lie about their length', (t) => {
  const message = m.encodeMessage(1, 0, 1, Buffer.alloc(8));
  t.throws(() => [...m.decodeMessages(message.subarray(0, 20))], RangeError);
  const endless = Buffer.from(message);
  endless.writeUInt32LE(0, 0);
  t.throws(() => [...m.decodeMessages(endless)], RangeError, 'a length of zero must not loop');
  t.throws(() => m.decodeAttributes(Buffer.of(8, 0, 1, 0, 0, 0)), RangeError);
  t.throws(() => m.decodeAttributes(Buffer.of(0, 0, 1, 0)), RangeError, 'a length of zero must not loop');
  t.end();
});
