import t from 'tap';
import {
  firstFree,
  parseAddressPool,
  poolCIDRs,
  poolContains,
  poolsOverlap,
} from '../../api/address-pool.ts';
import type { AddressPool } from '../../api/address-pool.ts';

function pool(text: string): AddressPool {
  const parsed = parseAddressPool(text);
  if (!parsed) throw new Error(`${text} is no pool`);
  return parsed;
}

function everyAddress(text: string): string[] {
  const taken: string[] = [];
  for (;;) {
    const address = firstFree(pool(text), (each) => !taken.includes(each));
    if (address === undefined) return taken;
    taken.push(address);
  }
}

t.test('all addresses of a pool, from the lowest', (t) => {
  t.same(everyAddress('192.0.2.4/30'), ['192.0.2.4', '192.0.2.5', '192.0.2.6', '192.0.2.7']);
  t.same(everyAddress('192.0.2.254 - 192.0.3.1'), ['192.0.2.254', '192.0.2.255', '192.0.3.0', '192.0.3.1']);
  t.same(everyAddress('192.0.2.9-192.0.2.9'), ['192.0.2.9']);
  t.same(everyAddress('255.255.255.255/32'), ['255.255.255.255']);
  t.same(everyAddress('2001:DB8::fffe-2001:db8::1:0'), ['2001:db8::fffe', '2001:db8::ffff', '2001:db8::1:0']);
  t.same(everyAddress('2001:db8::/127'), ['2001:db8::', '2001:db8::1']);
  t.end();
});

t.test('the ranges of a pool', (t) => {
  const ranges = (text: string): string[] => poolCIDRs(pool(text));
  t.same(ranges('192.0.2.16/28'), ['192.0.2.16/28']);
  t.same(ranges('192.0.2.9-192.0.2.9'), ['192.0.2.9/32']);
  t.same(ranges('192.0.2.5-192.0.2.18'), [
    '192.0.2.5/32',
    '192.0.2.6/31',
    '192.0.2.8/29',
    '192.0.2.16/31',
    '192.0.2.18/32',
  ]);
  t.same(ranges('0.0.0.0/0'), ['0.0.0.0/0']);
  t.same(ranges('255.255.255.254/31'), ['255.255.255.254/31']);
  t.same(ranges('2001:db8::fffe-2001:db8::1:0'), ['2001:db8::fffe/127', '2001:db8::1:0/128']);
  t.end();
});

t.test('what is no pool', (t) => {
  for (const text of [
    '',
    'x',
    '192.0.2.1',
    '192.0.2.0/33',
    '10.1/16',
    '192.0.2.2-192.0.2.1',
    '192.0.2.1-2001:db8::1',
    '1-2-3',
    '2001:db8::/129',
    '192.0.2.0/ 24x',
  ]) {
    t.equal(parseAddressPool(text), undefined, text);
  }
  t.end();
});

t.test('inside and overlap', (t) => {
  t.ok(poolContains(pool('192.0.2.0/28'), '192.0.2.15'));
  t.notOk(poolContains(pool('192.0.2.0/28'), '192.0.2.16'));
  t.notOk(poolContains(pool('192.0.2.0/28'), '2001:db8::1'));
  t.ok(poolContains(pool('2001:db8::/64'), '2001:db8:0:0::7'));
  t.ok(poolsOverlap(pool('192.0.2.0/28'), pool('192.0.2.15-192.0.2.20')));
  t.notOk(poolsOverlap(pool('192.0.2.0/28'), pool('192.0.2.16-192.0.2.20')));
  t.notOk(poolsOverlap(pool('0.0.0.0/0'), pool('::/0')));
  t.end();
});
