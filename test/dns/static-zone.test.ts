import t from 'tap';
import { staticZone } from '../../dns/static-zone.ts';
import { ask } from './exchange.ts';

const zone = staticZone({
  'example.test': [
    'A 192.0.2.1',
    'A 192.0.2.2',
    '60 AAAA 2001:db8::1',
    'MX 10 mail.example.test',
    'TXT "v=1 x" plain',
  ],
  'www.example.test': ['CNAME example.test.'],
  'loop.test': ['CNAME loop.test'],
  'deep.below.test': ['IN SRV 1 2 80 example.test', 'NS ns.test', '5 IN PTR example.test'],
});

t.test('records as they were given', async (t) => {
  const table: [question: string, rcode: string, ...answer: string[]][] = [
    ['example.test AAAA', 'NOERROR', 'example.test. 60 AAAA 2001:db8::1'],
    ['example.test TXT', 'NOERROR', 'example.test. 300 TXT "v=1 x" "plain"'],
    [
      'www.example.test AAAA',
      'NOERROR',
      'www.example.test. 300 CNAME example.test.',
      'example.test. 60 AAAA 2001:db8::1',
    ],
    ['deep.below.test SRV', 'NOERROR', 'deep.below.test. 300 SRV 1 2 80 example.test.'],
    ['deep.below.test PTR', 'NOERROR', 'deep.below.test. 5 PTR example.test.'],
    ['deep.below.test A', 'NOERROR'],
    ['below.test A', 'NOERROR'],
    ['nope.test A', 'NXDOMAIN'],
    ['x.example.test A', 'NXDOMAIN'],
  ];
  for (const [question, rcode, ...answer] of table) {
    const [name = '', type = ''] = question.split(' ');
    const reply = await ask(zone, name, type);
    t.match(reply, { rcode, flags: 'qr aa rd ra' }, question);
    t.strictSame(reply.answer, answer, question);
  }
  t.equal((await ask(zone, 'example.test', 'A')).answer.length, 2);
  t.ok((await ask(zone, 'loop.test', 'A')).answer.length < 10, 'an endless alias ends');
});

t.test('records that cannot be read are refused', (t) => {
  for (const record of [
    '',
    'A',
    'A 1.2.3',
    'AAAA 192.0.2.1',
    'A 2001:db8::1',
    'WKS 1',
    '5 5 A 192.0.2.1',
    'SRV 1 2',
  ]) {
    t.throws(() => staticZone({ 'a.test': [record] }), { code: /Bad/ }, record);
  }
  t.throws(() => staticZone({ 'a..test': ['A 192.0.2.1'] }), { code: 'BadName' });
  t.end();
});
