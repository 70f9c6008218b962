import t from 'tap';
import { ClientRates } from '../../dns/client-rates.ts';

const flood = Uint8Array.from([10, 244, 0, 1]);
const honest = Uint8Array.from([10, 244, 0, 2]);

/** One millisecond after the other: who asks how often in each, and whether queries wait then. */
function run(
  rates: ClientRates,
  clock: { now: number },
  milliseconds: number,
  queries: ReadonlyMap<Uint8Array, number>,
  waits: boolean,
): Map<Uint8Array, number> {
  const admitted = new Map<Uint8Array, number>();
  for (let turn = 0; turn < milliseconds; turn += 1) {
    for (const [client, count] of queries) {
      for (let query = 0; query < count; query += 1) {
        if (rates.admits(client)) admitted.set(client, (admitted.get(client) ?? 0) + 1);
      }
    }
    clock.now += 1;
    rates.noteWaiting(waits);
  }
  return admitted;
}

function create(maxPerSecond?: number): { rates: ClientRates; clock: { now: number } } {
  const clock = { now: 1000 };
  const options = { now: () => clock.now, ...(maxPerSecond === undefined ? {} : { maxPerSecond }) };
  return { rates: new ClientRates(options), clock };
}

t.test('while there is time for all, nobody is counted', (t) => {
  const { rates, clock } = create();
  const admitted = run(rates, clock, 1000, new Map([[flood, 300]]), false);
  t.equal(admitted.get(flood), 300_000);
  t.equal(rates.perSecond, Infinity);
  t.end();
});

t.test('when queries wait, who asks most is cut, and who asks little is not', (t) => {
  const { rates, clock } = create();
  const both = new Map([
    [flood, 300],
    [honest, 1],
  ]);
  const admitted = run(rates, clock, 1000, both, true);
  t.equal(admitted.get(honest), 1000, 'a thousand a second is always granted');
  t.ok((admitted.get(flood) ?? 0) < 30_000, `${admitted.get(flood)} of 300,000`);
  t.equal(rates.perSecond, 1000);
  run(rates, clock, 30_000, new Map([[honest, 1]]), false);
  t.equal(rates.perSecond, Infinity, 'all is forgiven in the end');
  t.end();
});

t.test('waiting for a moment, as after a pause, cuts nobody', (t) => {
  const { rates, clock } = create();
  for (let round = 0; round < 100; round += 1) {
    run(rates, clock, 15, new Map([[flood, 300]]), true);
    run(rates, clock, 1, new Map(), false);
  }
  t.equal(rates.perSecond, Infinity);
  t.end();
});

t.test('a rate that is set holds always, and bursts pass', (t) => {
  const { rates, clock } = create(20_000);
  let burst = 0;
  while (rates.admits(honest)) burst += 1;
  t.ok(burst >= 2000, `${burst} at once`);
  const admitted = run(rates, clock, 10_000, new Map([[flood, 100]]), false).get(flood) ?? 0;
  t.ok(Math.abs(admitted - 200_000) < 4000, `${admitted} in ten seconds`);
  t.equal(rates.perSecond, 20_000);
  t.end();
});

t.test('a million made-up addresses cost no memory and hardly an honest client', (t) => {
  const { rates, clock } = create(1000);
  const address = Buffer.alloc(16);
  let refused = 0;
  for (let made = 0; made < 1_000_000; made += 1) {
    address.writeUInt32BE(made, 12);
    rates.admits(address);
    if (made % 1000 !== 0) continue;
    clock.now += 1;
    if (!rates.admits(honest)) refused += 1;
  }
  t.ok(refused < 1000, `${refused} of 1,000`);
  t.end();
});

t.test('what waited while nobody answered is no flood', (t) => {
  let now = 0;
  const rates = new ClientRates({ now: () => now });
  const client = Buffer.from([192, 0, 2, 1]);
  const refused = (seconds: number): number => {
    let count = 0;
    for (const end = now + seconds * 1000; now < end; now += 1) {
      for (let asked = 0; asked < 20; asked += 1) if (!rates.admits(client)) count += 1;
      rates.noteWaiting(true);
    }
    return count;
  };
  rates.catchUp();
  t.equal(refused(2), 0, 'after a restart');
  rates.noteWaiting(false);
  t.ok(refused(2) > 0, 'afterwards it is');
  rates.catchUp();
  refused(5);
  t.ok(refused(1) > 0, 'and it is when it does not end');
  t.end();
});
