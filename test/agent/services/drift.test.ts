import t from 'tap';
import type { Test } from 'tap';

import { Drift } from '../../../agent/services/drift.ts';
import type { RuleWatch } from '../../../iptables/rule-watch.ts';
import { FakeClock } from '../fake-clock.ts';

function setup(t: Test, { tellsAll = false } = {}) {
  const clock = new FakeClock();
  const calls: string[] = [];
  const drift = new Drift(() => calls.push('due'), clock);
  const watch: RuleWatch = {
    tellsAll,
    beginOwn: ({ mayBeLong }) => calls.push(mayBeLong ? 'begin' : 'look'),
    noteProgram: (program, pid) => calls.push(`${program} ${String(pid)}`),
    endOwn: () => calls.push('end'),
    [Symbol.dispose]: () => calls.push('closed'),
  };
  drift.start(watch);
  t.teardown(() => {
    drift[Symbol.dispose]();
  });
  const compare = (tookMs: number, act = (): string => 'done') =>
    drift.compare(() => {
      clock.pass(tookMs);
      return Promise.resolve(act());
    });
  return { clock, calls, drift, compare };
}

for (const [tellsAll, intervalMs] of [
  [false, 30_000],
  [true, 300_000],
] as const) {
  t.test(`at the start and every ${String(intervalMs)} ms everything is compared`, async (t) => {
    const { clock, calls, drift, compare } = setup(t, { tellsAll });
    t.equal(drift.isDue, true);
    for (let n = 0; n < 3; n += 1) {
      await compare(600);
      calls.splice(0);
      t.equal(drift.isDue, false);
      clock.pass(intervalMs - 1);
      t.equal(drift.isDue, false);
      t.strictSame(calls, []);
      clock.pass(1);
      t.equal(drift.isDue, true);
      t.strictSame(calls, ['due'], 'and asked for: nobody else looks at the clock');
    }
  });
}

t.test('what was refused is tried again soon', async (t) => {
  const { clock, calls, drift, compare } = setup(t, { tellsAll: true });
  await compare(600);
  drift.noteRefusals(true);
  clock.pass(29_999);
  t.equal(drift.isDue, false);
  clock.pass(1);
  t.equal(drift.isDue, true);
  await compare(600);
  calls.splice(0);
  drift.noteRefusals(false);
  clock.pass(299_999);
  t.strictSame(calls, [], 'and not when nothing is refused any more');
});

t.test(
  'a touch is looked into when that costs no more than its share, and told with who did it',
  async (t) => {
    const { clock, drift, calls, compare } = setup(t);
    await compare(100);
    calls.splice(0);
    drift.noteTouch({ certain: false, by: 'docker (process 7)' });
    drift.noteTouch({ certain: false, by: 'docker (process 7)' });
    clock.pass(899);
    t.equal(drift.isDue, false, '100 ms in 1000 ms');
    clock.pass(1);
    t.equal(drift.isDue, true);
    t.strictSame(calls, ['due'], 'told once');
    t.strictSame(await compare(100), { result: 'done', by: ['docker (process 7)'] });
    t.equal(drift.isDue, false);
    drift.noteTouch({ certain: true, by: 'nft (process 8)' });
    clock.pass(99);
    t.equal(drift.isDue, false);
    clock.pass(1);
    t.equal(drift.isDue, true, 'sooner where our rules are touched for certain');
  },
);

t.test('what happens during a comparison is not lost', async (t) => {
  const { clock, drift, compare } = setup(t);
  await compare(100, () => {
    drift.noteTouch({ certain: false });
    return 'done';
  });
  t.equal(drift.isDue, false, 'but waits its time');
  clock.pass(900);
  t.equal(drift.isDue, true);
});

t.test('a comparison that failed has seen nothing', async (t) => {
  const { clock, drift, compare } = setup(t);
  await compare(0);
  drift.noteTouch({ certain: true, by: 'nft (process 8)' });
  const fail = (): string => {
    throw new Error('no');
  };
  await t.rejects(compare(10, fail), { message: 'no' });
  clock.pass(10);
  t.equal(drift.isDue, true);
  t.strictSame((await compare(10)).by, ['nft (process 8)']);
});

t.test('own changes are marked for who listens', async (t) => {
  const { drift, calls } = setup(t);
  await drift.own(() => {
    drift.noteProgram('nft', 9);
    return Promise.resolve();
  });
  await t.rejects(drift.own(() => Promise.reject(new Error('no'))));
  drift[Symbol.dispose]();
  t.strictSame(calls, ['begin', 'nft 9', 'end', 'begin', 'end', 'closed']);
});
