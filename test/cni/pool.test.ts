import t from 'tap';
import { Pool } from '../../cni/pool.ts';

const options = {
  ranges: ['10.244.1.0/29', 'fd00:1::/64'],
  reserved: ['10.244.1.1', 'fd00:1::1'],
  restMs: 1000,
};

t.test('one address of each range, the same ones for the same owner', (t) => {
  const pool = new Pool(options);
  t.same(pool.allocate('a', 0).addresses, ['10.244.1.2', 'fd00:1::2']);
  t.same(pool.allocate('b', 0).addresses, ['10.244.1.3', 'fd00:1::3']);
  t.same(pool.allocate('a', 0).addresses, ['10.244.1.2', 'fd00:1::2']);
  t.end();
});

t.test('neither network, gateway nor broadcast address, and then it is full', (t) => {
  const pool = new Pool(options);
  const v4 = Array.from({ length: 5 }, (_, i) => pool.allocate(`pod${i}`, 0).addresses[0]);
  t.same(v4, ['10.244.1.2', '10.244.1.3', '10.244.1.4', '10.244.1.5', '10.244.1.6']);
  const before = JSON.stringify(pool.state());
  t.throws(() => pool.allocate('more', 0), {
    name: 'IpamError',
    code: 'exhausted',
    message: /10\.244\.1\.0\/29/,
  });
  t.equal(JSON.stringify(pool.state()), before, 'a refusal takes nothing of the other family');
  t.end();
});

t.test('it walks round before an address comes back', (t) => {
  const pool = new Pool({ ...options, restMs: 0 });
  const seen: (string | undefined)[] = [];
  for (let i = 0; i < 7; i += 1) {
    seen.push(pool.allocate('a', i).addresses[0]);
    pool.release('a', i);
  }
  t.same(
    seen.map((address) => address?.slice(-1)),
    ['2', '3', '4', '5', '6', '2', '3'],
  );
  t.end();
});

t.test('an address rests after it was given back', (t) => {
  const pool = new Pool(options);
  for (let i = 0; i < 5; i += 1) pool.allocate(`pod${i}`, 0);
  t.ok(pool.release('pod2', 100));
  t.notOk(pool.release('pod2', 100), 'it had none any more');
  t.throws(() => pool.allocate('new', 1099), { code: 'resting' });
  t.equal(pool.allocate('new', 1100).addresses[0], '10.244.1.4');
  pool.release('new', 5000);
  t.equal(
    pool.allocate('later', 10).addresses[0],
    '10.244.1.4',
    'a clock that was set back does not lock it away',
  );
  t.end();
});

t.test('its state is data, and it goes on from it', (t) => {
  const pool = new Pool(options);
  pool.allocate('a', 0);
  pool.allocate('b', 0);
  pool.release('a', 5);
  const again = new Pool(options, JSON.parse(JSON.stringify(pool.state())) as ReturnType<Pool['state']>);
  t.same([...again.leases], [['b', { addresses: ['10.244.1.3', 'fd00:1::3'], since: 0 }]]);
  t.same(again.allocate('c', 6).addresses, ['10.244.1.4', 'fd00:1::4']);
  t.end();
});

t.test('other ranges from now on', (t) => {
  const pool = new Pool(options);
  pool.allocate('a', 0);
  pool.useRanges(['10.244.9.0/24'], ['10.244.9.1']);
  t.same(pool.allocate('b', 0).addresses, ['10.244.9.2']);
  t.same(pool.allocate('a', 0).addresses, ['10.244.1.2', 'fd00:1::2'], 'who has addresses keeps them');
  t.end();
});

t.test('no address twice, whatever comes and goes', (t) => {
  const pool = new Pool({ ranges: ['10.244.1.0/26'], reserved: ['10.244.1.1'], restMs: 10 });
  const owners = new Set<string>();
  let random = 1;
  for (let now = 0; now < 3000; now += 1) {
    random = (random * 48271) % 2147483647;
    const owner = `pod${random % 50}`;
    if (owners.delete(owner)) pool.release(owner, now);
    else {
      pool.allocate(owner, now);
      owners.add(owner);
    }
    const addresses = [...pool.leases.values()].flatMap((lease) => lease.addresses);
    if (new Set(addresses).size !== owners.size) t.fail(`an address was given out twice at step ${now}`);
  }
  t.ok(owners.size > 0);
  t.end();
});

t.test('addresses that were asked for', (t) => {
  const pool = new Pool(options);
  const ask = (owner: string, ...addresses: string[]) => pool.allocate(owner, 0, { addresses }).addresses;
  t.same(ask('a', '10.244.1.5'), ['10.244.1.5', 'fd00:1::2'], 'of the other family any');
  t.same(ask('b', 'fd00:1:0::abcd', '10.244.1.2'), ['10.244.1.2', 'fd00:1::abcd'], 'however it is written');
  t.same(ask('c'), ['10.244.1.3', 'fd00:1::3'], 'the walk did not move');
  t.throws(() => ask('d', '10.244.1.5'), { code: 'taken', message: /10\.244\.1\.5 is a's/ });
  t.throws(() => ask('a', '10.244.1.6'), { code: 'taken' }, 'nobody has two');
  t.same(ask('a', '10.244.1.5'), ['10.244.1.5', 'fd00:1::2'], 'the same again is fine');
  for (const address of ['10.244.1.0', '10.244.1.1', '10.244.1.7', '10.244.2.5', 'fd00:1::'])
    t.throws(() => ask('d', address), { code: 'outside' }, address);
  pool.release('a', 0);
  t.same(ask('d', '10.244.1.5')[0], '10.244.1.5', 'it does not have to rest for who wants it back');
  pool.release('d', 0);
  t.throws(() => ask('e', '10.244.1.5', '10.244.2.5'), { code: 'outside' });
  t.notOk(pool.leases.has('e'), 'a refusal takes nothing');
  t.end();
});

t.test('only out of parts of the range', (t) => {
  const pool = new Pool({ ...options, ranges: ['10.244.1.0/24', 'fd00:1::/64'] });
  const spans = [
    { first: '10.244.1.254', last: '10.244.1.255' },
    { first: '10.244.1.10', last: '10.244.1.11' },
  ];
  const take = (owner: string) => pool.allocate(owner, 0, { spans }).addresses[0];
  t.same([take('a'), take('b'), take('c')], ['10.244.1.10', '10.244.1.11', '10.244.1.254']);
  t.throws(() => take('d'), { code: 'exhausted' }, 'not the broadcast address');
  pool.release('b', 0);
  t.throws(() => take('d'), { code: 'resting' });
  pool.allocate('elsewhere', 0);
  pool.release('elsewhere', 1500);
  t.equal(pool.allocate('d', 1600, { spans }).addresses[0], '10.244.1.11');
  const outside = [{ first: '10.244.9.1', last: '10.244.9.9' }];
  t.throws(() => pool.allocate('e', 0, { spans: outside }), { code: 'outside', message: /10\.244\.9\.1/ });
  t.end();
});
