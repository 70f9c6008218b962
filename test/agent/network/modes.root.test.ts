import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import t from 'tap';
import { podHostLinkName } from '../../../agent/network/marks.ts';
import type { Health } from '../../../agent/subsystem.ts';
import type { Node } from '../../../api/kinds/node.ts';
import { listNamespaces, runInNamespace } from '../../../netns/namespace.ts';
import { skipUnlessRoot } from '../../root.ts';
import { Traffic } from '../underlay/traffic.ts';
import { eventually, ip, pings, run, TestCluster, TestNode, testNamespace } from './cluster-fixture.ts';

interface Attachment {
  netns: string;
  ips: string[];
}
interface Counters {
  fullPasses: number;
}

const execute = promisify(execFile);

/** The way that a node has to a range: `device gateway`. */
function wayTo(node: TestNode, range: string): string {
  const [route] = ip(node.namespace, range.includes(':') ? '-6' : '-4', 'route', 'show', range);
  const { dev, gateway, via } = (route ?? {}) as { dev?: string; gateway?: string; via?: { host: string } };
  return `${dev} ${gateway ?? via?.host}`;
}

const ranges = ['10.244.2.0/24', 'fd00:10:244:2::/64'];

function waysToSecond(node: TestNode): string[] {
  return ranges.map((range) => wayTo(node, range));
}

function mtuOf(namespace: string, link: string): unknown {
  return ip(namespace, 'link', 'show', link)[0]?.['mtu'];
}

/** Whether a packet of so many bytes, which nobody may fragment, goes there and back. */
function passesWhole(namespace: string, address: string, bytes: number): boolean {
  const headers = address.includes(':') ? 48 : 28;
  return pings(namespace, address, '-M', 'do', '-s', String(bytes - headers));
}

function withMode(node: Node, mode: string): Node {
  return { ...node, metadata: { ...node.metadata, annotations: { 'weft/network-mode': mode } } };
}

/** Pings every 5 ms until `act` is done and a little longer. Returns how many packets did not come back. */
async function countLost(from: string, to: string, act: () => Promise<void>): Promise<number> {
  const probe = runInNamespace(from, () =>
    execute('ping', ['-n', '-i', '0.005', '-c', '400', '-W', '2', to]),
  );
  await sleep(200);
  await act();
  const { stdout } = await probe;
  const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(stdout) ?? [];
  return Number(sent) - Number(received);
}

if (skipUnlessRoot(t)) {
  t.test('two nodes on one subnet', async (t) => {
    await using cluster = new TestCluster(2, 'auto');
    const [node1, node2] = cluster.nodes as [TestNode, TestNode];
    const objects = cluster.objects() as [Node, Node];
    await Promise.all(cluster.nodes.map((node) => node.start(objects)));
    const a = await node1.ask<Attachment>('attach', { id: cluster.uid('a') });
    const b = await node2.ask<Attachment>('attach', { id: cluster.uid('b') });
    const direct = ['eth0 172.30.0.12', 'eth0 fd00:172:30::12'];
    const vxlan = ['weft-vxlan 10.244.2.1', 'weft-vxlan fd00:10:244:2::1'];

    await t.test('reach each other straight', async (t) => {
      await eventually('routes', () => waysToSecond(node1).join() === direct.join());
      t.equal(run(node1.namespace, 'bridge', 'fdb', 'show', 'dev', 'weft-vxlan'), '');
      t.same(ip(node1.namespace, 'neigh', 'show', 'dev', 'weft-vxlan', 'nud', 'permanent'), []);
      for (const address of b.ips) t.ok(pings(a.netns, address), address);
      for (const address of b.ips) t.ok(pings(node1.namespace, address), `from the node: ${address}`);
    });

    await t.test('another mode, and back, loses no packet', async (t) => {
      const turnTo = (mode: string, ways: readonly string[]) => async (): Promise<void> => {
        const annotated = withMode(objects[1], mode);
        // One node hears of it before the other, as it is in a cluster.
        await node1.ask('changeNode', annotated);
        await eventually('node1 turned', () => waysToSecond(node1).join() === ways.join());
        await sleep(50);
        await node2.ask('changeNode', annotated);
        const device = ways[0]?.split(' ')[0];
        await eventually('node2 turned', () => wayTo(node2, '10.244.1.0/24').split(' ')[0] === device);
      };
      for (const address of b.ips) {
        t.equal(await countLost(a.netns, address, turnTo('vxlan', vxlan)), 0, `to vxlan: ${address}`);
        t.equal(await countLost(a.netns, address, turnTo('auto', direct)), 0, `to direct: ${address}`);
      }
      t.equal(
        run(node1.namespace, 'bridge', 'fdb', 'show', 'dev', 'weft-vxlan'),
        '',
        'nothing is left of it',
      );
    });

    await t.test('a peer with another address costs that peer only', async (t) => {
      run(node2.namespace, 'ip', 'address', 'add', '172.30.0.99/24', 'dev', 'eth0');
      const before = await node1.ask<Counters>('counters');
      const addresses = ['172.30.0.99', 'fd00:172:30::12'].map((address) => ({
        type: 'InternalIP',
        address,
      }));
      await node1.ask('changeNode', { ...objects[1], status: { addresses } });
      await eventually('the route follows', () => wayTo(node1, '10.244.2.0/24') === 'eth0 172.30.0.99');
      t.ok(pings(a.netns, b.ips[0] ?? ''));
      await node1.ask('changeNode', withMode({ ...objects[1], status: { addresses } }, 'vxlan'));
      await eventually('tunnelled', () => waysToSecond(node1).join() === vxlan.join());
      t.match(run(node1.namespace, 'bridge', 'fdb', 'show', 'dev', 'weft-vxlan'), /dst 172\.30\.0\.99 self/);
      await node1.ask('removeNode', 'node2');
      await eventually('gone', () => waysToSecond(node1).every((way) => way === 'undefined undefined'));
      t.equal(run(node1.namespace, 'bridge', 'fdb', 'show', 'dev', 'weft-vxlan'), '');
      await sleep(300);
      t.equal((await node1.ask<Counters>('counters')).fullPasses, before.fullPasses, 'nothing else was read');
      await node1.ask('changeNode', objects[1]);
      await eventually('back', () => waysToSecond(node1).join() === direct.join());
    });

    await t.test('a node that goes straight to all others has the MTU of its underlay', async (t) => {
      const insideMtu = ({ netns }: Attachment): unknown => mtuOf(netns, 'eth0');
      const nodesEnds = ['weft0', podHostLinkName(cluster.uid('a')), 'weft-vxlan'];
      const mtus = (): unknown[] => [insideMtu(a), ...nodesEnds.map((name) => mtuOf(node1.namespace, name))];
      const turnTo = async (mode: string, changed: readonly Node[] = objects): Promise<void> => {
        for (const object of changed.map((each) => withMode(each, mode)))
          for (const node of [node1, node2]) await node.ask('changeNode', object);
      };
      t.same(mtus(), [1450, 1450, 1450, 1450]);
      using stack = new DisposableStack();
      const connections = await Promise.all(
        b.ips.map(async (address) => stack.use(await Traffic.between(a.netns, b.netns, address, 10_000))),
      );
      const goOn = (): Promise<unknown> => Promise.all(connections.map((each) => each.goesOn()));
      await turnTo('direct');
      await eventually('longer packets', () => insideMtu(a) === 1500 && insideMtu(b) === 1500);
      t.same(mtus(), [1500, 1500, 1500, 1450]);
      await goOn();
      for (const address of b.ips) t.ok(passesWhole(a.netns, address, 1500), `to ${address}`);
      await turnTo('vxlan', [objects[1]]);
      await eventually('tunnelled', () => waysToSecond(node1).join() === vxlan.join());
      await goOn();
      t.equal(insideMtu(a), 1500, "one peer's narrower way is told, not set");
      for (const address of b.ips) t.ok(passesWhole(a.netns, address, 1450), `tunnelled to ${address}`);
      await turnTo('auto');
      await eventually(
        'as before',
        () => waysToSecond(node1).join() === direct.join() && insideMtu(a) === 1450,
      );
      await goOn();
    });

    await t.test('a direct route taken away by hand is repaired, and cleanup leaves none', async (t) => {
      run(node1.namespace, 'ip', 'route', 'delete', '10.244.2.0/24');
      await eventually('repaired', () => waysToSecond(node1).join() === direct.join());
      await node1.ask('detach', cluster.uid('a'));
      await node1.ask('stop');
      await node1.ask('cleanup');
      t.same(ip(node1.namespace, 'route', 'show', 'proto', '117'), []);
      t.same(ip(node1.namespace, '-6', 'route', 'show', 'proto', '117'), []);
    });
  });

  t.test('a node behind a router is reached by vxlan, its neighbour straight', async () => {
    await using cluster = new TestCluster(3, 'auto');
    const [node1, node2, third] = cluster.nodes as [TestNode, TestNode, TestNode];
    const node3 = new TestNode('node3', { ...third.settings, nodeIPs: ['172.31.0.13'] });
    const router = testNamespace('switch');
    run(router, 'sysctl', '-q', '-w', 'net.ipv4.ip_forward=1');
    for (const address of ['172.30.0.1/24', '172.31.0.1/24'])
      run(router, 'ip', 'address', 'add', address, 'dev', 'switch');
    run(node3.namespace, 'ip', 'address', 'flush', 'dev', 'eth0');
    run(node3.namespace, 'ip', 'address', 'add', '172.31.0.13/24', 'dev', 'eth0');
    run(node3.namespace, 'ip', 'route', 'add', 'default', 'via', '172.31.0.1');
    for (const node of [node1, node2])
      run(node.namespace, 'ip', 'route', 'add', 'default', 'via', '172.30.0.1');
    const objects = cluster.objects();
    objects[2] = {
      ...objects[2],
      status: { addresses: [{ type: 'InternalIP', address: '172.31.0.13' }] },
    } as Node;
    const nodes = [node1, node2, node3];
    try {
      await Promise.all(nodes.map((node) => node.start(objects)));
      const a = await node1.ask<Attachment>('attach', { id: cluster.uid('near') });
      const c = await node3.ask<Attachment>('attach', { id: cluster.uid('far') });
      await eventually('routes', () => wayTo(node1, '10.244.3.0/24') === 'weft-vxlan 10.244.3.1');
      await eventually('straight', () => wayTo(node1, '10.244.2.0/24') === 'eth0 172.30.0.12');
      for (const address of c.ips) await eventually(`a ping to ${address}`, () => pings(a.netns, address));
      for (const node of [node1, node3])
        await node.ask('detach', cluster.uid(node === node1 ? 'near' : 'far'));
    } finally {
      await node3.kill();
    }
  });

  t.test('IPv4 and IPv6 pods over an IPv6 underlay', async (t) => {
    await using cluster = new TestCluster(2);
    const objects = cluster.objects().map((node) => ({
      ...node,
      status: { addresses: node.status?.addresses?.slice(1) ?? [] },
    }));
    const nodes = cluster.nodes.map(({ name, namespace, settings }) => {
      run(namespace, 'ip', '-4', 'address', 'flush', 'dev', 'eth0');
      return new TestNode(name, { ...settings, nodeIPs: settings.nodeIPs.slice(1), networkMode: 'auto' });
    }) as [TestNode, TestNode];
    try {
      await Promise.all(nodes.map((node) => node.start(objects)));
      const [a, b] = await Promise.all(
        nodes.map((node) => node.ask<Attachment>('attach', { id: cluster.uid(`${node.name}-six`) })),
      );
      await eventually('straight', () =>
        waysToSecond(nodes[0]).every((way) => way === 'eth0 fd00:172:30::12'),
      );
      for (const address of b?.ips ?? [])
        await eventually(`a ping to ${address}`, () => pings(a?.netns ?? '', address));
      for (const node of nodes)
        for (const object of objects) await node.ask('changeNode', withMode(object, 'vxlan'));
      await eventually('tunnelled', () =>
        waysToSecond(nodes[0]).every((way) => way.startsWith('weft-vxlan')),
      );
      t.match(run(nodes[0].namespace, 'bridge', 'fdb', 'show', 'dev', 'weft-vxlan'), /dst fd00:172:30::12/);
      for (const address of b?.ips ?? [])
        await eventually(`a ping to ${address}`, () => pings(a?.netns ?? '', address));
      for (const node of nodes) await node.ask('detach', cluster.uid(`${node.name}-six`));
    } finally {
      for (const node of nodes) await node.kill();
    }
  });

  t.test('a node whose range is an older one’s is cut off until that is put right', async (t) => {
    await using cluster = new TestCluster(2);
    const [node1, node2] = cluster.nodes as [TestNode, TestNode];
    const objects = cluster.objects() as [Node, Node];
    await Promise.all(cluster.nodes.map((node) => node.start(objects)));
    const a = await node1.ask<Attachment>('attach', { id: cluster.uid('kept') });
    const b = await node2.ask<Attachment>('attach', { id: cluster.uid('cut') });
    await eventually('a ping', () => pings(a.netns, b.ips[0] ?? ''));
    const older = {
      metadata: { name: 'node0', creationTimestamp: '2025-01-01T00:00:00Z' },
      spec: objects[1].spec,
    };
    await node2.ask('changeNode', older);
    const sentence =
      "podCIDR 10.244.2.0/24,fd00:10:244:2::/64 of node node2 is node node0's; delete one of them";
    await eventually('cut off', async () => !(await node2.ask<Health>('health')).ready);
    t.match(await node2.ask('health'), { ready: false, reason: sentence });
    t.same(await node2.ask('reports'), [`fenced: ${sentence}`]);
    t.same(ip(node2.namespace, 'route', 'show', 'proto', '117'), [], 'no way leads to others');
    t.same(ip(node2.namespace, '-6', 'route', 'show', 'proto', '117'), []);
    t.equal(run(node2.namespace, 'bridge', 'fdb', 'show', 'dev', 'weft-vxlan'), '');
    t.notOk(pings(b.netns, a.ips[0] ?? ''));
    t.ok(pings(b.netns, '10.244.2.1'), 'its own node it still reaches');
    await t.rejects(node2.ask('attach', { id: cluster.uid('more') }), { message: sentence });
    await node2.ask('removeNode', 'node0');
    await eventually('well again', async () => (await node2.ask<Health>('health')).ready);
    t.same((await node2.ask<string[]>('reports'))[1], 'released');
    t.ok(pings(b.netns, a.ips[0] ?? ''));
    await node1.ask('detach', cluster.uid('kept'));
    await node2.ask('detach', cluster.uid('cut'));
  });

  t.test('nothing is left behind', (t) => {
    t.same(listNamespaces(testNamespace('')), []);
    t.end();
  });
}
