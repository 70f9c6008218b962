import { setImmediate } from 'node:timers/promises';
import pino from 'pino';
import t from 'tap';
import { WorkQueue } from '../../../api/controllers/work-queue.ts';
import { WriteFence } from '../../../api/controllers/write-fence.ts';
import type { VersionedCache } from '../../../api/client/cache.ts';
import type { Pod } from '../../../api/kinds/pod.ts';
import { eventually } from '../eventually.ts';
import { pod } from './objects.ts';

const log = pino({ level: 'silent' });

t.test('a key added many times is worked on once, and again if it comes while in work', async (t) => {
  const worked: string[] = [];
  let release = (): void => undefined;
  const queue = new WorkQueue({
    log,
    process: (key) => {
      worked.push(key);
      return new Promise((resolve) => (release = resolve));
    },
  });
  queue.add('a');
  queue.add('a');
  t.same(worked, [], 'nothing before start');
  queue.start();
  await setImmediate();
  queue.add('a');
  queue.add('a');
  await setImmediate();
  t.same(worked, ['a'], 'never twice at a time');
  release();
  await setImmediate();
  t.same(worked, ['a', 'a']);
  release();
  await queue.stop();
  t.same(worked, ['a', 'a']);
});

t.test('several keys at a time, as many as there are workers', async (t) => {
  const releases: (() => void)[] = [];
  const queue = new WorkQueue({
    log,
    workers: 2,
    process: () => new Promise((resolve) => releases.push(resolve)),
  });
  for (const key of ['a', 'b', 'c']) queue.add(key);
  queue.start();
  await setImmediate();
  t.equal(releases.length, 2);
  releases[0]?.();
  await setImmediate();
  t.equal(releases.length, 3);
  for (const release of releases) release();
  await queue.stop();
});

t.test('a failing key comes back until it succeeds', async (t) => {
  let attempts = 0;
  const queue = new WorkQueue({
    log,
    retryMs: 1,
    process: () => {
      attempts += 1;
      return attempts < 4 ? Promise.reject(new Error('no')) : Promise.resolve();
    },
  });
  queue.start();
  queue.add('a');
  await eventually('it succeeded', () => attempts === 4);
  await setImmediate();
  await queue.stop();
  t.equal(attempts, 4, 'and then no more');
});

t.test('a fence opens when the cache shows what was written', (t) => {
  let revision = 5n;
  const shown = new Map<string, Pod>([['default/old', pod('old')]]);
  const cache = {
    get revision() {
      return revision;
    },
    get: (key: string) => shown.get(key),
  } as VersionedCache<Pod>;
  const fence = new WriteFence(cache);
  t.equal(fence.isPassed(), true, 'nothing written');
  const written = pod('new');
  written.metadata.resourceVersion = '7';
  fence.wrote(written);
  t.equal(fence.isPassed(), false);
  revision = 7n;
  t.equal(fence.isPassed(), true);

  fence.removed(pod('old'));
  t.equal(fence.isPassed(), false, 'still shown');
  shown.set('default/old', pod('old', { deleting: true }));
  t.equal(fence.isPassed(), true, 'shown as being deleted');
  shown.set('default/old', pod('old'));
  fence.removed(pod('old'));
  t.equal(fence.isPassed(), false);
  const successor = pod('old');
  successor.metadata.uid = 'another';
  shown.set('default/old', successor);
  t.equal(fence.isPassed(), true, 'another object of that name');
  t.end();
});
