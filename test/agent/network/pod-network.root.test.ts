import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { readBootId, readState } from '../../../cni/lease-file.ts';
import { createNamespace, listNamespaces, namespacePath, removeNamespace } from '../../../netns/namespace.ts';
import { decodeIp, encodeIp } from '../../../netns/ip.ts';
import { skipUnlessRoot } from '../../root.ts';
import { Traffic } from '../underlay/traffic.ts';
import type { TestNode } from './cluster-fixture.ts';
import { eventually, ip, pings, run, TestCluster } from './cluster-fixture.ts';

interface Attachment {
  netns: string;
  ips: string[];
}

/** The node's ends of pods' links. */
function podLinks(node: TestNode): unknown[] {
  return ip(node.namespace, 'link', 'show', 'master', 'weft0').map(({ ifname }) => ifname);
}

/** All of an attachment but the node's end of its link: that one gets another hardware address when it is made anew. */
function lasting(attachment: Attachment): object {
  return { ...attachment, host: undefined };
}

/** Tracked connections with any of these addresses at either end. */
function trackedOf(node: TestNode, ips: readonly string[]): string[] {
  const lines = run(node.namespace, 'cat', '/proc/net/nf_conntrack').split('\n');
  return lines.filter((line) =>
    Array.from(line.matchAll(/(?:src|dst)=(\S+)/g)).some(([, address = '']) =>
      ips.includes(decodeIp(encodeIp(address))),
    ),
  );
}

if (skipUnlessRoot(t)) {
  t.test('attaching under difficulties', async (t) => {
    await using cluster = new TestCluster(1);
    const [node] = cluster.nodes as [TestNode];
    const leases = path.join(node.settings.stateDir, 'network', 'leases.json');
    await node.start(cluster.objects());
    const uid = cluster.uid('a');
    const first = await node.ask<Attachment>('attach', uid);

    await t.test('what somebody took out of a pod comes back by attaching again', async (t) => {
      const damages = [
        ['ip', 'address', 'flush', 'dev', 'eth0'],
        ['ip', 'link', 'delete', 'eth0'],
        ['ip', 'link', 'set', 'eth0', 'down'],
        ['ip', 'route', 'delete', 'default'],
        ['ip', 'neigh', 'flush', 'nud', 'permanent', 'dev', 'eth0'],
      ];
      for (const damage of damages) {
        run(first.netns, ...damage);
        t.same(lasting(await node.ask<Attachment>('attach', uid)), lasting(first), damage.join(' '));
        for (const gateway of ['10.244.1.1', 'fd00:10:244:1::1']) t.ok(pings(first.netns, gateway));
      }
    });

    await t.test('a namespace that a crash left half made is made anew', async (t) => {
      const half = cluster.uid('half');
      writeFileSync(namespacePath(`weft-${half}`), '');
      const { netns } = await node.ask<Attachment>('attach', half);
      t.ok(pings(netns, '10.244.1.1'));
      await node.ask('detach', half);
    });

    await t.test('a namespace that a crash left empty is used', async (t) => {
      const empty = cluster.uid('empty');
      createNamespace(`weft-${empty}`).close();
      const { netns } = await node.ask<Attachment>('attach', empty);
      t.ok(pings(netns, '10.244.1.1'));
      await node.ask('detach', empty);
    });

    await t.test('a detached pod that is attached again at once', async (t) => {
      const again = cluster.uid('again');
      const before = await node.ask<Attachment>('attach', again);
      await node.ask('detach', again);
      const after = await node.ask<Attachment>('attach', again);
      t.not(after.ips[0], before.ips[0], 'the address rests');
      t.ok(pings(after.netns, '10.244.1.1'));
      await node.ask('detach', again);
    });

    await t.test('the kernel forgets connections of who is gone, and of nobody else', async (t) => {
      // A rule that looks at the connection's state is what makes the kernel track connections.
      run(
        node.namespace,
        'nft',
        'table inet t { chain c { type filter hook forward priority 0; ct state new accept; }; }',
      );
      const [gone, killed, stays] = (await Promise.all(
        ['gone', 'killed', 'stays'].map((name) => node.ask<Attachment>('attach', cluster.uid(name))),
      )) as [Attachment, Attachment, Attachment];
      const talk = async (from: Attachment, to: Attachment): Promise<void> => {
        for (const host of to.ips) (await Traffic.between(from.netns, to.netns, host))[Symbol.dispose]();
      };
      await talk(gone, stays);
      await talk(stays, gone);
      await talk(killed, first);
      await talk(first, stays);
      t.same(trackedOf(node, [...gone.ips, ...killed.ips]).length, 6, 'closed ones are tracked on');
      await node.ask('detach', cluster.uid('gone'));
      await eventually('forgotten', () => trackedOf(node, gone.ips).length === 0);
      t.equal(trackedOf(node, killed.ips).length, 2);
      await node.ask('detach', cluster.uid('killed'));
      await node.kill();
      await node.start(cluster.objects());
      await eventually('forgotten by the next one', () => trackedOf(node, killed.ips).length === 0);
      t.equal(trackedOf(node, stays.ips).length, 2, 'others are as they were');
      await node.ask('detach', cluster.uid('stays'));
      run(node.namespace, 'nft', 'delete', 'table', 'inet', 't');
    });

    await t.test('many at once', async (t) => {
      const uids = Array.from({ length: 30 }, (_, i) => cluster.uid(`many${i}`));
      const attached = await Promise.all(uids.map((many) => node.ask<Attachment>('attach', many)));
      t.equal(new Set(attached.flatMap(({ ips }) => ips)).size, 60);
      t.ok(attached.every(({ netns }) => pings(netns, '10.244.1.1')));
      await Promise.all(uids.map((many) => node.ask('detach', many)));
    });

    await t.test('pods cannot reach each other past the node', async (t) => {
      const other = await node.ask<Attachment>('attach', cluster.uid('other'));
      t.ok(pings(first.netns, other.ips[0] ?? ''));
      run(node.namespace, 'sysctl', '-q', '-w', 'net.ipv4.conf.weft0.forwarding=0');
      t.notOk(pings(first.netns, other.ips[0] ?? ''));
      run(node.namespace, 'sysctl', '-q', '-w', 'net.ipv4.conf.weft0.forwarding=1');
      await node.ask('detach', cluster.uid('other'));
    });

    await t.test('a pod cannot use an address outside the range', (t) => {
      run(first.netns, 'ip', 'address', 'add', '172.30.0.99/32', 'dev', 'lo');
      t.throws(() => run(first.netns, 'ping', '-n', '-c', '1', '-W', '1', '-I', '172.30.0.99', '10.244.1.1'));
      run(first.netns, 'ip', 'address', 'delete', '172.30.0.99/32', 'dev', 'lo');
      t.end();
    });

    await t.test('a disk that refuses the lease leaves nothing', async (t) => {
      const refused = cluster.uid('refused');
      const links = podLinks(node);
      // Its first write is of the whole file.
      await node.kill();
      await node.start(cluster.objects());
      mkdirSync(`${leases}.new`);
      await t.rejects(node.ask('attach', refused), { message: /cannot save addresses .*EISDIR/ });
      rmdirSync(`${leases}.new`);
      t.same(listNamespaces(`weft-${refused}`), []);
      t.same(podLinks(node), links);
      t.notOk((await node.ask<string[]>('list')).includes(refused));
      const { netns } = await node.ask<Attachment>('attach', refused);
      t.ok(pings(netns, '10.244.1.1'), 'and the next try works');
      await node.ask('detach', refused);
    });

    await t.test('a bridge that somebody else has in our name is left alone and said', async (t) => {
      await node.ask('detach', uid);
      await node.ask('stop');
      await node.ask('cleanup');
      run(node.namespace, 'ip', 'link', 'add', 'weft0', 'type', 'bridge');
      await node.ask('start');
      await eventually('said so', async () => {
        const { ready, reason = '' } = await node.ask<{ ready: boolean; reason?: string }>('health');
        return !ready && reason.includes('link weft0 exists and is not ours');
      });
      t.match(ip(node.namespace, 'link', 'show', 'weft0'), [{ operstate: 'DOWN' }]);
    });

    t.ok(existsSync(leases));
    t.same(readState(leases, readBootId()).leases, {}, 'no lease is left');
  });

  t.test('nothing is left behind', (t) => {
    t.same(listNamespaces(`weft-test${process.pid}`), []);
    removeNamespace(`weft-test${process.pid}`);
    t.end();
  });
}
