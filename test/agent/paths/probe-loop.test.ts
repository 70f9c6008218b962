import t from 'tap';
import type { Test } from 'tap';
import type { NodePlan } from '../../../agent/network/view.ts';
import { ProbeLoop } from '../../../agent/paths/probe-loop.ts';
import { ProbeSchedule } from '../../../agent/paths/schedule.ts';
import { FakeClock } from '../fake-clock.ts';

interface Target {
  readonly range: string;
}

/** Ranges to look at; a plan names them where it names what is wrong. */
function planOf(...ranges: string[]): NodePlan {
  const state = { links: [], addresses: [], routes: [], neighbors: [], fdb: [], sysctls: [] };
  return { state, problems: ranges };
}

function setup(t: Test) {
  const clock = new FakeClock();
  const schedule = new ProbeSchedule<Target>((a, b) => a.range === b.range);
  const calls: string[] = [];
  /** Ends the looks that have begun, in their order. */
  const looks: PromiseWithResolvers<string>[] = [];
  const settle = (target: Target, word: string): void => {
    calls.push(`${word} at ${clock.now()}`);
    schedule.settle(target, clock.now() + 1_000);
  };
  const judge = {
    read: (plan: NodePlan, nowMs: number) => {
      calls.push(`read ${plan.problems.join()} at ${nowMs}`);
      schedule.replace(
        plan.problems.map((range) => ({ range })),
        nowMs,
      );
    },
    look: ({ range }: Target) => {
      calls.push(`look at ${range} at ${clock.now()}`);
      const look = Promise.withResolvers<string>();
      looks.push(look);
      return look.promise;
    },
    note: (target: Target, seen: string) => settle(target, `${target.range} is ${seen}`),
    fail: (target: Target, error: unknown) => settle(target, `${target.range} failed: ${String(error)}`),
  };
  const loop = new ProbeLoop(schedule, { spacingMs: 100, mostAtOnce: 2 }, judge, clock);
  t.teardown(() => loop.stop());
  /** What has happened since it was asked last, until so much later. */
  const after = async (ms: number): Promise<string[]> => {
    await clock.advance(ms);
    return calls.splice(0);
  };
  return { loop, looks, after };
}

t.test('one look after the other, so many at once, and again when it is time', async (t) => {
  const { loop, looks, after } = setup(t);
  loop.follow(planOf('a', 'b', 'c'));
  t.same(await after(5_000), [], 'nothing before the start');
  loop.start();
  t.same(await after(100), ['read a,b,c at 5100', 'look at a at 5100']);
  t.same(await after(900), ['look at b at 5200'], 'c waits');
  looks[0]?.resolve('well');
  t.same(await after(100), ['a is well at 6000', 'look at c at 6100']);
  looks[1]?.resolve('well');
  looks[2]?.resolve('silent');
  t.same(await after(890), ['b is well at 6100', 'c is silent at 6100']);
  t.same(await after(10), ['look at a at 7000']);
});

t.test('plans that follow each other soon are read once a second, the last one', async (t) => {
  const { loop, after } = setup(t);
  loop.start();
  loop.follow(planOf());
  t.same(await after(100), ['read  at 100']);
  for (const range of ['a', 'b', 'c']) {
    loop.follow(planOf(range));
    t.same(await after(100), []);
  }
  t.same(await after(1_000), ['read c at 1100', 'look at c at 1100']);
});

t.test('a look that fails is told, and not the last one', async (t) => {
  const { loop, looks, after } = setup(t);
  loop.start();
  loop.follow(planOf('a'));
  await after(100);
  looks[0]?.reject(new Error('no'));
  t.same(await after(1_000), ['a failed: Error: no at 100', 'look at a at 1100']);
});

t.test('after the stop nothing is looked at, and what is being looked at is not judged', async (t) => {
  const { loop, looks, after } = setup(t);
  loop.start();
  loop.follow(planOf('a', 'b'));
  t.same(await after(100), ['read a,b at 100', 'look at a at 100']);
  loop.stop();
  looks[0]?.resolve('well');
  t.same(await after(10_000), []);
});
