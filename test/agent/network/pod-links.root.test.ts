import t from 'tap';
import type { Attachment } from '../../../agent/network/attachment.ts';
import { announcementsOf } from '../../../agent/announce/frames.ts';
import { getLink } from '../../../netns/link.ts';
import { listNamespaces, openNamespace } from '../../../netns/namespace.ts';
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
  t.test('pods behind a bridge', async (t) => {
    await using cluster = new TestCluster(1);
    const [node] = cluster.nodes as [TestNode];
    await node.start(cluster.objects());
    const [pod, other] = await Promise.all([
      node.ask<Attachment>('attach', cluster.uid('a')),
      node.ask<Attachment>('attach', cluster.uid('b')),
    ]);
    const [v4 = '', v6 = ''] = pod.ips;
    const [other4 = '', other6 = ''] = other.ips;
    const [gateway4, gateway6] = ['10.244.1.1', 'fd00:10:244:1::1'];
    const { address: nodeMac } = ip(node.namespace, 'link', 'show', 'weft0')[0] as { address: string };

    await t.test('the bridge knows where a new pod is before it says a word', async () => {
      await eventually('learned', () =>
        run(node.namespace, 'bridge', 'fdb', 'show', 'br', 'weft0', 'brport', other.hostLink).includes(
          `${other.mac} master weft0`,
        ),
      );
    });

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

    await t.test('a guard that somebody took away comes back', async (t) => {
      run(node.namespace, 'tc', 'qdisc', 'delete', 'dev', pod.hostLink, 'clsact');
      t.match(await node.ask('check', pod.id), [/lets any source address pass/]);
      run(node.namespace, 'nft', 'flush', 'set', 'inet', 'probe', 'ports');
      sendFrom(pod, datagrams());
      await eventually('all of them', () => seenPorts(node).length > 2);
      await node.ask('setNodes', cluster.objects());
      await eventually('guarded', async () => (await node.ask<string[]>('check', pod.id)).length === 0);
      run(node.namespace, 'nft', 'flush', 'set', 'inet', 'probe', 'ports');
      sendFrom(pod, datagrams());
      await eventually('its own two', () => seenPorts(node).length === 2);
      t.same(seenPorts(node), [4000, 4001]);
    });

    await t.test('what it may send, it can', (t) => {
      // While there was no guard the bridge believed a frame with the other's hardware address.
      t.ok(pings(other.netns, gateway4));
      for (const address of [gateway4, gateway6, other4, other6]) t.ok(pings(pod.netns, address), address);
      t.end();
    });

    await t.test('limits of bandwidth hang on both ends, and end with the link', async (t) => {
      const id = cluster.uid('slow');
      const bandwidth = { ingress: { rate: 8e6, burst: 800_000 }, egress: { rate: 16e6 } };
      const slow = await node.ask<Attachment>('attach', { id, bandwidth });
      t.match(JSON.parse(run(node.namespace, 'tc', '-j', 'qdisc', 'show', 'dev', slow.hostLink, 'root')), [
        { kind: 'tbf', options: { rate: 1e6, burst: 100_000 } },
      ]);
      t.match(JSON.parse(run(slow.netns, 'tc', '-j', 'qdisc', 'show', 'dev', 'eth0', 'root')), [
        { kind: 'tbf', options: { rate: 2e6, burst: 100_000 } },
      ]);
      t.ok(pings(slow.netns, gateway4));
      await node.ask('detach', id);
    });
  });

  t.test('nothing is left behind', (t) => {
    t.same(listNamespaces(testNamespace('')), []);
    t.same(listNamespaces(`weft-test${process.pid}`), []);
    t.end();
  });
}
