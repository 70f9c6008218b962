import { join } from 'node:path';
import { pino } from 'pino';
import type { Test } from 'tap';
import t from 'tap';
import { nodes } from '../../../../api/client/resources.ts';
import type { Node } from '../../../../api/kinds/node.ts';
import { nodeKind } from '../../../../api/kinds/node.ts';
import { overlaps, parseBlock } from '../../../../api/server/registry/address-block.ts';
import { allBlockClaims } from '../../../../api/server/registry/block-claims.ts';
import { encodeObject, objectKey } from '../../../../api/server/registry/codec.ts';
import { createObject } from '../../../../api/server/registry/create.ts';
import { deleteObject } from '../../../../api/server/registry/delete.ts';
import { listObjects, wholeList } from '../../../../api/server/registry/list.ts';
import { ensureNodeClaims } from '../../../../api/server/registry/node-claims.ts';
import { Resources } from '../../../../api/server/registry/resources.ts';
import { updateObject } from '../../../../api/server/registry/update.ts';
import { StatusError } from '../../../../api/server/status-error.ts';
import { SqliteStore } from '../../../../api/store/sqlite.ts';
import type { Store } from '../../../../api/store/store.ts';
import { testCluster } from '../../../cluster.ts';
import { refusal, startServer } from '../fixture.ts';

const log = pino({ level: 'silent' });
const options = { dryRun: false };

function openStore(t: Test): Store {
  const store = SqliteStore.open(join(t.testdir(), 'store.db'));
  t.teardown(() => store.close());
  return store;
}

/** Nodes as one API server over the store has them. */
function serverOver(store: Store) {
  return new Resources(store, testCluster).of(nodeKind);
}

type Server = ReturnType<typeof serverOver>;

function node(name: string, ...podCIDRs: string[]): Node {
  return { metadata: { name }, spec: { podCIDRs } };
}

async function give(server: Server, name: string, podCIDRs: readonly string[]): Promise<void> {
  const change = (current: Node): Node => ({ ...current, spec: { podCIDRs: [...podCIDRs] } });
  await updateObject(server, { namespace: undefined, name }, change, 'object', options);
}

/** Writes a Node as a weft without claims did. */
async function putUnclaimed(
  store: Store,
  { spec, metadata }: Node,
  creationTimestamp: string,
): Promise<void> {
  const value = encodeObject(nodeKind, {
    metadata: { ...metadata, creationTimestamp },
    ...(spec && { spec }),
  });
  await store.write([{ type: 'create', key: objectKey(nodeKind, undefined, metadata.name), value }]);
}

/** How a request ended: `done`, or the reason of its refusal. */
async function outcome(request: Promise<unknown>): Promise<string> {
  try {
    await request;
    return 'done';
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    return error.reason;
  }
}

/** All ranges of all Nodes. */
async function rangesOf(server: Server): Promise<string[]> {
  const { items } = await listObjects(server, { namespace: undefined, ...wholeList });
  return items.flatMap(({ spec }) => spec?.podCIDRs ?? []);
}

function overlapping(cidrs: readonly string[]): string[] {
  const blocks = cidrs.map(parseBlock);
  return blocks.flatMap((a, i) =>
    blocks
      .slice(i + 1)
      .filter((b) => overlaps(a, b))
      .map((b) => `${a.cidr} ${b.cidr}`),
  );
}

/** What is claimed, by whom. */
async function claimsIn(store: Store): Promise<string[]> {
  const { entries } = await store.list(allBlockClaims);
  const claims = entries.map(({ value }) => JSON.parse(value) as { cidr?: string; owner?: string });
  return claims.flatMap(({ cidr, owner }) => (cidr === undefined ? [] : [`${cidr} ${owner}`]));
}

t.test('blocks overlap when one lies within the other', (t) => {
  const table: [string, string, boolean][] = [
    ['10.244.1.0/24', '10.244.1.0/24', true],
    ['10.244.1.0/24', '10.244.2.0/24', false],
    ['10.244.0.0/16', '10.244.255.0/24', true],
    ['10.244.1.77/24', '10.244.1.0/26', true],
    ['0.0.0.0/0', '255.255.255.255/32', true],
    ['0.0.0.0/0', '::/0', false],
    ['fd00:10:244::/56', 'fd00:10:244:ff::/64', true],
    ['fd00:10:244::/56', 'fd00:10:244:100::/64', false],
  ];
  for (const [a, b, expected] of table) {
    t.equal(overlaps(parseBlock(a), parseBlock(b)), expected, `${a} ${b}`);
    t.equal(overlaps(parseBlock(b), parseBlock(a)), expected, `${b} ${a}`);
  }
  t.end();
});

t.test('a range has one node, whatever the sizes', async (t) => {
  const server = serverOver(openStore(t));
  await createObject(server, node('n1', '10.244.1.0/24', 'fd00:10:244:1::/64'), options);
  const taken = [
    ['10.244.1.0/24'],
    ['10.244.1.128/25'],
    ['10.244.1.0/26'],
    ['10.244.0.0/16'],
    ['0.0.0.0/0'],
    ['10.244.2.0/24', 'fd00:10:244:1::/64'],
    ['fd00:10:244::/56'],
    ['fd00:10:244:1:8000::/65', '10.244.2.0/24'],
  ];
  for (const podCIDRs of taken) {
    t.equal(
      await outcome(createObject(server, node('n2', ...podCIDRs), options)),
      'Invalid',
      podCIDRs.join(),
    );
  }
  await t.rejects(createObject(server, node('n2', '10.244.2.0/24', 'fd00:10:244::/56'), options), {
    message:
      'Node "n2" is invalid: spec.podCIDRs[1]: Invalid value: "fd00:10:244::/56": ' +
      'overlaps with fd00:10:244:1::/64, which is the podCIDR of node n1',
  });
  const free = ['10.244.0.0/24', 'fd00:10:244::/64'];
  t.equal(
    await outcome(createObject(server, node('n2', ...free), options)),
    'done',
    'nothing is left claimed',
  );
  t.equal(await outcome(createObject(server, node('n3', '255.255.255.0/24'), options)), 'done', 'the last');
  t.equal(await outcome(createObject(server, node('n4', '0.0.0.0/8'), options)), 'done', 'the first');
  t.equal(await outcome(createObject(server, node('n5', '0.1.0.0/16'), options)), 'Invalid', 'within it');
  t.equal(await outcome(createObject(server, node('n5', '0.0.0.0/7'), options)), 'Invalid', 'around it');
});

t.test('many requests to several servers never share an address', async (t) => {
  const store = openStore(t);
  const servers = [serverOver(store), serverOver(store), serverOver(store)] as const;
  const names = Array.from({ length: 60 }, (_, i) => `n${i}`);
  await Promise.all(names.map((name, i) => createObject(servers[i % 3] as Server, node(name), options)));
  // Each asks for a part of the same /20, in sizes from /22 to /26: most overlap with many others.
  const wanted = names.map((_, i) => {
    const prefix = 22 + (i % 5);
    const size = 2 ** (32 - prefix);
    const offset = (((i * 397) % 4096) / size) | 0;
    return `10.244.${(offset * size) >> 8}.${(offset * size) & 255}/${prefix}`;
  });
  const outcomes = await Promise.all(
    names.map((name, i) => outcome(give(servers[i % 3] as Server, name, [wanted[i] ?? '']))),
  );
  const ranges = await rangesOf(servers[0]);
  t.same(overlapping(ranges), []);
  t.ok(ranges.length > 5, 'some got theirs');
  t.equal(outcomes.filter((each) => each === 'done').length, ranges.length);
  const refused = wanted.filter((_, i) => outcomes[i] === 'Invalid');
  const free = refused.filter((cidr) => overlapping([...ranges, cidr]).length === 0);
  t.same(free, [], 'none was refused without reason');
});

t.test('requests that do not overlap all succeed, however many there are at once', async (t) => {
  const server = serverOver(openStore(t));
  const names = Array.from({ length: 100 }, (_, i) => `n${i}`);
  await Promise.all(names.map((name, i) => createObject(server, node(name, `10.244.${i}.0/24`), options)));
  t.equal((await rangesOf(server)).length, 100);
});

t.test('a deleted node frees its ranges, and only its own', async (t) => {
  const store = openStore(t);
  const server = serverOver(store);
  await createObject(server, node('n1', '10.244.1.0/24', 'fd00:10:244:1::/64'), options);
  await createObject(server, node('n2', '10.244.2.0/24'), options);
  const refused = createObject(server, node('n3', '10.244.0.0/22'), options);
  t.equal(await outcome(refused), 'Invalid');
  await deleteObject(server, { namespace: undefined, name: 'n1' }, options);
  t.same(await claimsIn(store), ['10.244.2.0/24 n2']);
  t.equal(await outcome(createObject(server, node('n3', '10.244.0.0/23'), options)), 'done');
  t.equal(await outcome(createObject(server, node('n1', 'fd00:10:244:1::/64'), options)), 'done');
});

t.test('a dry run claims nothing, a change of something else neither', async (t) => {
  const store = openStore(t);
  const server = serverOver(store);
  await createObject(server, node('n1', '10.244.1.0/24'), { dryRun: true });
  t.same(await claimsIn(store), []);
  await createObject(server, node('n1', '10.244.1.0/24'), options);
  const before = await store.list(allBlockClaims);
  const label = (current: Node): Node => ({
    ...current,
    metadata: { ...current.metadata, labels: { a: 'b' } },
  });
  await updateObject(server, { namespace: undefined, name: 'n1' }, label, 'object', options);
  t.same((await store.list(allBlockClaims)).entries, before.entries);
});

t.test('a store without claims gets them from its nodes', async (t) => {
  const store = openStore(t);
  const put = (name: string, second: string, ...podCIDRs: string[]) =>
    putUnclaimed(store, node(name, ...podCIDRs), `2026-01-01T00:00:${second}Z`);
  await put('a-young', '09', '10.244.0.0/16', 'fd00:10:244:9::/64');
  await put('inner', '08', '10.244.1.64/26');
  await put('old', '01', '10.244.1.0/24', 'fd00:10:244:1::/64');
  await put('other', '02', '10.245.1.0/24');
  await put('none', '03');
  t.equal(await ensureNodeClaims(store, log), true, 'some are left without');
  const expected = [
    '10.244.1.0/24 old',
    '10.245.1.0/24 other',
    'fd00:10:244:1::/64 old',
    'fd00:10:244:9::/64 a-young',
  ];
  t.same(await claimsIn(store), expected, 'of those that overlap the oldest has it');
  const revision = await store.currentRevision();
  await ensureNodeClaims(store, log);
  t.equal(await store.currentRevision(), revision, 'once more writes nothing');

  const server = serverOver(store);
  t.equal(await outcome(createObject(server, node('new', '10.244.1.0/28'), options)), 'Invalid');
  await deleteObject(server, { namespace: undefined, name: 'inner' }, options);
  await deleteObject(server, { namespace: undefined, name: 'a-young' }, options);
  t.same(await claimsIn(store), expected.slice(0, 3), 'who had no claim frees none');

  // As a weft without claims would: one node less, one more, one range in other hands.
  await store.write([
    { type: 'delete', key: objectKey(nodeKind, undefined, 'other') },
    { type: 'delete', key: objectKey(nodeKind, undefined, 'old') },
  ]);
  await put('heir', '20', '10.244.1.0/24', 'fd00:10:244:2::/64');
  t.equal(await ensureNodeClaims(store, log), false);
  t.same(await claimsIn(store), ['10.244.1.0/24 heir', 'fd00:10:244:2::/64 heir']);
});

t.test('a server that starts on such a store keeps its nodes apart', async (t) => {
  const stateDir = t.testdir();
  const store = SqliteStore.open(join(stateDir, 'store.db'));
  await putUnclaimed(store, node('old', '10.244.1.0/24'), '2026-01-01T00:00:00Z');
  await store.close();
  const { client } = await startServer(t, { stateDir });
  t.match(await refusal(t, client.create(nodes, node('new', '10.244.0.0/16'))), {
    code: 422,
    message: /overlaps with 10.244.1.0\/24, which is the podCIDR of node old/,
  });
  await client.delete(nodes, { name: 'old' });
  t.ok(await client.create(nodes, node('new', '10.244.0.0/16')));
});
