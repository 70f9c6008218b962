import type { Test } from 'tap';
import { StoreError } from '../../../api/store/store.ts';
import type { Store, StoreErrorCode, StoreEvent, WatchBatch } from '../../../api/store/store.ts';

/** A store under test that can be closed and opened again over the same data. */
export interface StoreFixture {
  open(): Promise<Store>;
}

/** What every implementation of {@link Store} promises. */
export function storeContract(t: Test, makeFixture: (t: Test) => StoreFixture): void {
  const scenario = (
    name: string,
    run: (t: Test, store: Store, fixture: StoreFixture) => Promise<void>,
  ): void => {
    void t.test(name, async (t) => {
      const fixture = makeFixture(t);
      const store = await fixture.open();
      t.teardown(() => store.close());
      await run(t, store, fixture);
    });
  };
  scenario('keys are created once, updated and deleted at an expected revision', writes);
  scenario('a transaction is all or nothing and has one revision', transactions);
  scenario('writers at the same time get in each other’s way only as they must', crowds);
  scenario('lists page through one snapshot', lists);
  scenario('watches replay history, follow, and know the previous value', watches);
  scenario('a paused watch goes on where it broke off, and keeps nobody waiting', pauses);
  scenario('a long history comes in pieces of whole transactions', longHistories);
  scenario('large values come in small pieces', largeValues);
  scenario('compaction forgets the superseded, and says so', compaction);
  scenario('everything survives closing and opening', reopening);
  scenario('a closed store refuses', closed);
}

const create = (key: string, value = key) => ({ type: 'create', key, value }) as const;

async function rejectsWith(t: Test, code: StoreErrorCode, promise: Promise<unknown>): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  t.ok(error instanceof StoreError, `refused with a StoreError: ${String(error)}`);
  t.equal((error as StoreError).code, code);
}

async function writes(t: Test, store: Store): Promise<void> {
  t.equal(await store.currentRevision(), 0);
  t.equal(await store.get('/a'), undefined);
  const first = await store.write([create('/a', 'one')]);
  t.same(await store.get('/a'), { key: '/a', value: 'one', createRevision: first, revision: first });
  await rejectsWith(t, 'exists', store.write([create('/a')]));

  const second = await store.write([{ type: 'update', key: '/a', value: 'two', expectedRevision: first }]);
  t.ok(second > first);
  t.same(await store.get('/a'), { key: '/a', value: 'two', createRevision: first, revision: second });
  await rejectsWith(
    t,
    'conflict',
    store.write([{ type: 'update', key: '/a', value: 'lost', expectedRevision: first }]),
  );
  await rejectsWith(
    t,
    'conflict',
    store.write([{ type: 'update', key: '/b', value: 'x', expectedRevision: first }]),
  );
  await rejectsWith(t, 'conflict', store.write([{ type: 'delete', key: '/a', expectedRevision: first }]));

  const third = await store.write([{ type: 'delete', key: '/a', expectedRevision: second }]);
  t.equal(await store.get('/a'), undefined);
  t.equal(
    await store.write([{ type: 'delete', key: '/a' }]),
    third,
    'deleting what is not there changes nothing',
  );
  const fourth = await store.write([create('/a', 'again')]);
  t.equal((await store.get('/a'))?.createRevision, fourth, 'a new life has a new createRevision');
}

async function transactions(t: Test, store: Store): Promise<void> {
  await store.write([create('/taken')]);
  const before = await store.currentRevision();
  await rejectsWith(t, 'exists', store.write([create('/new'), create('/taken')]));
  t.equal(await store.get('/new'), undefined, 'the first half was undone');
  t.equal(await store.currentRevision(), before);

  const revision = await store.write([create('/x'), create('/y'), { type: 'delete', key: '/taken' }]);
  t.equal(revision, before + 1);
  t.equal((await store.get('/x'))?.revision, revision);
  t.equal((await store.get('/y'))?.revision, revision);
  t.equal(await store.count('/'), 2);
}

async function crowds(t: Test, store: Store): Promise<void> {
  const first = await store.write([create('/counter', '0')]);
  const attempts = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) =>
      store.write([
        create(`/mine/${i}`),
        { type: 'update', key: '/counter', value: String(i), expectedRevision: first },
      ]),
    ),
  );
  t.equal(attempts.filter((attempt) => attempt.status === 'fulfilled').length, 1, 'one of them was first');
  t.equal(await store.count('/mine/'), 1, 'and the others left nothing');
  const made = await Promise.all(Array.from({ length: 20 }, (_, i) => store.write([create(`/many/${i}`)])));
  t.equal(new Set(made).size, 20, 'each transaction has a revision of its own');
  t.equal(await store.currentRevision(), Math.max(...made));
}

async function lists(t: Test, store: Store): Promise<void> {
  const names = ['a', 'b', 'c', 'd', 'e'];
  for (const name of names) await store.write([create(`/pods/${name}`)]);
  await store.write([create('/podsother/x'), create('/nodes/z')]);
  const keys = async (options: Parameters<Store['list']>[1]) =>
    (await store.list('/pods/', options)).entries.map((entry) => entry.key.slice('/pods/'.length));
  t.same(await keys({}), names, 'only the prefix, in order');
  t.equal(await store.count('/pods/'), 5);

  const page = await store.list('/pods/', { limit: 2 });
  t.same([page.entries.length, page.more], [2, true]);
  await store.write([{ type: 'delete', key: '/pods/c' }]);
  await store.write([{ type: 'delete', key: '/pods/d' }, create('/pods/bb')]);
  t.same(
    await keys({ limit: 2, startAfter: '/pods/b', revision: page.revision }),
    ['c', 'd'],
    'the old snapshot',
  );
  const last = await store.list('/pods/', { limit: 2, startAfter: '/pods/d', revision: page.revision });
  t.same([last.entries.length, last.more], [1, false]);
  t.same(await keys({ startAfter: '/pods/b' }), ['bb', 'e'], 'the newest state');
  const exact = await store.list('/pods/', { limit: 4 });
  t.same([exact.entries.length, exact.more], [4, false], 'a page that ends exactly at the end has no more');
  await rejectsWith(t, 'future', store.list('/pods/', { revision: page.revision + 100 }));
}

/** Collects a watch's batches until asked. */
function collect(store: Store, prefix: string, afterRevision: number) {
  const batches: WatchBatch[] = [];
  let wake: (() => void) | undefined;
  let ended: StoreError | undefined;
  const watch = store.watch(prefix, afterRevision, {
    onBatch: (batch) => {
      batches.push(batch);
      wake?.();
    },
    onEnd: (error) => {
      ended = error;
      wake?.();
    },
  });
  const until = async (done: () => boolean) => {
    while (!done()) await new Promise<void>((resolve) => (wake = resolve));
  };
  return {
    watch,
    batches,
    events: async (count: number): Promise<StoreEvent[]> => {
      await until(() => batches.flatMap((batch) => batch.events).length >= count);
      return batches.flatMap((batch) => batch.events);
    },
    progress: async (): Promise<number | undefined> => {
      const seen = batches.length;
      watch.progress();
      await until(() => batches.length > seen);
      return batches.at(-1)?.revision;
    },
    end: async (): Promise<StoreError | undefined> => {
      await until(() => ended !== undefined);
      return ended;
    },
  };
}

function brief(event: StoreEvent): string {
  const { key } = event.type === 'put' ? event.entry : event.previous;
  const value = event.type === 'put' ? event.entry.value : '-';
  return `${event.revision} ${key} ${value} (was ${event.previous?.value ?? '-'})`;
}

async function watches(t: Test, store: Store): Promise<void> {
  const r1 = await store.write([create('/w/a', '1')]);
  const r2 = await store.write([{ type: 'update', key: '/w/a', value: '2', expectedRevision: r1 }]);
  await store.write([create('/other/x')]);
  const r4 = await store.write([{ type: 'delete', key: '/w/a', expectedRevision: r2 }]);
  const r5 = await store.write([create('/w/b', 'b'), create('/w/c', 'c')]);
  const history = [
    `${r1} /w/a 1 (was -)`,
    `${r2} /w/a 2 (was 1)`,
    `${r4} /w/a - (was 2)`,
    `${r5} /w/b b (was -)`,
    `${r5} /w/c c (was -)`,
  ];
  const all = collect(store, '/w/', 0);
  t.same((await all.events(5)).map(brief), history, 'history from the beginning');
  const some = collect(store, '/w/', r2);
  t.same((await some.events(3)).map(brief), history.slice(2), 'history after a revision');

  const r6 = await store.write([{ type: 'update', key: '/w/b', value: 'B', expectedRevision: r5 }]);
  const r7 = await store.write([{ type: 'delete', key: '/w/c' }]);
  const live = [`${r6} /w/b B (was b)`, `${r7} /w/c - (was c)`];
  t.same((await all.events(7)).map(brief), [...history, ...live], 'then what happens');
  t.same((await some.events(5)).map(brief), [...history.slice(2), ...live]);

  const r8 = await store.write([create('/other/y')]);
  t.equal(await all.progress(), r8, 'progress passes what the watch does not see');
  t.equal((await all.events(7)).length, 7);
  some.watch.stop();
  await store.write([create('/w/d')]);
  await all.events(8);
  t.equal(some.batches.flatMap((batch) => batch.events).length, 5, 'a stopped watch hears nothing');
  t.equal((await collect(store, '/w/', r8 + 100).end())?.code, 'future');
}

async function pauses(t: Test, store: Store): Promise<void> {
  const r1 = await store.write([create('/p/a', '1')]);
  const paused = collect(store, '/p/', 0);
  const other = collect(store, '/p/', 0);
  await paused.events(1);
  paused.watch.pause();
  const r2 = await store.write([{ type: 'update', key: '/p/a', value: '2', expectedRevision: r1 }]);
  const r3 = await store.write([create('/p/b'), create('/q/x')]);
  const r4 = await store.write([{ type: 'delete', key: '/p/b' }]);
  const missed = [`${r2} /p/a 2 (was 1)`, `${r3} /p/b /p/b (was -)`, `${r4} /p/b - (was /p/b)`];
  t.same((await other.events(4)).map(brief).slice(1), missed, 'the other one sees it all');
  t.equal(paused.batches.length, 1, 'the paused one nothing');
  paused.watch.resume();
  t.same((await paused.events(4)).map(brief).slice(1), missed, 'until it goes on');
  paused.watch.pause();
  paused.watch.resume();
  const r5 = await store.write([create('/p/c')]);
  t.same((await paused.events(5)).map(brief).slice(4), [`${r5} /p/c /p/c (was -)`]);

  paused.watch.pause();
  await store.write([{ type: 'delete', key: '/p/c' }]);
  await store.compact(await store.write([create('/p/d')]));
  paused.watch.resume();
  t.equal((await paused.end())?.code, 'compacted', 'what it has missed is gone');
  t.equal((await paused.events(5)).length, 5);
}

async function longHistories(t: Test, store: Store): Promise<void> {
  const many = (prefix: string, count: number) =>
    Array.from({ length: count }, (_, i) => create(`${prefix}${i}`));
  const before = await Promise.all(many('/h/a', 700).map((write) => store.write([write])));
  const big = await store.write(many('/h/big', 1_500));
  const after = await Promise.all(many('/h/z', 700).map((write) => store.write([write])));
  const watch = collect(store, '/h/', 0);
  const events = await watch.events(2_900);
  t.same(
    events.map((event) => event.revision),
    [...before, ...Array.from({ length: 1_500 }, () => big), ...after],
  );
  t.ok(watch.batches.length > 2, 'not in one piece');
  const revisions = watch.batches.flatMap((batch) => [...new Set(batch.events.map((one) => one.revision))]);
  t.equal(new Set(revisions).size, revisions.length, 'no transaction is cut in two');
  t.ok(watch.batches.every((batch) => batch.revision >= (batch.events.at(-1)?.revision ?? 0)));
}

/** Whoever lists or catches up holds a piece at a time, and a piece is no more than a few megabytes. */
async function largeValues(t: Test, store: Store): Promise<void> {
  const keys = Array.from({ length: 20 }, (_, i) => `/large/${String(i).padStart(2, '0')}`);
  for (const key of keys) await store.write([create(key, 'x'.repeat(1024 * 1024))]);
  const isSmall = (entries: readonly { key: string }[]) => entries.length > 0 && entries.length < 10;

  const listed: string[] = [];
  for (let more = true; more;) {
    const after = listed.at(-1);
    const page = await store.list('/large/', {
      limit: 500,
      ...(after !== undefined && { startAfter: after }),
    });
    t.ok(isSmall(page.entries), `a page of ${page.entries.length}`);
    listed.push(...page.entries.map(({ key }) => key));
    more = page.more;
  }
  t.same(listed, keys);
  t.equal((await store.list('/large/')).entries.length, keys.length, 'all that is asked for without a limit');

  const { promise, resolve } = Promise.withResolvers<undefined>();
  const followed: string[] = [];
  const watch = store.watch('/large/', 0, {
    onBatch({ events }) {
      t.ok(events.length < 10, `a piece of ${events.length}`);
      followed.push(...events.map((event) => (event.type === 'put' ? event.entry.key : event.previous.key)));
      if (followed.length === keys.length) resolve(undefined);
    },
    onEnd: (error) => t.fail(error.message),
  });
  await promise;
  watch.stop();
  t.same(followed, keys);
}

async function compaction(t: Test, store: Store): Promise<void> {
  const r1 = await store.write([create('/k/a', '1')]);
  const r2 = await store.write([{ type: 'update', key: '/k/a', value: '2', expectedRevision: r1 }]);
  const r3 = await store.write([create('/k/b')]);
  const r4 = await store.write([{ type: 'delete', key: '/k/b' }]);
  await store.compact(r3);
  await rejectsWith(t, 'compacted', store.list('/k/', { revision: r2 }));
  t.equal((await collect(store, '/k/', r2).end())?.code, 'compacted');
  t.same(
    (await store.list('/k/', { revision: r3 })).entries.map((entry) => entry.value),
    ['2', '/k/b'],
    'the compacted revision itself still reads',
  );
  t.same((await collect(store, '/k/', r3).events(1)).map(brief), [`${r4} /k/b - (was /k/b)`]);
  await store.compact(r1);
  await store.compact(r4);
  t.equal(await store.currentRevision(), r4);
  t.equal((await store.get('/k/a'))?.revision, r2, 'the newest version stays');
  await rejectsWith(t, 'future', store.compact(r4 + 1));
}

async function reopening(t: Test, store: Store, fixture: StoreFixture): Promise<void> {
  const r1 = await store.write([create('/s/a', 'kept')]);
  const r2 = await store.write([create('/s/b')]);
  const r3 = await store.write([{ type: 'delete', key: '/s/b' }]);
  await store.compact(r3);
  await store.close();
  const again = await fixture.open();
  t.teardown(() => again.close());
  t.equal(await again.currentRevision(), r3, 'the revision never goes back, even past a compacted deletion');
  t.same(await again.get('/s/a'), { key: '/s/a', value: 'kept', createRevision: r1, revision: r1 });
  await rejectsWith(t, 'compacted', again.list('/s/', { revision: r2 }));
  t.equal(await again.write([create('/s/c')]), r3 + 1);
}

async function closed(t: Test, store: Store): Promise<void> {
  const watch = collect(store, '/', 0);
  await store.close();
  t.equal((await watch.end())?.code, 'closed');
  await rejectsWith(t, 'closed', store.get('/a'));
  await rejectsWith(t, 'closed', store.write([create('/a')]));
  t.equal((await collect(store, '/', 0).end())?.code, 'closed');
}
