import t from 'tap';
import type { Health } from '../../../agent/subsystem.ts';
import { listNamespaces } from '../../../netns/namespace.ts';
import { skipUnlessRoot } from '../../root.ts';
import type { TestNode } from './cluster-fixture.ts';
import { eventually, ip, pings, run, TestCluster, testNamespace } from './cluster-fixture.ts';

interface Attachment {
  netns: string;
  ips: string[];
}
interface Counters {
  passes: number;
  changes: number;
}

/** Runs one more pass and tells how many changes it made. */
async function changesOfNextPass(node: TestNode, nodes: unknown): Promise<number> {
  // Whatever the last step set in motion comes to rest first.
  let before = await node.ask<Counters>('counters');
  await eventually('the network rests', async () => {
    const now = await node.ask<Counters>('counters');
    const rests = now.changes === before.changes;
    before = now;
    return rests;
  });
  await node.ask('setNodes', nodes);
  await eventually(
    'one more pass',
    async () => (await node.ask<Counters>('counters')).passes > before.passes,
  );
  return (await node.ask<Counters>('counters')).changes - before.changes;
}

async function changesOf(node: TestNode): Promise<number> {
  return (await node.ask<Counters>('counters')).changes;
}

if (skipUnlessRoot(t)) {
  t.test('three nodes and their pods', async (t) => {
    await using cluster = new TestCluster(3);
    const [node1, node2, node3] = cluster.nodes as [TestNode, TestNode, TestNode];
    const objects = cluster.objects();
    await Promise.all(cluster.nodes.map((node) => node.start(objects)));
    const [a, b, c] = await Promise.all([
      node1.ask<Attachment>('attach', cluster.uid('a')),
      node1.ask<Attachment>('attach', cluster.uid('b')),
      node2.ask<Attachment>('attach', cluster.uid('c')),
    ]);
    await eventually('node3 ready', async () => (await node3.ask<Health>('health')).ready);

    await t.test('the kernel shows what was asked for', (t) => {
      t.same(a.ips, ['10.244.1.2', 'fd00:10:244:1::2']);
      t.same(c.ips, ['10.244.2.2', 'fd00:10:244:2::2']);
      const routes = ip(node1.namespace, 'route', 'show', 'proto', '117');
      t.same(
        routes.map(({ dst, gateway, dev, prefsrc }) => ({ dst, gateway, dev, prefsrc })),
        [
          { dst: '10.244.2.0/24', gateway: '10.244.2.1', dev: 'weft-vxlan', prefsrc: '10.244.1.1' },
          { dst: '10.244.3.0/24', gateway: '10.244.3.1', dev: 'weft-vxlan', prefsrc: '10.244.1.1' },
        ],
      );
      const [vxlan] = ip(node1.namespace, '-d', 'link', 'show', 'weft-vxlan');
      t.match(vxlan, { mtu: 1450, linkinfo: { info_data: { id: 117, port: 8472, learning: false } } });
      const fdb = run(node1.namespace, 'bridge', 'fdb', 'show', 'dev', 'weft-vxlan');
      t.match(fdb, /dst 172\.30\.0\.12 self permanent/);
      t.match(fdb, /dst 172\.30\.0\.13 self permanent/);
      const podRoutes = ip(a.netns, 'route');
      t.match(podRoutes, [{ dst: 'default', gateway: '10.244.1.1', dev: 'eth0', flags: ['onlink'] }]);
      t.equal(podRoutes.length, 1);
      const ports = ip(node1.namespace, '-d', 'link', 'show', 'master', 'weft0');
      t.match(ports, [
        { mtu: 1450, linkinfo: { info_slave_data: { isolated: true } } },
        { mtu: 1450, linkinfo: { info_slave_data: { isolated: true } } },
      ]);
      t.match(ip(node1.namespace, '-4', 'address', 'show', 'lo'), [
        { addr_info: [{ local: '127.0.0.1' }, { local: '10.96.0.10', prefixlen: 32, scope: 'host' }] },
      ]);
      t.equal(run(node1.namespace, 'cat', '/proc/sys/net/ipv4/ip_forward').trim(), '1');
      t.end();
    });

    const everybodyReaches = (): boolean =>
      [a.netns, b.netns, node1.namespace, node2.namespace, node3.namespace].every((from) =>
        c.ips.every((address) => pings(from, address)),
      ) &&
      [b.netns, c.netns, node1.namespace].every((from) => a.ips.every((address) => pings(from, address)));

    await t.test('pods and nodes reach pods, on one node and across', async () => {
      await eventually('all pairs of pods talk', everybodyReaches);
    });

    await t.test('a second pass changes nothing', async (t) => {
      for (const node of cluster.nodes) t.equal(await changesOfNextPass(node, objects), 0, node.name);
    });

    const damages: Record<string, string[][]> = {
      'the bridge': [['ip', 'link', 'delete', 'weft0']],
      'the vxlan device': [['ip', 'link', 'delete', 'weft-vxlan']],
      'both devices': [
        ['ip', 'link', 'delete', 'weft0'],
        ['ip', 'link', 'delete', 'weft-vxlan'],
      ],
      'an IPv4 route': [['ip', 'route', 'delete', '10.244.2.0/24']],
      'an IPv6 route': [['ip', '-6', 'route', 'delete', 'fd00:10:244:2::/64']],
      'a neighbour': [['ip', 'neigh', 'delete', '10.244.2.1', 'dev', 'weft-vxlan']],
      'the neighbours of pods': [['ip', 'neigh', 'flush', 'nud', 'permanent', 'dev', 'weft0']],
      'the bridge address': [['ip', 'address', 'delete', '10.244.1.1/24', 'dev', 'weft0']],
      'the way up': [['ip', 'link', 'set', 'weft-vxlan', 'down']],
      'the DNS address': [['ip', 'address', 'delete', '10.96.0.10/32', 'dev', 'lo']],
      'forwarding entries': [
        [
          'sh',
          '-c',
          'for m in $(bridge fdb show dev weft-vxlan | cut -d" " -f1); do bridge fdb del $m dev weft-vxlan; done',
        ],
      ],
    };
    const snapshot = (): unknown => [
      ip(node1.namespace, 'route').map(({ dst, gateway, dev, prefsrc }) => [dst, gateway, dev, prefsrc]),
      ip(node1.namespace, '-6', 'route')
        .map(({ dst, gateway, dev, prefsrc }) => [dst, gateway, dev, prefsrc])
        .sort(),
      ip(node1.namespace, 'neigh', 'show', 'nud', 'permanent')
        .map(({ dst, dev, lladdr }) => [dst, dev, lladdr])
        .sort(),
      run(node1.namespace, 'bridge', 'fdb')
        .split('\n')
        .filter((line) => line.includes('weft-vxlan'))
        .sort(),
      ip(node1.namespace, 'address', 'show', 'lo').map(({ addr_info }) =>
        (addr_info as { local: string }[]).map(({ local }) => local).sort(),
      ),
    ];
    const sound = JSON.stringify(snapshot());
    for (const [what, commands] of Object.entries(damages)) {
      await t.test(`${what} taken away by hand: repaired`, async (t) => {
        const before = await changesOf(node1);
        for (const command of commands) run(node1.namespace, ...command);
        // Seen by the counter: the repair may be faster than a look at the damage.
        await eventually('a repair', async () => (await changesOf(node1)) > before);
        await eventually('all is as before', () => JSON.stringify(snapshot()) === sound);
        await eventually('all pairs of pods talk', everybodyReaches);
        t.equal(await changesOfNextPass(node1, objects), 0, 'and then nothing more is changed');
      });
    }

    await t.test('what others own stays', async (t) => {
      run(node1.namespace, 'ip', 'route', 'add', '10.99.0.0/24', 'via', '172.30.0.2');
      run(node1.namespace, 'ip', 'route', 'add', '10.98.0.0/24', 'via', '172.30.0.2', 'proto', '118');
      run(node1.namespace, 'ip', 'address', 'add', '10.97.0.1/32', 'dev', 'lo');
      run(node1.namespace, 'ip', 'link', 'add', 'other', 'type', 'bridge');
      t.equal(await changesOfNextPass(node1, objects), 0);
      t.equal(ip(node1.namespace, 'route', 'show', '10.99.0.0/24').length, 1);
      t.equal(ip(node1.namespace, 'route', 'show', '10.98.0.0/24').length, 1);
      t.equal(ip(node1.namespace, 'link', 'show', 'other').length, 1);
    });

    await t.test('attaching again gives the same', async (t) => {
      t.same(await node1.ask('attach', cluster.uid('a')), a);
      t.equal(await changesOfNextPass(node1, objects), 0);
    });

    await t.test('a killed and restarted process takes over what it finds', async (t) => {
      await node1.kill();
      t.ok(everybodyReaches(), 'traffic flows without it');
      await node1.start([]);
      t.match(await node1.ask('health'), { ready: true }, 'ready by what is in the kernel');
      t.same(await node1.ask('attach', cluster.uid('b')), b, 'a pod that was there');
      const fresh = await node1.ask<Attachment>('attach', cluster.uid('d'));
      t.same(fresh.ips, ['10.244.1.4', 'fd00:10:244:1::4'], 'a new one, while the API is away');
      t.ok(pings(fresh.netns, a.ips[0] ?? ''));
      await node1.ask('detach', cluster.uid('d'));
      await node1.ask('setNodes', objects);
      await eventually('a pass', async () => (await node1.ask<Counters>('counters')).passes > 0);
      t.equal((await node1.ask<Counters>('counters')).changes, 0, 'nothing needs to change');
    });

    await t.test('a node that leaves takes its routes along', async (t) => {
      await node1.ask('setNodes', objects.slice(0, 2));
      await eventually('no route', () => ip(node1.namespace, 'route', 'show', '10.244.3.0/24').length === 0);
      t.notMatch(run(node1.namespace, 'bridge', 'fdb', 'show', 'dev', 'weft-vxlan'), /172\.30\.0\.13/);
      t.ok(pings(a.netns, c.ips[0] ?? ''));
    });

    await t.test('of two nodes with one range the younger gets no routes', async (t) => {
      const twins = objects.map((node, i) => (i === 2 ? { ...node, spec: objects[1]?.spec ?? {} } : node));
      await node1.ask('setNodes', twins);
      await eventually(
        'said so',
        async () =>
          (await node1.ask<Health>('health')).reason?.includes("of node node3 is node node2's") === true,
      );
      t.match(await node1.ask('health'), { ready: true });
      t.notMatch(run(node1.namespace, 'bridge', 'fdb', 'show', 'dev', 'weft-vxlan'), /172\.30\.0\.13/);
      t.ok(pings(a.netns, c.ips[0] ?? ''));
    });

    await t.test('a Node full of nonsense costs no other its ways, whichever pass reads it', async (t) => {
      const nonsense = {
        ...objects[2],
        spec: { podCIDRs: ['garbage', '10.244.0.0/33'] },
        status: { addresses: [{ type: 'InternalIP', address: 'nonsense' }] },
      };
      const isNamed = async (): Promise<boolean> =>
        (await node1.ask<Health>('health')).reason?.includes('"10.244.0.0/33" of node node3') === true;
      for (const [verb, argument] of [
        ['setNodes', [...objects.slice(0, 2), nonsense]],
        ['changeNode', { ...nonsense, metadata: { ...objects[2]?.metadata, labels: {} } }],
      ] as const) {
        await node1.ask('setNodes', objects);
        await eventually(
          'a way to each',
          () => ip(node1.namespace, 'route', 'show', 'proto', '117').length === 2,
        );
        await node1.ask(verb, argument);
        await eventually('it is named', isNamed);
        t.match(await node1.ask('health'), { ready: true });
        t.match(ip(node1.namespace, 'route', 'show', 'proto', '117'), [{ dst: '10.244.2.0/24' }]);
        t.ok(pings(a.netns, c.ips[0] ?? ''));
      }
    });

    await t.test('detached pods and removed nodes leave nothing', async (t) => {
      for (const name of ['a', 'b']) await node1.ask('detach', cluster.uid(name));
      await node1.ask('detach', cluster.uid('never-was'));
      t.same(await node1.ask('list'), []);
      t.same(listNamespaces(`weft-${cluster.uid('a')}`), []);
      await node2.ask('detach', cluster.uid('c'));
      for (const node of [node1, node2]) {
        await eventually('no veth', () => ip(node.namespace, 'link', 'show', 'type', 'veth').length === 1);
        await node.ask('stop');
        await node.ask('cleanup');
      }
      t.same(
        ip(node2.namespace, 'link')
          .map(({ ifname }) => ifname)
          .sort(),
        ['eth0', 'lo'],
      );
      t.same(
        ip(node2.namespace, '-4', 'address').flatMap(({ addr_info }) =>
          (addr_info as { local: string }[]).map(({ local }) => local),
        ),
        ['127.0.0.1', '172.30.0.12'],
      );
    });
  });

  t.test('nothing is left behind', (t) => {
    t.same(listNamespaces(testNamespace('')), []);
    t.same(listNamespaces(`weft-test${process.pid}`), []);
    t.end();
  });
}
