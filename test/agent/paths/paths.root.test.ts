import type { ChildProcess } from 'node:child_process';
import { execFile, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import type { Health } from '../../../agent/subsystem.ts';
import { setChecksumOffload } from '../../../netns/checksum-offload.ts';
import { runInNamespace } from '../../../netns/namespace.ts';
import type { TestNode } from '../network/cluster-fixture.ts';
import { dropInvalid, eventually, ip, run, TestCluster, testNamespace } from '../network/cluster-fixture.ts';
import { skipUnlessRoot } from '../../root.ts';
import type { RelayMood } from './relay-process.ts';

interface Attachment {
  netns: string;
  ips: string[];
}

/** Puts a relay in the place of the cluster's switch. */
async function startRelay(
  nodes: readonly TestNode[],
): Promise<AsyncDisposable & { set(mood: RelayMood): Promise<void> }> {
  const namespace = testNamespace('switch');
  for (const { name, namespace: inside } of nodes) {
    run(namespace, 'ip', 'link', 'set', name, 'nomaster');
    // A relay takes frames as long as the link says, not what a card would cut into such.
    run(inside, 'ip', 'link', 'set', 'eth0', 'gso_max_segs', '1');
  }
  const file = path.join(import.meta.dirname, 'relay-process.ts');
  const child: ChildProcess = runInNamespace(namespace, () =>
    fork(
      file,
      nodes.map(({ name }) => name),
    ),
  );
  await once(child, 'message');
  return {
    async set(mood) {
      child.send(mood);
      await once(child, 'message');
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

/** Whether one of so many packets, never fragmented, goes there and back. The relay must run meanwhile. */
async function pings(namespace: string, address: string, bytes: number, ...more: string[]): Promise<boolean> {
  const header = address.includes(':') ? 48 : 28;
  const args = ['-n', '-c', '4', '-i', '0.2', '-W', '0.5', '-s', String(bytes - header), ...more, address];
  try {
    await runInNamespace(namespace, () => promisify(execFile)('ping', args));
    return true;
  } catch {
    return false; // ping says by its exit code that nothing came back
  }
}

const transferBytes = 200_000;
const server = `require('net').createServer((s) => { let n = 0; s.on('data', (d) => { n += d.length; if (n === ${transferBytes}) s.end('all'); }); })
  .listen(7000, '::', () => console.log('listening'));`;
const client = (address: string): string =>
  `const s = require('net').connect(7000, '${address}', () => s.write(Buffer.alloc(${transferBytes})));
  s.on('data', (d) => process.exit(String(d) === 'all' ? 0 : 1)); s.on('error', () => process.exit(2));
  setTimeout(() => process.exit(3), 4000);`;

/** Whether a TCP connection carries more than one segment. */
async function transfers(from: string, address: string): Promise<boolean> {
  const child = runInNamespace(from, () =>
    spawn(process.execPath, ['-e', client(address)], { stdio: 'ignore' }),
  );
  const [code] = (await once(child, 'exit')) as [number];
  return code === 0;
}

const routeMtus = (node: TestNode): unknown[] =>
  ['-4', '-6'].flatMap((family) =>
    ip(node.namespace, family, 'route', 'show', 'proto', '117').map(({ metrics }) => metrics),
  );

if (skipUnlessRoot(t)) {
  t.test('bad ways between two nodes', async (t) => {
    await using cluster = new TestCluster(2);
    const [node1, node2] = cluster.nodes as [TestNode, TestNode];
    for (const { namespace } of cluster.nodes) dropInvalid(namespace);
    await using relay = await startRelay(cluster.nodes);
    await Promise.all(cluster.nodes.map((node) => node.start(cluster.objects())));
    const [a, c] = await Promise.all([
      node1.ask<Attachment>('attach', cluster.uid('a')),
      node2.ask<Attachment>('attach', cluster.uid('c')),
    ]);
    const [ipv4 = '', ipv6 = ''] = c.ips;
    const listener = runInNamespace(c.netns, () =>
      spawn(process.execPath, ['-e', server], { stdio: ['ignore', 'pipe', 'ignore'] }),
    );
    t.teardown(() => listener.kill());
    await once(listener.stdout, 'data');
    const reason = async (node: TestNode): Promise<string> =>
      (await node.ask<Health>('pathHealth')).reason ?? '';
    const everywhere = async (pattern: RegExp): Promise<boolean> =>
      (await Promise.all(cluster.nodes.map(reason))).every((text) => pattern.test(text));

    await t.test('a path that is narrower than the links say', async (t) => {
      await eventually('a way', () => pings(a.netns, ipv4, 100));
      t.ok(await pings(a.netns, ipv4, 1450, '-M', 'do'), 'wide at first');
      await relay.set({ mtu: 1400 });
      t.notOk(await pings(a.netns, ipv4, 1351, '-M', 'do'), 'then it swallows what is longer');
      t.ok(await pings(a.netns, ipv4, 1350, '-M', 'do'));
      await Promise.all(cluster.nodes.map((node) => node.ask('startPaths')));
      const narrow = [[{ mtu: 1350 }], [{ mtu: 1350 }]];
      for (const node of cluster.nodes) {
        await eventually('routes that say so', () => isSame(routeMtus(node), narrow));
      }
      t.match(
        await reason(node1),
        /more than 1350 bytes do not reach node node2.*172\.30\.0\.11 and 172\.30\.0\.12/,
      );
      t.match(await node1.ask('events'), [{ type: 'Warning', reason: 'PathMTUTooSmall' }]);
      t.match(await node1.ask('metrics'), /weft_path_mtu_bytes\{node="node2",family="ipv4"\} 1350/);
      for (const address of [ipv4, ipv6]) {
        t.ok(await pings(a.netns, address, 1450, '-M', 'dont'), `${address}: fragments`);
        t.ok(await transfers(a.netns, address), `${address}: TCP`);
      }
    });

    await t.test('wide again', async (t) => {
      await relay.set({});
      await eventually('routes as before', () => isSame(routeMtus(node1), [undefined, undefined]));
      t.equal(await reason(node1), '');
      t.match((await node1.ask<unknown[]>('events')).slice(-1), [
        { type: 'Normal', reason: 'PathMTURestored' },
      ]);
    });

    await t.test('a network card that spoils checksums in the vxlan', async (t) => {
      t.ok(await transfers(a.netns, ipv4), 'sound at first');
      await relay.set({ spoils: true });
      await eventually('found out on both sides', () => everywhere(/checksum offload is broken/));
      for (const address of [ipv4, ipv6]) t.ok(await transfers(a.netns, address), `${address}: TCP`);
      t.match((await node1.ask<unknown[]>('events')).slice(-1), [{ reason: 'ChecksumOffloadBroken' }]);
      t.match(await node1.ask('metrics'), /weft_vxlan_checksum_offload_broken 1/);
      run(node1.namespace, 'ip', 'link', 'delete', 'weft-vxlan');
      await eventually('as good after the device is made anew', () => transfers(a.netns, ipv4));
      await node1.kill();
      await node1.start(cluster.objects());
      await node1.ask('startPaths');
      await eventually('the next run finds it', async () =>
        /switched off, as after/.test(await reason(node1)),
      );
      t.ok(await transfers(a.netns, ipv4));
    });

    await t.test('a card that was mended', async (t) => {
      await relay.set({});
      for (const { namespace } of cluster.nodes) {
        runInNamespace(namespace, () => setChecksumOffload('weft-vxlan', true));
      }
      await eventually('nothing to complain of', () => everywhere(/^$/));
      t.ok(await transfers(a.netns, ipv4));
    });
  });
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
