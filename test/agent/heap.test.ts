import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { HeapKeeper } from '../../agent/heap.ts';

const megabyte = 2 ** 20;

/** A process whose heap, CPU time and clock the test moves; collecting leaves 50 MB. */
function setup() {
  const process = { used: 120 * megabyte, cpu: 4_000, time: 0, collected: 0 };
  const keeper = new HeapKeeper({
    usedBytes: () => process.used,
    cpuMs: () => process.cpu,
    now: () => process.time,
    collect: () => {
      process.collected += 1;
      process.used = 50 * megabyte;
    },
  });
  /** Five seconds later, of which so many ms were work. */
  const checkAfter = (busyMs: number): number => {
    process.time += 5_000;
    process.cpu += busyMs;
    keeper.check();
    return process.collected;
  };
  return { process, checkAfter };
}

t.test('garbage goes when there is nothing to do', (t) => {
  const { process, checkAfter } = setup();
  t.equal(checkAfter(0), 0, 'the first look knows nothing of the time before');
  t.equal(checkAfter(3_000), 0, 'not in the middle of work');
  t.equal(checkAfter(20), 1);
  t.equal(checkAfter(20), 1, 'once');
  process.used = 60 * megabyte;
  t.equal(checkAfter(20), 1, 'a little is not worth it');
  process.used = 70 * megabyte;
  t.equal(checkAfter(500), 1);
  t.equal(checkAfter(20), 2);
  t.end();
});

t.test('the real process has a collector', (t) => {
  let garbage: unknown[] | undefined = Array.from({ length: 300_000 }, (_, i) => ({ number: i }));
  const weak = new WeakRef(garbage);
  let cpu = 0;
  const keeper = new HeapKeeper({ cpuMs: () => (cpu += 1), usedBytes: () => 100 * megabyte });
  keeper.check();
  garbage = undefined;
  setTimeout(() => {
    keeper.check();
    t.equal(weak.deref(), undefined);
    t.equal('gc' in globalThis, false, 'and scripts do not see it');
    t.end();
  }, 200);
});

t.test('threads that start together all get the collector', async (t) => {
  const script = new URL('heap-process.ts', import.meta.url);
  const codes = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const [code] = (await once(new Worker(script), 'exit')) as [number];
      return code;
    }),
  );
  t.same(codes, [0, 0, 0, 0]);
});
