/** What becomes of leases when the disk is full, and when the machine starts again. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { listNamespaces } from '../../../netns/namespace.ts';
import { skipUnlessRoot } from '../../root.ts';
import type { TestNode } from '../network/cluster-fixture.ts';
import { eventually, pings, testNamespace, TestCluster } from '../network/cluster-fixture.ts';
import { firstAddress, makeContainer, ownerOf, ServingNode } from './node.ts';
import type { Container } from './node.ts';

if (skipUnlessRoot(t)) {
  await using cluster = new TestCluster(1);
  const [node] = cluster.nodes as [TestNode];
  const directory = path.join(node.settings.stateDir, 'network');
  const file = path.join(directory, 'leases.json');
  const filler = path.join(directory, 'filler');
  mkdirSync(directory, { recursive: true });
  // 16 pages: a file of its own takes up what is left.
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory]);
  using mounted = new DisposableStack();
  mounted.defer(() => execFileSync('umount', ['--lazy', directory]));
  const serving = new ServingNode(node);
  const { plugin } = serving;
  const [a, b, c] = ['a', 'b', 'c'].map(makeContainer) as [Container, Container, Container];
  /** Takes what is left. */
  const fill = (): void => {
    for (let bytes = 64 << 10; bytes > 0; bytes = Math.floor(bytes / 2)) {
      try {
        writeFileSync(filler, Buffer.alloc(bytes), { flag: 'a' });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
  };
  // A lease that does not fit into what is left of a page: its line in the log breaks off.
  const portMappings = Array.from({ length: 100 }, (_, i) => ({ hostPort: 20_000 + i, containerPort: 80 }));
  const config = { runtimeConfig: { portMappings } };
  await serving.start(cluster.objects());

  for (const [what, prepare] of [
    ['the first lease after a start', () => undefined],
    ['a lease beside others', () => plugin.add(a)],
  ] as const) {
    await t.test(`a full disk: ${what} is refused, and works once there is room`, async (t) => {
      await prepare();
      const before = { leases: serving.leases(), links: serving.links(), files: readdirSync(directory) };
      fill();
      const refused = await plugin.call({ verb: 'ADD', ...b, config });
      t.match(refused, {
        exitCode: 1,
        said: { code: 5, msg: new RegExp(`cannot save addresses to ${file}: .*ENOSPC`) },
      });
      rmSync(filler);
      const after = { leases: serving.leases(), links: serving.links(), files: readdirSync(directory) };
      t.same(after, before, 'nothing is left of it');
      const added = await plugin.add({ ...b, config });
      t.ok(pings(node.namespace, firstAddress(added)));
      t.ok(ownerOf(b) in serving.leases());
      await plugin.succeed({ verb: 'DEL', ...b });
    });
  }

  await t.test('after the machine started again nobody has an address, and the walk goes on', async (t) => {
    const [first, second] = [serving.leases()[ownerOf(a)]?.addresses[0], firstAddress(await plugin.add(c))];
    await node.kill();
    // What another boot wrote: pods, links and sockets went with it.
    const content = JSON.parse(readFileSync(file, 'utf8')) as object;
    writeFileSync(file, JSON.stringify({ ...content, bootId: 'an-earlier-boot' }));
    const log = `${file}.log`;
    const lines = readFileSync(log, 'utf8').split('\n');
    const head = { ...(JSON.parse(lines[0] ?? '') as object), bootId: 'an-earlier-boot' };
    writeFileSync(log, [JSON.stringify(head), ...lines.slice(1)].join('\n'));
    for (const each of [a, b, c]) each.remove();
    await serving.start(cluster.objects());
    t.same(serving.leases(), {});
    const next = makeContainer('next');
    const address = firstAddress(await plugin.add(next));
    t.notOk([first, second].includes(address), `${address} was nobody's`);
    t.same(Object.keys(serving.leases()), [ownerOf(next)]);
    t.ok(pings(node.namespace, address));
    await plugin.succeed({ verb: 'DEL', ...next });
    next.remove();
    await eventually('links are gone', () => serving.hasNoLink());
  });

  await t.test('nothing is left behind', async (t) => {
    await node.kill();
    t.same(listNamespaces(testNamespace('')).length, 2, 'but the node and its switch');
  });
}
