import packet from 'dns-packet';
import t from 'tap';
import { DnsError } from '../../dns/dns-error.ts';
import { decodeMessage, isAnswer } from '../../dns/message.ts';
import { renderRecord } from '../../dns/records.ts';

const answer = packet.encode({
  type: 'response',
  id: 99,
  flags: packet.RECURSION_DESIRED | packet.RECURSION_AVAILABLE,
  questions: [{ name: 'WWW.example.test', type: 'A' }],
  answers: [
    { name: 'WWW.example.test', type: 'CNAME', ttl: 60, data: 'web.example.test' },
    { name: 'web.example.test', type: 'A', ttl: 30, data: '192.0.2.1' },
    { name: 'web.example.test', type: 'AAAA', ttl: 30, data: '2001:db8::1' },
    {
      name: 'web.example.test',
      type: 'MX',
      ttl: 30,
      data: { preference: 10, exchange: 'mail.example.test' },
    },
    { name: 'web.example.test', type: 'TXT', ttl: 30, data: ['one', 'two "2"'] },
    {
      name: '_x._tcp.example.test',
      type: 'SRV',
      ttl: 30,
      data: { port: 80, weight: 2, priority: 1, target: 'web.example.test' },
    },
    { name: 'web.example.test', type: 'CAA', ttl: 30, data: { tag: 'issue', value: 'ca.test' } },
  ],
  authorities: [
    {
      name: 'example.test',
      type: 'SOA',
      ttl: 5,
      data: {
        mname: 'ns.example.test',
        rname: 'root.example.test',
        serial: 7,
        refresh: 1,
        retry: 2,
        expire: 3,
        minimum: 4,
      },
    },
  ],
  additionals: [
    { name: 'ns.example.test', type: 'A', ttl: 30, data: '192.0.2.53' },
    {
      type: 'OPT',
      name: '.',
      udpPayloadSize: 1232,
      extendedRcode: 1,
      ednsVersion: 0,
      flags: 0,
      flag_do: false,
      options: [],
    },
  ],
});

/** The bytes 192.0.2.1, where they stand in {@link answer}. */
const addressAt = answer.indexOf(Buffer.from([192, 0, 2, 1]));

t.test('each record is read whole, compressed names written out', (t) => {
  const message = decodeMessage(answer);
  t.match(message, { id: 99, rcode: 16, name: '\x03www\x07example\x04test\0', type: 1, class: 1 });
  t.ok(isAnswer(message.flags));
  t.strictSame(message.answer.map(renderRecord), [
    'www.example.test. 60 IN CNAME web.example.test.',
    'web.example.test. 30 IN A 192.0.2.1',
    'web.example.test. 30 IN AAAA 2001:db8::1',
    'web.example.test. 30 IN MX 10 mail.example.test.',
    'web.example.test. 30 IN TXT "one" "two \\"2\\""',
    '_x._tcp.example.test. 30 IN SRV 1 2 80 web.example.test.',
    'web.example.test. 30 IN TYPE257 \\# 14 0005697373756563612e74657374',
  ]);
  t.strictSame(message.authority.map(renderRecord), [
    'example.test. 5 IN SOA ns.example.test. root.example.test. 7 1 2 3 4',
  ]);
  t.strictSame(message.additional.map(renderRecord), ['ns.example.test. 30 IN A 192.0.2.53'], 'without OPT');
  t.end();
});

/** Reads it, or finds it bad; anything else is a defect. */
function isReadable(bytes: Buffer): boolean {
  try {
    decodeMessage(bytes);
    return true;
  } catch (error) {
    if (error instanceof DnsError && error.code === 'BadMessage') return false;
    throw error;
  }
}

t.test('a message cut off at any byte is refused', (t) => {
  for (let length = 0; length < answer.length; length += 1) {
    t.notOk(isReadable(answer.subarray(0, length)), `${length} bytes`);
  }
  t.end();
});

t.test('pointers that lead nowhere or in circles', (t) => {
  const header = Buffer.from('000181800001000100000000', 'hex');
  const question = Buffer.from('0161000001' + '0001', 'hex');
  const fixed = Buffer.from('0001' + '0001' + '00000005' + '0004' + 'c0000201', 'hex');
  const withOwner = (owner: number[]): Buffer => Buffer.concat([header, question, Buffer.from(owner), fixed]);
  const at = header.length + question.length;
  t.ok(isReadable(withOwner([0xc0, 12])));
  t.notOk(isReadable(withOwner([0xc0, at])), 'itself');
  t.notOk(isReadable(withOwner([1, 0x61, 0xc0, at])), 'its own label: longer and longer');
  t.notOk(isReadable(withOwner([0xc0, at + 2])), 'forwards');
  t.notOk(isReadable(withOwner([0xc0, 0])), 'the header');
  t.notOk(isReadable(withOwner([0x40])), 'a label of an unknown kind');
  t.end();
});

t.test('chains of pointers cost little', (t) => {
  // Each record's owner points to the owner before: as many steps as there are pointers, without a limit.
  const count = 5000;
  const header = Buffer.from('000181800001000000000000', 'hex');
  header.writeUInt16BE(count, 6);
  const parts = [header, Buffer.from('016100' + '0001' + '0001', 'hex')];
  for (let index = 0; index < count; index += 1) {
    const pointer = index === 0 ? 12 : 19 + (index - 1) * 12;
    const record = Buffer.from('c000' + '0001' + '0001' + '00000005' + '0000', 'hex');
    record.writeUInt16BE(0xc000 | Math.min(pointer, 0x3fff), 0);
    parts.push(record);
  }
  t.notOk(isReadable(Buffer.concat(parts)));
  t.end();
});

t.test('counts that promise more than there is', (t) => {
  t.notOk(isReadable(Buffer.from('00018180ffffffffffffffff', 'hex')));
  t.notOk(isReadable(Buffer.from('000181800001ffffffffffff' + '0161000001' + '0001', 'hex')));
  t.end();
});

t.test('a TTL with its top bit set counts as none', (t) => {
  const changed = Buffer.from(answer);
  changed.writeUInt32BE(0x80000001, addressAt - 6);
  t.equal(decodeMessage(changed).answer[1]?.ttlSeconds, 0);
  t.end();
});

t.test('each byte changed to each telling value', (t) => {
  let readable = 0;
  for (let at = 0; at < answer.length; at += 1) {
    for (const value of [0, 1, 0x3f, 0x40, 0x80, 0xc0, 0xc1, 0xff]) {
      const changed = Buffer.from(answer);
      changed[at] = value;
      if (isReadable(changed)) readable += 1;
    }
  }
  t.ok(readable > 0 && readable < answer.length * 8, `${readable} readable`);
  t.end();
});
