import t from 'tap';
import { ProbeSchedule } from '../../../agent/paths/schedule.ts';
import type { PathTarget } from '../../../agent/paths/target.ts';
import { isSameTarget } from '../../../agent/paths/target.ts';

function target(number: number, destination = `10.244.${number}.1`): PathTarget {
  const ends = { source: '10.244.1.1', destination };
  return { node: `node${number}`, range: `10.244.${number}.0/24`, family: 'ipv4', mtu: 1450, way: { ends } };
}

t.test('each in its turn', (t) => {
  const schedule = new ProbeSchedule(isSameTarget);
  t.equal(schedule.nextMs, Infinity);
  const [two, three] = [target(2), target(3)];
  t.same(schedule.replace([two, three], 0), []);
  t.equal(schedule.take(0), two);
  t.equal(schedule.take(0), three);
  t.equal(schedule.take(1e9), undefined, 'both are being looked at');
  t.ok(schedule.settle(three, 500));
  t.ok(schedule.settle(two, 1000));
  t.equal(schedule.nextMs, 500);
  t.equal(schedule.take(499), undefined);
  t.equal(schedule.take(1000), three, 'who has waited longest');
  schedule.hurry(700);
  t.equal(schedule.take(700), two, 'all at once');
  t.end();
});

t.test('peers that come, go and move', (t) => {
  const schedule = new ProbeSchedule(isSameTarget);
  const [two, three] = [target(2), target(3)];
  schedule.replace([two, three], 0);
  const looked = schedule.take(0);
  t.equal(looked, two);
  schedule.settle(three, 9000);
  t.same(schedule.replace([target(2, '10.244.2.9'), target(3), target(4)], 10), ['10.244.2.0/24']);
  t.notOk(schedule.settle(two, 9000), 'what was found out of the old way is of no use');
  t.same(
    [schedule.take(10), schedule.take(10), schedule.take(10)].map((each) => each?.node),
    ['node2', 'node4', undefined],
    'the new one and the moved one are due, the other is not',
  );
  t.same(schedule.replace([], 20).length, 3);
  t.equal(schedule.nextMs, Infinity);
  t.end();
});
