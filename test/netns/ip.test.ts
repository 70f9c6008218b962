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
