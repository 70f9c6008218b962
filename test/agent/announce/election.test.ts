import t from 'tap';
import { Election } from '../../../agent/announce/election.ts';
import type { AddressLease } from '../../../agent/announce/leases.ts';
import type { WantedAddress } from '../../../agent/announce/wanted.ts';
import { Simulation } from './simulation.ts';

const names = ['node1', 'node2', 'node3', 'node4'];
const addresses = Array.from({ length: 8 }, (_, index) => `192.0.2.${16 + index}`);

function wanted(nodes: readonly string[] = names, which: readonly string[] = addresses): WantedAddress[] {
  const candidates = nodes.map((node) => ({ node, ready: true }));
  return which.map((address) => ({ address, candidates, services: [`default/${address}`] }));
}

/** A world in which everybody runs, and a list of the moments in which two answered for one address. */
function makeWorld(seed: number): { readonly world: Simulation; readonly doubled: Set<string> } {
  const world = new Simulation(seed, names);
  world.wanted = wanted();
  const doubled = new Set<string>();
  world.check = () => {
    for (const address of addresses) {
      const answering = world.answering(address);
      if (answering.length > 1) doubled.add(`${address}: ${answering.join(' and ')} at ${world.now} ms`);
    }
  };
  for (const node of world.nodes) node.start();
  return { world, doubled };
}

const holders = (world: Simulation): string[] => addresses.map((each) => world.answering(each).join('+'));

function countEach(texts: readonly string[]): number[] {
  return names.map((name) => texts.filter((text) => text === name).length);
}

t.test('in quiet times', async (t) => {
  const { world, doubled } = makeWorld(1);
  world.nodes[3]?.kill();
  await world.run(3_000);
  const before = holders(world);
  t.ok(Math.max(...countEach(before).slice(0, 3)) <= 3, 'eight addresses are spread over three nodes');

  const writes = world.log.length;
  await world.run(10_000);
  t.ok(world.log.length - writes <= 3 * 15, 'a heartbeat per node, nothing per address');

  world.nodes[3]?.start();
  await world.run(5_000);
  t.strictSame(holders(world), before, 'who joins takes nothing away');

  const startedAt = world.now;
  world.nodes[0]?.kill();
  await world.run(3_000);
  const after = holders(world);
  t.strictSame(
    after.filter((_, index) => before[index] !== 'node1'),
    before.filter((each) => each !== 'node1'),
    'what the dead one did not have does not move',
  );
  t.notOk(
    after.includes('node1') || after.includes(''),
    `all have another ${world.now - startedAt} ms later`,
  );
  t.strictSame([...doubled], [], 'never two');
});

t.test('a node that gives away, restarts, or is no candidate', async (t) => {
  const { world, doubled } = makeWorld(2);
  await world.run(3_000);
  const before = holders(world);
  const [node1, node2] = world.nodes;

  await Promise.all([node2?.end('restart'), world.run(200)]);
  await world.run(6_000);
  t.strictSame(
    holders(world),
    before.map((each) => (each === 'node2' ? '' : each)),
    'for some seconds nobody takes what one that restarts had',
  );
  node2?.start();
  await world.run(2_000);
  t.strictSame(holders(world), before, 'and it has it again');

  await Promise.all([node1?.end('stop'), world.run(200)]);
  await world.run(1_000);
  t.notOk(holders(world).includes(''), 'what one that stops had is taken at once');

  world.wanted = wanted(['node3']);
  await world.run(1_000);
  t.strictSame(new Set(holders(world)), new Set(['node3']), 'the only candidate has all');
  world.wanted = wanted([]);
  await world.run(1_000);
  t.strictSame(new Set(holders(world)), new Set(['']), 'without candidates nobody');
  world.wanted = [];
  await world.run(1_000);
  t.strictSame(new Set(holders(world)), new Set(['']));
  t.notOk(
    [...world.stored.keys()].some((key) => addresses.includes(key)),
    'the Leases are deleted',
  );
  t.strictSame([...doubled], [], 'never two');
});

/** One thing that goes wrong, or right again. */
function disturb(world: Simulation): void {
  const node = world.nodes[Math.floor(world.random() * world.nodes.length)];
  const dice = world.random();
  if (!node) return;
  if (dice < 0.25) node.isReaching = !node.isReaching;
  else if (dice < 0.4) node.isDeaf = !node.isDeaf;
  else if (dice < 0.5) node.frozenUntil = world.now + world.random() * 4_000;
  else if (dice < 0.6 && node.election) node.kill();
  else if (dice < 0.8 && !node.election) node.start();
  else if (dice < 0.92) world.slowestMs = world.random() < 0.3 ? 30 : 870;
  else world.wanted = wanted(names.filter(() => world.random() < 0.7));
  if (node.isReaching) node.deliver();
}

t.test('whatever happens: never two, and in the end each has one', async (t) => {
  for (let seed = 100; seed < 130; seed += 1) {
    await t.test(`seed ${seed}`, async (t) => {
      const { world, doubled } = makeWorld(seed);
      world.goesOnAlone = seed % 2 === 1;
      for (let i = 0; i < 60; i += 1) {
        disturb(world);
        await world.run(world.random() * 1_500);
      }
      world.slowestMs = 30;
      world.wanted = wanted();
      for (const node of world.nodes) {
        node.isReaching = true;
        node.isDeaf = false;
        node.frozenUntil = 0;
        if (!node.election) node.start();
        node.deliver();
      }
      await world.run(10_000);
      t.notOk(holders(world).includes(''), 'each has one');
      t.strictSame([...doubled], [], 'never two');
    });
  }
});

t.test('the API is away for everybody: the holders go on and keep what they have', async (t) => {
  const { world, doubled } = makeWorld(3);
  world.goesOnAlone = true;
  await world.run(3_000);
  const before = holders(world);
  for (const node of world.nodes) node.isReaching = false;
  await world.run(2_700);
  t.strictSame(new Set(holders(world)), new Set(['']), 'their Leases have run out: they stop');
  await world.run(4_000);
  t.strictSame(holders(world), before, 'nobody claims anything: they go on');
  await world.run(30_000);
  for (const node of world.nodes) {
    node.isReaching = true;
    node.deliver();
    await world.run(500);
  }
  await world.run(5_000);
  t.strictSame(holders(world), before, 'back again, one after the other: nothing has moved');
  t.strictSame([...doubled], [], 'never two');
});

t.test('one node alone is cut off: it does not go on when another has taken over', async (t) => {
  const { world, doubled } = makeWorld(4);
  world.goesOnAlone = true;
  await world.run(3_000);
  const [cut] = world.nodes;
  if (cut) cut.isReaching = false;
  await world.run(20_000);
  t.notOk(holders(world).some((each) => each === '' || each === 'node1'));
  t.strictSame([...doubled], [], 'never two');
});

t.test('thousands of addresses are taken a few at a time', async (t) => {
  const many = Array.from({ length: 1_000 }, (_, index) => `2001:db8::${(index + 1).toString(16)}`);
  const stored = new Map<string, AddressLease>();
  let [underWay, most, version] = [0, 0, 0];
  const election = new Election({
    self: 'node1',
    door: {
      beat: () => Promise.resolve(),
      readAnnouncer: () => Promise.resolve(undefined),
      hand: async (address, holder) => {
        underWay += 1;
        most = Math.max(most, underWay);
        await new Promise((resolve) => setImmediate(resolve));
        underWay -= 1;
        version += 1;
        const lease = { address, holder, version: String(version), transitions: 0 };
        stored.set(address, lease);
        return lease;
      },
      remove: () => Promise.resolve(),
    },
    leases: {
      get revision() {
        return BigInt(version);
      },
      addressLeases: () => stored.values(),
    },
    now: () => 0,
    onTaken: () => undefined,
    onLapse: () => undefined,
    isAway: () => false,
  });
  const input = { wanted: wanted(['node1'], many), isReachable: () => true };
  let passes = 0;
  while (election.announced().length < many.length && passes < 10) {
    await election.pass(input);
    passes += 1;
  }
  t.equal(election.announced().length, many.length);
  t.ok(most <= 16, `${most} requests at a time`);
  t.ok(passes > 1, `news has its turn in between: ${passes} passes`);
});
