import t from 'tap';
import { clusterRanges, ShareTable } from '../../../../api/controllers/nodes/node-ranges.ts';
import { TakenNumbers } from '../../../../api/controllers/nodes/taken-numbers.ts';

function tableOf(cidr: string, maskSizes = { ipv4: 24, ipv6: 64 }): ShareTable {
  const [range] = clusterRanges([cidr], maskSizes);
  if (!range) throw new Error('one range');
  return new ShareTable(range);
}

/** Hands out so many shares that nodes then have. */
function handOut(table: ShareTable, count: number): (string | undefined)[] {
  return Array.from({ length: count }, () => {
    const share = table.next();
    if (share) {
      table.pass(share);
      table.take(share.cidr);
    }
    return share?.cidr;
  });
}

t.test('ranges are cut into shares', (t) => {
  t.same(handOut(tableOf('10.244.0.0/16'), 2), ['10.244.0.0/24', '10.244.1.0/24']);
  const v6 = tableOf('fd00:10:244::/56');
  t.equal(handOut(v6, 256).at(-1), 'fd00:10:244:ff::/64');
  t.equal(v6.next(), undefined, 'all are taken');
  v6.release('fd00:10:244:7::/64');
  t.same(handOut(v6, 2), ['fd00:10:244:7::/64', undefined]);
  const odd = { ipv4: 25, ipv6: 64 };
  t.same(handOut(tableOf('10.1.128.0/17', odd), 4).at(-1), '10.1.129.128/25');
  t.same(handOut(tableOf('10.1.2.0/24'), 2), ['10.1.2.0/24', undefined], 'one for all');
  t.end();
});

t.test('a share that was given back is taken again as late as possible', (t) => {
  const table = tableOf('10.244.0.0/22');
  t.same(handOut(table, 2), ['10.244.0.0/24', '10.244.1.0/24']);
  table.release('10.244.0.0/24');
  t.same(handOut(table, 4), ['10.244.2.0/24', '10.244.3.0/24', '10.244.0.0/24', undefined]);
  t.end();
});

t.test('what a node has of a range is not free', (t) => {
  const free: [string, string | undefined][] = [
    ['10.244.0.0/24', '10.244.1.0/24'],
    ['10.244.0.128/25', '10.244.1.0/24'],
    ['10.244.0.0/22', '10.244.4.0/24'],
    ['10.0.0.0/8', undefined],
    ['0.0.0.0/0', undefined],
    ['10.244.7.0/24', '10.244.0.0/24'],
    ['10.245.0.0/24', '10.244.0.0/24'],
    ['fd00::/64', '10.244.0.0/24'],
  ];
  for (const [cidr, expected] of free) {
    const table = tableOf('10.244.0.0/16');
    table.take(cidr);
    t.equal(table.next()?.cidr, expected, cidr);
    table.release(cidr);
    t.equal(table.next()?.cidr, '10.244.0.0/24', `${cidr} given back`);
  }
  t.end();
});

t.test('two that have the same must both give it back', (t) => {
  const table = tableOf('10.244.0.0/16');
  table.take('10.244.0.0/24');
  table.take('10.244.0.0/23');
  table.release('10.244.0.0/24');
  t.equal(table.next()?.cidr, '10.244.2.0/24');
  table.release('10.244.0.0/23');
  t.equal(table.next()?.cidr, '10.244.0.0/24');
  t.end();
});

t.test('the next free number is the one that a search would find', (t) => {
  let state = 117;
  const random = (below: number): number => (state = (state * 48_271) % 0x7fff_ffff) % below;
  for (const count of [1, 31, 32, 33, 1000, 1024, 20_000]) {
    const numbers = new TakenNumbers(count);
    const taken: { readonly first: number; readonly last: number }[] = [];
    const wrong: string[] = [];
    for (let step = 0; step < 300; step += 1) {
      if (random(3) > 0) {
        const first = random(count);
        const last = Math.min(count - 1, first + random(random(8) === 0 ? 6_000 : 60));
        taken.push({ first, last });
        numbers.take({ first, last });
      } else if (taken.length > 0) {
        const [span] = taken.splice(random(taken.length), 1);
        if (span) numbers.release(span);
      }
      const from = random(count);
      let expected: number | undefined = from;
      for (;;) {
        const at: number = expected;
        const around = taken.find(({ first, last }) => first <= at && at <= last);
        if (!around) break;
        expected = around.last + 1;
      }
      if (expected >= count) expected = undefined;
      const found = numbers.nextFree(from);
      if (found !== expected) wrong.push(`of ${count} from ${from}: ${found} instead of ${expected}`);
    }
    t.same(wrong, [], `${count} numbers`);
  }
  t.end();
});

t.test('a search looks at a few words, however many numbers are taken', (t) => {
  const numbers = new TakenNumbers(65_536);
  for (let number = 0; number < 65_535; number += 1) numbers.take({ first: number, last: number });
  const get = Reflect.get(Map.prototype, 'get') as Map<unknown, unknown>['get'];
  const looks = t.capture(Map.prototype, 'get', get);
  t.equal(numbers.nextFree(0), 65_535);
  t.ok(looks().length <= 8, 'four levels up, four down');
  t.end();
});
