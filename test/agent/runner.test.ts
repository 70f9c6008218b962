import t from 'tap';
import { Runner } from '../../agent/runner.ts';
import { FakeClock } from './fake-clock.ts';

function makeRunner(run: () => Promise<void>) {
  const clock = new FakeClock();
  const errors: [unknown, number][] = [];
  const runner = new Runner({
    run,
    minIntervalMs: 100,
    maxIntervalMs: 30_000,
    retryMs: 200,
    onError: (error, nextMs) => errors.push([error, nextMs]),
    clock,
  });
  return { runner, advance: (ms: number) => clock.advance(ms), errors };
}

t.test('runs at the start and then every maxInterval', async (t) => {
  let passes = 0;
  const { runner, advance } = makeRunner(() => {
    passes += 1;
    return Promise.resolve();
  });
  runner.start();
  await advance(0);
  t.equal(passes, 1);
  await advance(29_999);
  t.equal(passes, 1);
  await advance(1);
  t.equal(passes, 2);
  await runner.stop();
});

t.test('a burst of requests costs one pass, minInterval after the last', async (t) => {
  let passes = 0;
  const { runner, advance } = makeRunner(() => {
    passes += 1;
    return Promise.resolve();
  });
  runner.start();
  await advance(10);
  for (let i = 0; i < 50; i++) runner.request();
  await advance(89);
  t.equal(passes, 1);
  await advance(1);
  t.equal(passes, 2);
  await advance(1_000);
  t.equal(passes, 2);
  await runner.stop();
});

t.test('a request during a pass is not lost and does not overlap it', async (t) => {
  let passes = 0;
  let release: () => void = () => undefined;
  const { runner, advance } = makeRunner(() => {
    passes += 1;
    return new Promise((resolve) => (release = resolve));
  });
  runner.start();
  await advance(0);
  runner.request();
  await advance(5_000);
  t.equal(passes, 1);
  release();
  await new Promise(setImmediate);
  await advance(100);
  t.equal(passes, 2);
  release();
  await runner.stop();
});

t.test(
  'errors are reported and retried with doubling delays, and requests do not shorten them',
  async (t) => {
    const { runner, advance, errors } = makeRunner(() => Promise.reject(new Error('no')));
    runner.start();
    await advance(0);
    runner.request();
    await advance(199);
    t.equal(errors.length, 1);
    await advance(1);
    t.equal(errors.length, 2);
    await advance(400);
    t.same(
      errors.map(([, nextMs]) => nextMs),
      [200, 400, 800],
    );
    await runner.stop();
  },
);

t.test('whoever knows that the reason of errors is gone does not wait', async (t) => {
  const { runner, advance, errors } = makeRunner(() => Promise.reject(new Error('no')));
  runner.start();
  await advance(2_900);
  const before = errors.length;
  runner.wake();
  await advance(0);
  t.equal(errors.length, before + 1);
  t.equal(errors.at(-1)?.[1], 200, 'and delays begin anew');
  runner.wake();
  await advance(99);
  t.equal(errors.length, before + 1, 'minInterval stands');
  await runner.stop();
});

t.test('nor does who learns of it during a pass that fails', async (t) => {
  let fail: () => void = () => undefined;
  const { runner, advance, errors } = makeRunner(() => new Promise((_, reject) => (fail = reject)));
  runner.start();
  await advance(50);
  runner.wake();
  fail();
  await new Promise(setImmediate);
  await advance(50);
  fail();
  await new Promise(setImmediate);
  t.equal(errors.length, 2, 'the next one starts after minInterval');
  await runner.stop();
});

t.test('nothing runs after stop', async (t) => {
  let passes = 0;
  const { runner, advance } = makeRunner(() => {
    passes += 1;
    return Promise.resolve();
  });
  runner.start();
  await advance(0);
  await runner.stop();
  runner.request();
  await advance(100_000);
  t.equal(passes, 1);
});

t.test(
  'the system clock: at once is before the next timer, and what is cancelled does not run',
  async (t) => {
    const order: string[] = [];
    const runner = new Runner({
      run: () => {
        order.push('pass');
        return Promise.resolve();
      },
      minIntervalMs: 0,
      maxIntervalMs: 60_000,
      onError: (error) => t.fail(String(error)),
    });
    runner.start();
    await new Promise<void>((resolve) => {
      setImmediate(() => {
        order.push('other');
        resolve();
      });
    });
    t.strictSame(order, ['pass', 'other']);
    runner.request();
    await runner.stop();
    await new Promise((resolve) => setTimeout(resolve, 20));
    t.strictSame(order, ['pass', 'other']);
  },
);
