import t from 'tap';
import { Liveness } from '../../../agent/announce/liveness.ts';
import { Tenure } from '../../../agent/announce/tenure.ts';

t.test('a tenure counts from when the heartbeat was sent', (t) => {
  const tenure = new Tenure();
  t.notOk(tenure.isValid(0));
  tenure.extend(1_000, 1_800);
  t.ok(tenure.isValid(2_999));
  t.notOk(tenure.isValid(3_000));
  const { session } = tenure;
  tenure.extend(2_500, 2_900);
  t.equal(tenure.session, session, 'extended in time');
  tenure.extend(2_000, 2_950);
  t.ok(tenure.isValid(4_499), 'an answer that was overtaken takes nothing back');
  tenure.extend(4_400, 4_500);
  t.not(tenure.session, session, 'a moment late: what was held is held no more');
  tenure.extend(5_000, 9_000);
  t.notOk(tenure.isValid(9_000), 'an answer that comes after its time is worth nothing');
  t.end();
});

t.test('an announcer lives as long as its heartbeat changes', (t) => {
  const liveness = new Liveness();
  const beat = (version: string, durationMs = 2_000, released = false) => ({
    node: 'node1',
    version,
    durationMs,
    released,
  });
  liveness.note('node1', beat('5'), 1_000);
  liveness.note('node1', beat('5'), 2_000);
  t.notOk(liveness.isSilent('node1', 3_299));
  t.ok(liveness.isSilent('node1', 3_300), 'its time and a margin after it was first seen');
  liveness.note('node1', beat('9'), 3_300);
  liveness.note('node1', beat('7', 2_000, true), 3_400);
  t.notOk(liveness.isReleased('node1'), 'an answer that was overtaken is no news');
  liveness.lostContact('node1', 5_000);
  t.notOk(liveness.isSilent('node1', 7_299), 'while nobody listens silence says nothing');
  t.ok(liveness.isSilent('node1', 7_300));
  liveness.note('node1', beat('10', 10_000), 8_000);
  liveness.note('node1', undefined, 9_000);
  t.notOk(liveness.isSilent('node1', 19_299), 'deleted: what it promised still counts');
  t.ok(liveness.isSilent('node1', 19_300));
  liveness.note('node1', beat('12', 2_000, true), 20_000);
  t.ok(liveness.isReleased('node1'));
  t.notOk(liveness.isSilent('node2', 1e9), 'nobody has looked yet');
  liveness.expect('node2', 20_000);
  t.ok(liveness.isSilent('node2', 22_300), 'never heard of');
  t.end();
});
