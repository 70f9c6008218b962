import { isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';
import t from 'tap';
import * as ip from '../../netns/ip.ts';
import { deriveMac, encodeMac } from '../../netns/mac.ts';

t.test('addresses as bytes and back', (t) => {
  const cases = [
    ['10.244.1.2', '0af40102'],
    ['fd00:10:244:1::2', 'fd000010024400010000000000000002'],
    ['::', '0'.repeat(32)],
  ] as const;
  for (const [text, hex] of cases) {
    t.equal(ip.encodeIp(text).toString('hex'), hex);
    t.equal(ip.decodeIp(Buffer.from(hex, 'hex')), text);
  }
  t.throws(() => ip.encodeIp('10.244.1'));
  t.throws(() => ip.encodeIp('nonsense'));
  t.end();
});

/** Numbers that look random and are the same each time. */
function* randoms(): Generator<number> {
  for (let state = 1; ; state = (state * 48_271) % 0x7fff_ffff) yield state;
}

t.test('IPv6 addresses are read and written as ipaddr.js does', (t) => {
  const random = randoms();
  const next = (below: number): number => (random.next().value as number) % below;
  const wrong: string[] = [];
  for (let i = 0; i < 3_000; i += 1) {
    const bytes = Array.from({ length: 16 }, (_, at) => (next(3) === 0 ? next(256) : at % 2 ? next(2) : 0));
    const expected = ipaddr.fromByteArray(bytes).toString();
    const text = ip.decodeIp(Uint8Array.from(bytes));
    const long = Buffer.from(bytes)
      .toString('hex')
      .replace(/....(?=.)/g, '$&:');
    const forms = [text, text.toUpperCase(), long, `${text}%eth0`];
    const read = forms.map((form) => ip.encodeIp(form).toString('hex'));
    if (text !== expected || read.some((hex) => hex !== Buffer.from(bytes).toString('hex')))
      wrong.push(expected);
  }
  t.same(wrong, []);
  t.equal(ip.encodeIp('::ffff:10.244.1.2').toString('hex'), '00000000000000000000ffff0af40102');
  t.equal(ip.encodeIp('64:ff9b::192.0.2.33').toString('hex'), '0064ff9b0000000000000000c0000221');
  t.end();
});

t.test('what is no address is refused', (t) => {
  const pieces = [
    '::',
    ':',
    '0',
    'f00',
    'fd00',
    '10',
    '12345',
    '.',
    '10.0.0.1',
    '256',
    '01',
    '%',
    'x',
    ' ',
    '-1',
  ];
  const random = randoms();
  const wrong: string[] = [];
  for (let i = 0; i < 5_000; i += 1) {
    const count = 1 + ((random.next().value as number) % 9);
    const text = Array.from(
      { length: count },
      () => pieces[(random.next().value as number) % pieces.length],
    ).join('');
    const isAddress = text.includes(':') ? isIPv6(text) : ipaddr.IPv4.isValidFourPartDecimal(text);
    try {
      const { length } = ip.encodeIp(text);
      if (!isAddress || length !== (text.includes(':') ? 16 : 4)) wrong.push(text);
    } catch (error) {
      if (isAddress || !(error instanceof RangeError)) wrong.push(text);
    }
  }
  t.same(wrong, []);
  t.end();
});

t.test('ranges', (t) => {
  const v4 = ip.parseCidr('10.244.1.7/24');
  t.equal(ip.renderCidr(v4), '10.244.1.0/24', 'bits behind the prefix do not count');
  t.equal(v4.size, 256n);
  t.equal(ip.addressAt(v4, 1n), '10.244.1.1');
  t.equal(ip.addressAt(v4, 255n), '10.244.1.255');
  const v6 = ip.parseCidr('fd00:10:244:1::/64');
  t.equal(v6.size, 1n << 64n);
  t.equal(ip.addressAt(v6, (1n << 64n) - 1n), 'fd00:10:244:1:ffff:ffff:ffff:ffff');
  t.equal(ip.positionIn(v4, '10.244.1.9'), 9n);
  t.equal(ip.positionIn(v4, '10.244.2.0'), undefined);
  t.equal(ip.positionIn(v4, 'fd00::1'), undefined, 'another family');
  for (const bad of ['10.244.1.0', '10.244.1/24', '10.244.1.0/33', '10.244.1.0/', 'x/8', 'fd00::/129'])
    t.throws(() => ip.parseCidr(bad), bad);
  t.end();
});

t.test('overlapping ranges', (t) => {
  const cases: [string, string, boolean][] = [
    ['10.244.1.0/24', '10.244.1.0/24', true],
    ['10.244.0.0/16', '10.244.1.0/24', true],
    ['10.244.1.128/25', '10.244.1.0/24', true],
    ['10.244.1.0/24', '10.244.2.0/24', false],
    ['fd00::/64', 'fd00:0:0:1::/64', false],
    ['0.0.0.0/0', '::/0', false],
  ];
  for (const [a, b, expected] of cases) {
    t.equal(ip.overlap(ip.parseCidr(a), ip.parseCidr(b)), expected, `${a} and ${b}`);
    t.equal(ip.overlap(ip.parseCidr(b), ip.parseCidr(a)), expected, `${b} and ${a}`);
  }
  t.end();
});

t.test('derived hardware addresses are unicast, locally administered, and differ', (t) => {
  const macs = Array.from({ length: 500 }, (_, i) => deriveMac(`node${i}`));
  t.equal(new Set(macs).size, 500);
  for (const mac of macs) if (((encodeMac(mac)[0] ?? 0) & 3) !== 2) t.fail(mac);
  t.equal(deriveMac('node1'), deriveMac('node1'));
  t.end();
});
