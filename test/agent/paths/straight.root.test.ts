import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import t from 'tap';
import type { Health } from '../../../agent/subsystem.ts';
import type { Node } from '../../../api/kinds/node.ts';
import { runInNamespace } from '../../../netns/namespace.ts';
import type { TestNode } from '../network/cluster-fixture.ts';
import {
  dropInvalid,
  eventually,
  ip,
  pings,
  run,
  TestCluster,
  testNamespace,
} from '../network/cluster-fixture.ts';
import { skipUnlessRoot } from '../../root.ts';

interface Attachment {
  netns: string;
  ips: string[];
}
interface Counters {
  changes: number;
}

/** Which ways of a node lead straight, by peer: `node2/ipv4`. */
function straightWays(node: TestNode): string {
  const found = [4, 6].flatMap((version) =>
    ip(node.namespace, `-${version}`, 'route', 'show', 'proto', '117', 'dev', 'eth0').map(({ dst }) => {
      const number = /(?:10\.244\.|fd00:10:244:)(\d)/.exec(String(dst))?.[1] ?? '?';
      return `node${number}/ipv${version}`;
    }),
  );
  return found.sort().join(' ');
}

const all = ['10.244.0.0/16', 'fd00:10:244::/56'];

/** A network that lets only known addresses pass: none of these as source, or none as destination. */
function dropPodAddresses(sources: readonly string[], destinations: readonly string[] = sources): void {
  const match = (field: string) => (cidr: string) =>
    `add rule bridge network port ${cidr.includes(':') ? 'ip6' : 'ip'} ${field} ${cidr} drop`;
  const lines = [
    'add table bridge network',
    'add chain bridge network port { type filter hook forward priority 0; }',
    'flush chain bridge network port',
    ...sources.map(match('saddr')),
    ...destinations.map(match('daddr')),
  ];
  run(testNamespace('switch'), 'nft', lines.join('\n'));
}

function letAllPass(): void {
  run(testNamespace('switch'), 'nft', 'flush', 'chain', 'bridge', 'network', 'port');
}

function ready(node: Node): Node {
  return { ...node, status: { ...node.status, conditions: [{ type: 'Ready', status: 'True' }] } };
}

/** Pings each address every 20 ms while `act` goes on: the sequence numbers of the answers. */
async function answersDuring(
  from: string,
  addresses: readonly string[],
  act: () => Promise<void>,
): Promise<number[][]> {
  const probes = addresses.map((address) =>
    runInNamespace(from, () => spawn('ping', ['-n', '-i', '0.02', '-c', '2000', address])),
  );
  const outputs = probes.map(({ stdout }) => text(stdout));
  await Promise.all(probes.map(({ stdout }) => once(stdout, 'readable')));
  try {
    await act();
  } finally {
    for (const probe of probes) probe.kill('SIGINT');
  }
  return (await Promise.all(outputs)).map((output) =>
    Array.from(output.matchAll(/icmp_seq=(\d+)/g), ([, number]) => Number(number)),
  );
}

/** How many answers lack between the first and the last. */
function missing(answers: readonly number[]): number {
  return (answers.at(-1) ?? 0) - (answers[0] ?? 0) + 1 - answers.length;
}

if (skipUnlessRoot(t)) {
  t.test('nodes on one subnet, networkMode auto', async (t) => {
    await using cluster = new TestCluster(3, 'auto');
    const [node1, node2, node3] = cluster.nodes as [TestNode, TestNode, TestNode];
    const objects = cluster.objects().map(ready);
    // The third one has said that it is reached by vxlan only.
    objects[2] = {
      ...objects[2],
      metadata: { ...objects[2]?.metadata, name: 'node3', annotations: { 'weft/network-mode': 'vxlan' } },
    };
    for (const { namespace } of cluster.nodes) {
      dropInvalid(namespace);
      run(namespace, 'sysctl', '-q', '-w', 'net.ipv4.conf.all.rp_filter=1', 'net.ipv4.conf.eth0.rp_filter=1');
    }
    dropPodAddresses(all);
    await Promise.all(cluster.nodes.map((node) => node.start(objects)));
    const [a, b, c] = (await Promise.all(
      cluster.nodes.map((node) => node.ask('attach', cluster.uid(`${node.name}-straight`))),
    )) as [Attachment, Attachment, Attachment];
    const reaches = (from: Attachment, to: Attachment): boolean =>
      to.ips.every((address) => pings(from.netns, address));
    const reason = async (node: TestNode): Promise<string> =>
      (await node.ask<Health>('straightHealth')).reason ?? '';
    const straight = async (node: TestNode, ways: string): Promise<void> =>
      eventually(`${node.name} straight: ${ways}`, () => straightWays(node) === ways);
    const both = 'node2/ipv4 node2/ipv6';

    await t.test('where pods’ addresses do not pass, vxlan is used and the reason told', async (t) => {
      await eventually('pods reach each other', () => reaches(a, b));
      await eventually('told', async () => (await reason(node1)).includes('node node2 answers by vxlan'));
      t.match(
        await reason(node1),
        /from 10\.244\.1\.1 to 10\.244\.2\.1 straight by 172\.30\.0\.12: the network in between drops pods' addresses/,
      );
      t.match(await node1.ask('events'), [{ type: 'Warning', reason: 'PodAddressesDropped' }]);
      t.equal(straightWays(node1), '');
      t.ok(reaches(b, a));
      await eventually('both families found blocked', async () =>
        (await node1.ask<string>('metrics')).includes('weft_path_straight_ranges{state="blocked"} 2'),
      );
    });

    await t.test('where they pass, they go straight, whatever rp_filter says', async (t) => {
      letAllPass();
      await straight(node1, both);
      await straight(node2, 'node1/ipv4 node1/ipv6');
      await eventually('nothing to tell', async () => (await reason(node1)) === '');
      t.match((await node1.ask<unknown[]>('events')).slice(-1), [{ reason: 'PodAddressesPass' }]);
      t.equal(straightWays(node3), '', 'but for the node that wants vxlan');
      for (const [from, to] of [
        [a, b],
        [b, a],
        [a, c],
        [c, a],
        [c, b],
      ] as const)
        t.ok(reaches(from, to));
      for (const { namespace } of cluster.nodes) {
        for (const to of [a, b, c]) for (const address of to.ips) t.ok(pings(namespace, address), address);
      }
      t.equal(run(node1.namespace, 'sysctl', '-n', 'net.ipv4.conf.eth0.rp_filter'), '2\n', 'loose is enough');
      t.equal(run(node1.namespace, 'sysctl', '-n', 'net.ipv4.conf.all.rp_filter'), '1\n', 'all else is left');
    });

    await t.test('an agent that starts leaves them as they are', async (t) => {
      await node1.kill();
      await node1.start(objects);
      await eventually('a pass', async () => (await node1.ask<Health>('health')).ready);
      t.equal((await node1.ask<Counters>('counters')).changes, 0);
      t.equal(straightWays(node1), both);
    });

    await t.test('what stops to pass goes by vxlan, and comes back', async (t) => {
      const stop = async (): Promise<void> => {
        dropPodAddresses(all);
        for (const node of [node1, node2]) await straight(node, '');
        await eventually('pods reach each other', () => reaches(a, b));
      };
      const pass = async (): Promise<void> => {
        letAllPass();
        await straight(node1, both);
        await straight(node2, 'node1/ipv4 node1/ipv6');
      };
      for (const answers of await answersDuring(a.netns, b.ips, stop)) {
        t.ok(answers.length > 0 && missing(answers) > 0, 'interrupted, but not for good');
      }
      for (const answers of await answersDuring(a.netns, b.ips, pass))
        t.equal(missing(answers), 0, 'nothing is lost on the way back');
    });

    await t.test('one direction only', async (t) => {
      // As at a port with a check of its own: what node1 sends is dropped, what it is sent passes.
      dropPodAddresses(['10.244.1.0/24', 'fd00:10:244:1::/64'], []);
      await straight(node1, '');
      await straight(node2, 'node1/ipv4 node1/ipv6');
      t.ok(reaches(a, b));
      t.ok(reaches(b, a));
      await straight(node2, 'node1/ipv4 node1/ipv6');
    });
    for (const node of cluster.nodes) await node.ask('detach', cluster.uid(`${node.name}-straight`));
  });
}
