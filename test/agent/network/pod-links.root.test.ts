import t from 'tap';
import type { Attachment } from '../../../agent/network/attachment.ts';
import { checkGuards } from '../../../agent/host/checks.ts';
import { announcementsOf } from '../../../agent/announce/frames.ts';
import { getLink } from '../../../netns/link.ts';
import { listNamespaces, openNamespace, runInNamespace } from '../../../netns/namespace.ts';
import { NetlinkSocket } from '../../../netns/netlink.ts';
import { sendFrames } from '../../../netns/packet-socket.ts';
import { skipUnlessRoot } from '../../root.ts';
import type { TestNode } from './cluster-fixture.ts';
import { eventually, ip, pings, run, TestCluster, testNamespace } from './cluster-fixture.ts';
import { udpFrame } from './frames.ts';

/** Sends frames out of a pod as a program in it with raw sockets could. */
function sendFrom(pod: Attachment, frames: readonly Buffer[]): void {
  using namespace = openNamespace(pod.netns);
  using inside = new NetlinkSocket({ namespace });
  sendFrames(namespace, getLink(inside, pod.ifname).ifindex, frames);
}

/** Counts what reaches the node: by port, and announcements of ARP and neighbour discovery. */
function watchNode(node: TestNode): void {
  const rules = `
    table inet probe {
      set ports { type inet_service; flags dynamic; }
      counter advertised { }
      chain prerouting {
        type filter hook prerouting priority raw
        udp dport 4000-4999 add @ports { udp dport }
        icmpv6 type nd-neighbor-advert counter name advertised
      }
    }
    table arp probe {
      counter claimed { }
      chain input { type filter hook input priority 0; counter name claimed; }
    }`;
  run(node.namespace, 'nft', rules);
}

function seenPorts(node: TestNode): number[] {
  const listing = JSON.parse(run(node.namespace, 'nft', '-j', 'list', 'set', 'inet', 'probe', 'ports')) as {
    nftables: { set?: { elem?: number[] } }[];
  };
  return listing.nftables.flatMap(({ set }) => set?.elem ?? []).sort();
}

function counted(node: TestNode, family: string, name: string): unknown {
  const listing = JSON.parse(run(node.namespace, 'nft', '-j', 'list', 'counter', family, 'probe', name)) as {
    nftables: { counter?: { packets: number } }[];
  };
  return listing.nftables.find(({ counter }) => counter)?.counter?.packets;
}

if (skipUnlessRoot(t)) {
  for (const podLink of ['bridge', 'routed'] as const) {
    t.test(`pods, ${podLink}`, async (t) => {
      await using cluster = new TestCluster(1);
      const [node] = cluster.nodes as [TestNode];
      await node.start(cluster.objects(), { podLink });
      const [pod, other] = await Promise.all([
        node.ask<Attachment>('attach', cluster.uid('a')),
        node.ask<Attachment>('attach', cluster.uid('b')),
      ]);
      const [v4 = '', v6 = ''] = pod.ips;
      const [other4 = '', other6 = ''] = other.ips;
      const [gateway4, gateway6] = ['10.244.1.1', 'fd00:10:244:1::1'];
      const { address: nodeMac } = ip(node.namespace, 'link', 'show', 'weft0')[0] as { address: string };

      if (podLink === 'bridge') {
        await t.test('the bridge knows where a new pod is before it says a word', async () => {
          await eventually('learned', () =>
            run(node.namespace, 'bridge', 'fdb', 'show', 'br', 'weft0', 'brport', other.hostLink).includes(
              `${other.mac} master weft0`,
            ),
          );
        });
      } else {
        await t.test('each has a route and no neighbour but the node', (t) => {
          t.match(ip(node.namespace, 'route', 'show', 'proto', '117', 'dev', pod.hostLink), [{ dst: v4 }]);
          t.match(ip(node.namespace, '-6', 'route', 'show', 'proto', '117', 'dev', pod.hostLink), [
            { dst: v6 },
          ]);
          t.same(ip(node.namespace, 'link', 'show', 'master', 'weft0'), []);
          t.end();
        });
      }

      const datagrams = (): Buffer[] => {
        const base = { sourceMac: pod.mac, destinationMac: nodeMac };
        return [
          udpFrame({ ...base, source: v4, destination: gateway4, port: 4000 }),
          udpFrame({ ...base, source: v6, destination: gateway6, port: 4001 }),
          udpFrame({ ...base, source: other4, destination: gateway4, port: 4100 }),
          udpFrame({ ...base, source: '192.0.2.1', destination: gateway4, port: 4101 }),
          udpFrame({ ...base, source: other6, destination: gateway6, port: 4102 }),
          udpFrame({ ...base, source: 'fe80::1', destination: gateway6, port: 4103 }),
          udpFrame({ ...base, sourceMac: other.mac, source: v4, destination: gateway4, port: 4104 }),
        ];
      };

      await t.test('no packet with another source gets past the end of its link', async (t) => {
        watchNode(node);
        sendFrom(pod, datagrams());
        await eventually('its own two', () => seenPorts(node).length === 2);
        t.same(seenPorts(node), [4000, 4001]);
      });

      await t.test('nor one that says so in ARP or neighbour discovery', async (t) => {
        sendFrom(pod, [
          ...announcementsOf(other4, pod.mac),
          ...announcementsOf(gateway4, pod.mac),
          ...announcementsOf(v4, other.mac),
          ...announcementsOf(other6, pod.mac),
          ...announcementsOf(gateway6, pod.mac),
          ...announcementsOf(v6, other.mac),
          ...announcementsOf(v4, pod.mac),
          ...announcementsOf(v6, pod.mac),
        ]);
        await eventually('its own', () => counted(node, 'inet', 'advertised') === 1);
        t.equal(counted(node, 'arp', 'claimed'), 2, 'a request and a reply');
      });

      const guarded = async (): Promise<boolean> => (await node.ask<string[]>('check', pod.id)).length === 0;
      const filter = ['dev', pod.hostLink, 'ingress', 'protocol', 'all', 'prio', '1'];
      // 1,6 0 0 0 lets all pass (BPF_RET of 0, TC_ACT_OK).
      const doctor = (): unknown => runInNamespace(node.namespace, checkGuards);
      const others: Record<string, string[][]> = {
        'the filter point': [['qdisc', 'delete', 'dev', pod.hostLink, 'clsact']],
        'the filter': [['filter', 'delete', ...filter]],
        'its program': [
          ['filter', 'replace', ...filter, 'handle', '1', 'bpf', 'da', 'bytecode', '1,6 0 0 0'],
        ],
        'its kind': [
          ['filter', 'delete', ...filter],
          ['filter', 'add', ...filter, 'u32', 'match', 'u32', '0', '0', 'flowid', '1:1'],
        ],
        'a program before it': [
          ['filter', 'add', ...filter, 'handle', '7', 'bpf', 'da', 'bytecode', '1,6 0 0 0'],
        ],
      };
      for (const [what, damages] of Object.entries(others)) {
        await t.test(`a guard whose rival takes ${what} comes back`, async (t) => {
          // Before the agent hears of anything: it is stopped meanwhile.
          node.signal('SIGSTOP');
          for (const damage of damages) run(node.namespace, 'tc', ...damage);
          run(node.namespace, 'nft', 'flush', 'set', 'inet', 'probe', 'ports');
          sendFrom(pod, datagrams());
          await eventually('all of them', () => seenPorts(node).length > 2);
          if (what === 'the filter point')
            t.match(doctor(), [{ state: 'trouble', found: /^1 of 2 pods can/ }]);
          node.signal('SIGCONT');
          await eventually('guarded', guarded);
          t.match(doctor(), [{ state: 'well' }]);
          run(node.namespace, 'nft', 'flush', 'set', 'inet', 'probe', 'ports');
          sendFrom(pod, datagrams());
          await eventually('its own two', () => seenPorts(node).length === 2);
          t.same(seenPorts(node), [4000, 4001]);
        });
      }

      await t.test('what it may send, it can', (t) => {
        // While there was no guard the bridge believed a frame with the other's hardware address.
        t.ok(pings(other.netns, gateway4));
        for (const address of [gateway4, gateway6, other4, other6]) t.ok(pings(pod.netns, address), address);
        t.end();
      });

      await t.test('a pod reaches itself by an address that leads to it', (t) => {
        const rules = `
          table ip hairpin {
            chain prerouting { type nat hook prerouting priority dstnat; ip daddr 10.96.9.9 dnat to ${v4}; }
            chain postrouting { type nat hook postrouting priority srcnat; ip saddr ${v4} ip daddr ${v4} masquerade; }
          }`;
        run(node.namespace, 'nft', rules);
        t.ok(pings(pod.netns, '10.96.9.9'));
        run(node.namespace, 'nft', 'delete', 'table', 'ip', 'hairpin');
        t.end();
      });

      await t.test('a way and a neighbour taken by hand come back', async () => {
        run(node.namespace, 'ip', 'neigh', 'flush', 'nud', 'permanent', 'to', v4);
        if (podLink === 'routed') run(node.namespace, 'ip', 'route', 'delete', v4);
        await eventually(
          'back',
          () =>
            ip(node.namespace, 'neigh', 'show', 'nud', 'permanent', 'to', v4).length === 1 &&
            ip(node.namespace, 'route', 'show', v4).length === Number(podLink === 'routed'),
        );
        await eventually('reachable', () => pings(node.namespace, v4));
      });

      await t.test('100 at once all answer', async (t) => {
        const ids = Array.from({ length: 100 }, (_, i) => cluster.uid(`many${i}`));
        const many = await Promise.all(ids.map((id) => node.ask<Attachment>('attach', id)));
        const addresses = many.flatMap(({ ips }) => ips);
        t.equal(new Set(addresses).size, 200);
        t.same(
          addresses.filter((address) => !pings(node.namespace, address)),
          [],
        );
        await Promise.all(ids.map((id) => node.ask('detach', id)));
        await eventually('gone', () => ip(node.namespace, 'link', 'show', 'type', 'veth').length === 3);
      });
    });
  }

  t.test('pods of one mode and another', async (t) => {
    await using cluster = new TestCluster(2);
    const [node1, node2] = cluster.nodes as [TestNode, TestNode];
    await node1.start(cluster.objects());
    await node2.start(cluster.objects(), { podLink: 'routed' });
    const [a, b, c] = await Promise.all([
      node1.ask<Attachment>('attach', cluster.uid('a')),
      node1.ask<Attachment>('attach', cluster.uid('b')),
      node2.ask<Attachment>('attach', cluster.uid('c')),
    ]);
    const allReach = (): boolean =>
      [...b.ips, ...c.ips].every((address) => pings(a.netns, address)) &&
      a.ips.every((address) => pings(c.netns, address) && pings(node1.namespace, address));
    await eventually('bridge and routed reach each other', allReach);
    const ports = (): number => ip(node1.namespace, 'link', 'show', 'master', 'weft0').length;
    for (const [podLink, count] of [
      ['routed', 0],
      ['bridge', 2],
    ] as const) {
      await t.test(`pods that run become ${podLink}`, async (t) => {
        await node1.kill();
        await node1.start(cluster.objects(), { podLink });
        await eventually('all of them', () => ports() === count);
        await eventually('and reach each other', allReach);
        for (const { id } of [a, b]) t.same(await node1.ask('check', id), []);
      });
    }
  });

  t.test('nothing is left behind', (t) => {
    t.same(listNamespaces(testNamespace('')), []);
    t.same(listNamespaces(`weft-test${process.pid}`), []);
    t.end();
  });
}
