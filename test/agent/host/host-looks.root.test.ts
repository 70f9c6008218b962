import t from 'tap';
import { listNamespaces, removeNamespace } from '../../../netns/namespace.ts';
import { skipUnlessRoot } from '../../root.ts';
import type { TestNode } from '../network/cluster-fixture.ts';
import { eventually, ip, run, TestCluster, testNamespace } from '../network/cluster-fixture.ts';

if (skipUnlessRoot(t)) {
  t.test('pods that come and go are no reason to look at the host', async (t) => {
    await using cluster = new TestCluster(1);
    const [node] = cluster.nodes as [TestNode];
    const looks = (): Promise<number> => node.ask<number>('looks');
    const pods = (): number => ip(node.namespace, 'link', 'show', 'type', 'veth').length - 1;
    let toggle = 0;
    /** Has the kernel tell of one thing that is none of pods, after all that it told before, until it is looked at. */
    const tell = async (before: number): Promise<void> => {
      toggle = 1 - toggle;
      run(node.namespace, 'sh', '-c', `echo ${toggle} >/proc/sys/net/ipv4/conf/eth0/proxy_arp`);
      await eventually('it is looked at', async () => (await looks()) > before);
    };
    await node.start(cluster.objects());
    await node.ask('attach', cluster.uid('first'));
    await node.ask('startHost');
    let before = 0;
    await eventually('what the start brought is looked at', async () => {
      before = await looks();
      await tell(before);
      return (await looks()) === before + 1;
    });
    before += 1;
    const bandwidth = { egress: { rate: 8e6 } };
    const ids = Array.from({ length: 20 }, (_, i) => cluster.uid(`crowd${i}`));
    for (const id of ids) await node.ask('attach', { id, bandwidth });
    t.equal(pods(), 1 + ids.length);
    for (const id of ids.slice(10)) await node.ask('detach', id);
    for (const id of ids.slice(0, 10)) removeNamespace(`weft-${id}`);
    await eventually('they are gone', () => pods() === 1);
    await tell(before);
    t.equal(await looks(), before + 1, 'for what was told last');
    for (const id of ids) await node.ask('detach', id);
  });

  t.test('nothing is left behind', (t) => {
    t.same(listNamespaces(testNamespace('')), []);
    t.end();
  });
}
