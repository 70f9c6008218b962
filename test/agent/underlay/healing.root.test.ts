import t from 'tap';
import { familyOf } from '../../../netns/ip.ts';
import { listNamespaces } from '../../../netns/namespace.ts';
import { eventually, ip, pings, testNamespace } from '../network/cluster-fixture.ts';
import { skipUnlessRoot } from '../../root.ts';
import { linkOf, moved, Scene } from './scene.ts';

if (skipUnlessRoot(t)) {
  for (const mode of ['vxlan', 'direct'] as const)
    t.test(`${mode}, under traffic: what happens to a node and its links is healed`, async (t) => {
      await using scene = new Scene(mode, 'ipv4');
      const { node2 } = scene;
      await scene.start();
      const vxlanMac = linkOf(node2, 'weft-vxlan')?.['address'];

      await t.test('a renamed interface', async (t) => {
        scene.onNode2('ip', 'link', 'set', 'eth0', 'down');
        scene.onNode2('ip', 'link', 'set', 'eth0', 'name', 'lan0', 'up');
        scene.onNode2('ip', '-6', 'address', 'replace', `${moved.ipv6.from}/64`, 'dev', 'lan0', 'nodad');
        await scene.goesOn(t, 'renamed');
      });

      await t.test('an interface that goes down and comes up again', async (t) => {
        scene.onNode2('ip', 'link', 'set', 'lan0', 'down');
        scene.onNode2('ip', 'link', 'set', 'lan0', 'up');
        scene.onNode2('ip', '-6', 'address', 'replace', `${moved.ipv6.from}/64`, 'dev', 'lan0', 'nodad');
        await scene.goesOn(t, 'bounced');
        t.same(
          await node2.ask('addresses'),
          [moved.ipv4.from, moved.ipv6.from],
          'nothing was changed for it',
        );
      });

      await t.test('another hardware address of the interface', async (t) => {
        // One by which nothing leaves the node: who sends there hears of the change from nobody else.
        scene.onNode2('ip', 'address', 'add', '172.30.0.200/24', 'dev', 'lan0');
        t.ok(pings(scene.node1.namespace, '172.30.0.200'), 'a neighbour knows it');
        scene.onNode2('ip', 'link', 'set', 'lan0', 'address', '02:00:5e:00:53:99');
        t.ok(pings(scene.node1.namespace, '172.30.0.200'), 'and is told');
        await scene.goesOn(t, 'another hardware address');
        t.equal(linkOf(node2, 'weft-vxlan')?.['address'], vxlanMac, "the vxlan's stays");
      });

      await t.test('deleted devices', async (t) => {
        for (const link of ['weft0', 'weft-vxlan']) {
          scene.onNode2('ip', 'link', 'delete', link);
          // Direct traffic goes on without the vxlan.
          await eventually(`${link} is back`, () => linkOf(node2, link) !== undefined);
          await scene.goesOn(t, `deleted ${link}`);
        }
        t.equal(linkOf(node2, 'weft-vxlan')?.['address'], vxlanMac, 'the same hardware address as before');
      });

      await t.test('hardware addresses of devices set by others', async (t) => {
        for (const link of ['weft0', 'weft-vxlan']) {
          const before = linkOf(node2, link)?.['address'];
          scene.onNode2('ip', 'link', 'set', link, 'address', '02:00:5e:00:53:01');
          await eventually('set back', () => linkOf(node2, link)?.['address'] === before);
          await scene.goesOn(t, `hardware address of ${link}`);
        }
      });

      await t.test('another MTU, of the interface or set by others', async (t) => {
        const mtus = (): unknown[] => [
          ...['weft-vxlan', 'weft0'].map((name) => linkOf(node2, name)?.['mtu']),
          ip(scene.pod.netns, 'link', 'show', 'eth0')[0]?.['mtu'],
        ];
        /** Of the vxlan, the bridge and a pod. */
        const follow = (underlay: number): boolean => {
          const pods = mode === 'direct' ? underlay : underlay - 50;
          return JSON.stringify(mtus()) === JSON.stringify([underlay - 50, pods, pods]);
        };
        scene.onNode2('ip', 'link', 'set', 'lan0', 'mtu', '1400');
        await eventually('smaller', () => follow(1400));
        await scene.goesOn(t, 'smaller MTU');
        scene.onNode2('ip', 'link', 'set', 'lan0', 'mtu', '1500');
        await eventually('as before', () => follow(1500));
        scene.onNode2('ip', 'link', 'set', 'weft-vxlan', 'mtu', '1300');
        await eventually('set back', () => follow(1500));
        await scene.goesOn(t, 'MTU');
      });

      await t.test('another node address', async (t) => {
        const { from, to, prefix } = moved.ipv4;
        const before = linkOf(node2, 'weft-vxlan')?.['ifindex'];
        scene.onNode2('ip', 'address', 'delete', `${from}/${prefix}`, 'dev', 'lan0');
        scene.onNode2('ip', 'address', 'add', `${to}/${prefix}`, 'dev', 'lan0');
        await scene.announce([to, moved.ipv6.from]);
        await scene.goesOn(t, 'another address');
        t.match(
          linkOf(node2, 'weft-vxlan'),
          { ifindex: before, linkinfo: { info_data: { local: to } } },
          'in place',
        );
      });

      await t.test('a node without any address waits for one', async (t) => {
        scene.onNode2('ip', 'address', 'flush', 'dev', 'lan0');
        await eventually('told', async () => {
          const { ready, reason } = await node2.ask<{ ready: boolean; reason?: string }>('underlayHealth');
          return !ready && reason?.includes('correct nodeIPs') === true;
        });
        scene.onNode2('ip', 'address', 'add', `${moved.ipv4.from}/24`, 'dev', 'lan0');
        scene.onNode2('ip', 'address', 'add', `${moved.ipv6.from}/64`, 'dev', 'lan0', 'nodad');
        await scene.announce([moved.ipv4.from, moved.ipv6.from]);
        await scene.goesOn(t, 'away and back');
      });
    });

  t.test('an IPv6 underlay: another node address under traffic', async (t) => {
    await using scene = new Scene('vxlan', 'ipv6');
    await scene.start({ proves: true });
    const { from, to, prefix } = moved.ipv6;
    scene.onNode2('ip', 'address', 'delete', `${from}/${prefix}`, 'dev', 'eth0');
    scene.onNode2('ip', 'address', 'add', `${to}/${prefix}`, 'dev', 'eth0');
    await scene.announce([to, moved.ipv4.from]);
    await scene.goesOn(t, 'another address');
    t.equal(familyOf(to), 'ipv6');
    t.match(linkOf(scene.node2, 'weft-vxlan'), { linkinfo: { info_data: { local6: to } } });
    const delay = scene.onNode2('cat', '/proc/sys/net/ipv6/conf/eth0/router_solicitation_delay');
    t.equal(delay, '0\n', 'the kernel does not wait before it begins to prove an address');
  });

  t.test('nothing is left behind', (t) => {
    t.same(listNamespaces(testNamespace('')), []);
    t.same(listNamespaces(`weft-test${process.pid}`), []);
    t.end();
  });
}
