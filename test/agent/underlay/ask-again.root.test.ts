import t from 'tap';
import { skipUnlessRoot } from '../../root.ts';
import type { TestNode } from '../network/cluster-fixture.ts';
import { eventually, ip, run, TestCluster } from '../network/cluster-fixture.ts';

if (skipUnlessRoot(t)) {
  t.test('who waits for a neighbour has it asked for as soon as an address can ask', async (t) => {
    await using cluster = new TestCluster(2);
    const [node, { settings }] = cluster.nodes as [TestNode, TestNode];
    const peer = settings.nodeIPs[1] ?? '';
    await node.start(cluster.objects());
    const isAwaited = (): boolean =>
      JSON.stringify(ip(node.namespace, '-6', 'neigh', 'show', 'to', peer)).includes('"INCOMPLETE"');
    run(node.namespace, 'ip', '-6', 'neigh', 'flush', 'dev', 'eth0');
    // By hand: then no timer of the kernel's asks again.
    run(node.namespace, 'ip', 'neigh', 'replace', peer, 'dev', 'eth0', 'nud', 'incomplete');
    t.ok(isAwaited());
    run(node.namespace, 'ip', 'address', 'add', 'fd00:172:30::99/64', 'dev', 'eth0');
    await eventually('it is found', () => !isAwaited());
    t.match(ip(node.namespace, '-6', 'neigh', 'show', 'to', peer), [{ lladdr: /:/ }]);
  });
}
