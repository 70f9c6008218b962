import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { listNamespaces } from '../../../netns/namespace.ts';
import type { TestNode } from '../network/cluster-fixture.ts';
import { eventually, run, testNamespace } from '../network/cluster-fixture.ts';
import { skipUnlessRoot } from '../../root.ts';
import { moved, Scene } from './scene.ts';

const node1Addresses = ['172.30.0.11', 'fd00:172:30::11'];
const node2Addresses = ['172.30.0.12', 'fd00:172:30::12'];
/** So long nobody hears of anything: passes have failed for some times by then, and wait the longer for the next. */
const awayMs = 800;

/** Everything that leads from a node to others. */
function waysOf({ namespace }: TestNode): string {
  const list = 'ip route show proto 117; ip -6 route show proto 117; bridge fdb show dev weft-vxlan';
  return run(namespace, 'sh', '-c', `${list}; ip neigh show dev weft-vxlan nud permanent`);
}

/** Puts addresses in the place of those that a node has. */
function readdress({ namespace }: TestNode, addresses: readonly string[]): void {
  const [ipv4 = '', ipv6 = ''] = addresses;
  const add = `ip address add ${ipv4}/24 dev eth0; ip address add ${ipv6}/64 dev eth0 nodad`;
  run(namespace, 'sh', '-ec', `ip address flush dev eth0 scope global; ${add}`);
}

async function isWell(node: TestNode): Promise<boolean> {
  return (await node.ask<{ ready: boolean; reason?: string }>('health')).reason === undefined;
}

if (skipUnlessRoot(t)) {
  for (const mode of ['vxlan', 'direct'] as const)
    t.test(`${mode}, under traffic: what takes long, or comes at once`, async (t) => {
      await using scene = new Scene(mode, 'ipv4');
      const { node1, node2 } = scene;
      await scene.start();
      const before = [node1, node2].map(waysOf);

      await t.test('a second address of the link', async (t) => {
        const second = ['172.30.0.50/24', 'dev', 'eth0'];
        scene.onNode2('ip', 'address', 'add', ...second);
        await scene.goesOn(t, 'one more');
        t.same(await node2.ask('addresses'), node2Addresses, 'the node keeps its own');
        scene.onNode2('ip', 'address', 'delete', ...second);
        await scene.goesOn(t, 'one less');
        t.same(await node2.ask('addresses'), node2Addresses);
      });

      await t.test('another address while the API is away', async (t) => {
        const others = [moved.ipv4.to, moved.ipv6.to];
        readdress(node2, others);
        await scene.takesOver(node2, others);
        await sleep(awayMs);
        await scene.tell(node2, others);
        await scene.goesOn(t, 'told later');
        t.notMatch(waysOf(node1), /172\.30\.0\.12 |fd00:172:30::12 /, 'no way leads to the old one');
        readdress(node2, node2Addresses);
        await scene.announce(node2Addresses);
        await scene.goesOn(t, 'and back');
      });

      await t.test('two nodes swap their addresses, and hear of it later', async (t) => {
        for (const [node, addresses] of [
          [node1, node2Addresses],
          [node2, node1Addresses],
        ] as const) {
          readdress(node, addresses);
        }
        await scene.takesOver(node1, node2Addresses);
        await scene.takesOver(node2, node1Addresses);
        await sleep(awayMs);
        await scene.tell(node1, node2Addresses);
        await scene.tell(node2, node1Addresses);
        await scene.goesOn(t, 'swapped');
        await eventually('both are well', async () => (await isWell(node1)) && (await isWell(node2)));
        readdress(node1, node1Addresses);
        readdress(node2, node2Addresses);
        await scene.takesOver(node1, node1Addresses);
        await scene.takesOver(node2, node2Addresses);
        await scene.tell(node1, node1Addresses);
        await scene.tell(node2, node2Addresses);
        await scene.goesOn(t, 'and back');
      });

      await t.test('a link that is down for long', async (t) => {
        scene.onNode2('ip', 'link', 'set', 'eth0', 'down');
        await sleep(awayMs);
        scene.onNode2('ip', 'link', 'set', 'eth0', 'up');
        scene.onNode2('ip', '-6', 'address', 'replace', `${moved.ipv6.from}/64`, 'dev', 'eth0', 'nodad');
        await scene.goesOn(t, 'up again');
      });

      await eventually('all is as it was', () => {
        return JSON.stringify([node1, node2].map(waysOf)) === JSON.stringify(before);
      });
      t.pass('all ways are as they were');
    });

  t.test('nothing is left behind', (t) => {
    t.same(listNamespaces(testNamespace('')), []);
    t.same(listNamespaces(`weft-test${process.pid}`), []);
    t.end();
  });
}
