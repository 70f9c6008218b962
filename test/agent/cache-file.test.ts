import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate, setTimeout } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { CacheFile } from '../../agent/cache-file.ts';
import { silent } from './api-fixture.ts';
import { FakeCache } from '../../rig/fake-cache.ts';

interface Thing {
  readonly name: string;
  readonly text: string;
}

function setup(t: Test) {
  const path = join(t.testdir(), 'caches', 'things.json');
  const cache = new FakeCache<Thing>(({ name }) => name);
  const file = new CacheFile<Thing>(path, silent);
  file.follow(cache);
  t.teardown(() => file.stop());
  return { path, cache, file };
}

t.test('a large cache is written part by part, while other work goes on', async (t) => {
  const { path, cache, file } = setup(t);
  const things = Array.from({ length: 2000 }, (_, n) => ({
    name: `thing ${String(n)}`,
    text: 'é'.repeat(500),
  }));
  for (const thing of things) cache.set(thing);
  cache.sync();
  t.notOk(existsSync(path), 'what a change is for goes first');
  let stopped = false;
  const stop = file.stop().then(() => (stopped = true));
  const sizes = new Set<number>();
  while (!stopped) {
    await setImmediate();
    const size = statSync(`${path}.new`, { throwIfNoEntry: false })?.size;
    if (size !== undefined) sizes.add(size);
  }
  await stop;
  t.ok(sizes.size > 2, `${String(sizes.size)} sizes were seen`);
  t.strictSame(JSON.parse(readFileSync(path, 'utf8')), things);
  t.notOk(existsSync(`${path}.new`));
  t.strictSame(new CacheFile<Thing>(path, silent).read(), things);
});

t.test('what changes while it is written is in the next copy', async (t) => {
  const { path, cache, file } = setup(t);
  cache.set({ name: 'one', text: '' });
  cache.sync();
  while (!existsSync(path)) await setTimeout(10);
  cache.set({ name: 'two', text: '' });
  cache.delete('one');
  await file.stop();
  t.equal(readFileSync(path, 'utf8'), '[{"name":"two","text":""}]');
});

t.test('nothing is written of a cache that is not complete', async (t) => {
  const { path, cache, file } = setup(t);
  cache.set({ name: 'one', text: '' });
  await file.stop();
  t.notOk(existsSync(path));
  t.end();
});
