import t from 'tap';

import { RulesError } from '../../iptables/error.ts';
import { syncIsolated } from '../../iptables/isolation.ts';

/** A kernel that refuses some keys, and what it holds. */
function kernel({ bad, names }: { bad: readonly string[]; names: boolean }) {
  const held = new Set<string>();
  const asked: number[] = [];
  const attempt = (keys: readonly string[]): Promise<void> => {
    asked.push(keys.length);
    const culprit = keys.find((key) => bad.includes(key));
    if (culprit !== undefined) {
      const service = names ? { service: culprit } : {};
      return Promise.reject(new RulesError('REFUSED', 'no', service));
    }
    for (const key of keys) held.add(key);
    return Promise.resolve();
  };
  return { held, asked, attempt };
}

const keys = Array.from({ length: 1000 }, (_, n) => `ns/s${String(n)}`);

for (const names of [true, false]) {
  t.test(names ? 'the kernel names whom it refuses' : 'it does not', async (t) => {
    const bad = ['ns/s3', 'ns/s500', 'ns/s999'];
    const { held, asked, attempt } = kernel({ bad, names });
    const refused = new Map<string, RulesError>();
    await syncIsolated(keys, refused, attempt);
    t.strictSame([...refused.keys()].sort(), bad);
    t.equal(refused.get('ns/s500')?.service, 'ns/s500');
    t.equal(held.size, 997, 'all others are programmed');
    t.ok(asked.length <= (names ? 5 : 64), `with ${String(asked.length)} questions`);
    asked.length = 0;
    await syncIsolated(keys, refused, attempt);
    t.equal(asked[0], 997, 'those that were refused before are kept apart the next time');
    t.strictSame([...refused.keys()].sort(), bad);
  });
}

t.test('a Service that was mended is no longer refused', async (t) => {
  const { held, attempt } = kernel({ bad: [], names: false });
  const refused = new Map([['ns/s3', new RulesError('REFUSED', 'no')]]);
  await syncIsolated(keys, refused, attempt);
  t.equal(refused.size, 0);
  t.ok(held.has('ns/s3'));
});

t.test('where all are refused, the search ends soon', async (t) => {
  for (const names of [true, false]) {
    const { asked, attempt } = kernel({ bad: keys, names });
    const refused = new Map<string, RulesError>();
    await syncIsolated(keys, refused, attempt);
    t.equal(refused.size, 1000, 'each has its reason');
    t.ok(asked.length <= 80, `${String(asked.length)} questions`);
  }
});

t.test('many that are refused hold up the others for some syncs, not for ever', async (t) => {
  const bad = keys.filter((_, n) => n % 8 === 0);
  const { held, asked, attempt } = kernel({ bad, names: true });
  const refused = new Map<string, RulesError>();
  for (let n = 0; n < 4 && refused.size !== bad.length; n += 1) {
    asked.length = 0;
    await syncIsolated(keys, refused, attempt);
    t.ok(asked.length <= 110, `${String(asked.length)} questions`);
  }
  t.strictSame([...refused.keys()].sort(), [...bad].sort());
  t.equal(held.size, keys.length - bad.length);
});

t.test('what no Service is to blame for is an error', async (t) => {
  const attempt = (): Promise<void> => Promise.reject(new RulesError('REFUSED', 'no'));
  await t.rejects(syncIsolated(keys, new Map(), attempt), { code: 'REFUSED' });
  await t.rejects(
    syncIsolated([], new Map(), () => Promise.reject(new RulesError('BUSY', 'no'))),
    { code: 'BUSY' },
    'nor is a lock that somebody holds',
  );
});
