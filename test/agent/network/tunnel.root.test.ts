import dgram from 'node:dgram';
import t from 'tap';
import type { Test } from 'tap';
import { renderTunnel } from '../../../agent/network/tunnel.ts';
import type { Tunnel } from '../../../agent/network/tunnel.ts';
import type { Health } from '../../../agent/subsystem.ts';
import type { Node } from '../../../api/kinds/node.ts';
import { listNamespaces, runInNamespace } from '../../../netns/namespace.ts';
import { openServerSocket } from '../../../netns/server-socket.ts';
import { skipUnlessRoot } from '../../root.ts';
import { Traffic } from '../underlay/traffic.ts';
import { eventually, ip, pings, run, TestCluster, TestNode, testNamespace } from './cluster-fixture.ts';
import type { NodeSettings } from './node-process.ts';

interface Attachment {
  netns: string;
  ips: string[];
}
type Settings = Required<Pick<NodeSettings, 'vxlan'>> & Pick<NodeSettings, 'podMTU'>;

const atFirst: Settings = { vxlan: { vni: 117, port: 8472 } };

function saying(node: Node, vxlan: Tunnel): Node {
  const annotations = { 'weft/vxlan': renderTunnel(vxlan) };
  return { ...node, metadata: { ...node.metadata, annotations } };
}

/** Two nodes, each of which is set, and says so, in its own time. */
class ChangingCluster {
  readonly #nodes: readonly TestNode[];
  #objects: Node[];

  constructor(nodes: readonly TestNode[], objects: readonly Node[]) {
    this.#nodes = nodes;
    this.#objects = objects.map((object) => saying(object, atFirst.vxlan));
  }

  /** Starts a node's agent anew with other settings; then the other node hears of it. */
  async restart(number: number, settings: Settings): Promise<void> {
    const [node, other] = [this.#nodes[number], this.#nodes[1 - number]] as [TestNode, TestNode];
    const object = saying(this.#objects[number] as Node, settings.vxlan);
    this.#objects = this.#objects.with(number, object);
    await node.kill();
    await node.start(this.#objects, settings);
    await other.ask('changeNode', object);
    await node.ask('startRules');
  }

  async start(): Promise<void> {
    await Promise.all(
      this.#nodes.map(async (node) => {
        await node.start(this.#objects, atFirst);
        await node.ask('startRules');
      }),
    );
  }
}

/** All that there is on a node for the vxlan, by the tools an operator would use. */
function readTunnel({ namespace }: TestNode): string {
  const json = JSON.stringify([
    ip(namespace, '-d', 'link', 'show', 'type', 'vxlan').map(({ ifname, mtu, linkinfo }) => {
      const { id, port, local, local6 } = (linkinfo as { info_data: Record<string, unknown> }).info_data;
      return [ifname, mtu, id, port, local, local6];
    }),
    ip(namespace, 'neigh', 'show', 'nud', 'permanent', 'dev', 'weft-vxlan'),
    ['-4', '-6'].map((family) => [
      ip(namespace, family, 'route', 'show', 'table', 'all', 'proto', '117'),
      ip(namespace, family, 'rule'),
    ]),
    ip(namespace, 'address', 'show', 'dev', 'weft-vxlan').map(({ addr_info }) => addr_info),
  ]);
  const words = json.replaceAll(/"(valid|preferred)_life_time":\d+/g, '');
  const sockets = run(namespace, 'ss', '-H', '-u', '-a', '-n').replaceAll(/ +/g, ' ');
  const rules = run(namespace, 'nft', '--stateless', 'list', 'ruleset')
    .split('\n')
    .filter((line) => line.includes('udp dport'));
  return [words, run(namespace, 'bridge', 'fdb', 'show', 'dev', 'weft-vxlan'), sockets, ...rules].join('\n');
}

function insideMtu({ netns }: Attachment): unknown {
  return ip(netns, 'link', 'show', 'eth0')[0]?.['mtu'];
}

/** The port that the node's device has, and those that its rules know as the vxlan's. */
function portsOf(node: TestNode): string[] {
  return [...new Set(readTunnel(node).match(/\b[89]472\b/g))];
}

/**
 * Gives first one node, then the other these settings; connections between their pods go on while both are the same,
 * and while they are not.
 */
async function changeUnderTraffic(
  t: Test,
  nodes: readonly [TestNode, TestNode],
  objects: readonly Node[],
  changes: readonly Settings[],
): Promise<void> {
  const cluster = new ChangingCluster(nodes, objects);
  await cluster.start();
  const [a, b] = await Promise.all([
    nodes[0].ask<Attachment>('attach', { id: `test${process.pid}-a` }),
    nodes[1].ask<Attachment>('attach', { id: `test${process.pid}-b` }),
  ]);
  using stack = new DisposableStack();
  for (const address of b.ips) await eventually(`a ping to ${address}`, () => pings(a.netns, address));
  const connections = await Promise.all(
    b.ips.map(async (address) => stack.use(await Traffic.between(a.netns, b.netns, address, 10_000))),
  );
  const before = nodes.map(readTunnel);
  let old = atFirst;
  for (const settings of changes) {
    const { vni, port } = settings.vxlan;
    for (const number of [0, 1]) {
      await cluster.restart(number, settings);
      await Promise.all(connections.map((each) => each.goesOn()));
      const { reason = '' } = await nodes[number as 0 | 1].ask<Health>('health');
      const isMixed = number === 0 && renderTunnel(settings.vxlan) !== renderTunnel(old.vxlan);
      const words = `node node2 has vxlanVNI ${old.vxlan.vni} and vxlanPort ${old.vxlan.port}, this node ${vni} and ${port}`;
      t.equal(reason.includes(words), isMixed, isMixed ? words : 'nodes are set alike');
    }
    await eventually('well', async () => (await nodes[0].ask<Health>('health')).reason === undefined);
    await eventually('pods follow', () =>
      [a, b].every((each) => insideMtu(each) === (settings.podMTU ?? insideMtu(each))),
    );
    old = settings;
  }
  const { vni, port } = old.vxlan;
  for (const [i, node] of nodes.entries()) {
    const expected = (before[i] ?? '')
      .replaceAll('117,8472', `${vni},${port}`)
      .replaceAll('8472', String(port));
    t.equal(readTunnel(node), expected, `${node.name}: nothing else than before, nothing of before`);
    t.same(portsOf(node), [String(port)], 'of its rules, too');
  }
  for (const [i, name] of ['a', 'b'].entries()) await nodes[i]?.ask('detach', `test${process.pid}-${name}`);
}

if (skipUnlessRoot(t)) {
  t.test('VNI, then MTU, node by node: connections go on', async (t) => {
    await using cluster = new TestCluster(2);
    ['a', 'b'].forEach((name) => cluster.uid(name));
    const nodes = cluster.nodes.map(
      ({ name, settings }) => new TestNode(name, { ...settings, backend: 'nftables' }),
    ) as [TestNode, TestNode];
    const vxlan = { vni: 118, port: 8472 };
    try {
      await changeUnderTraffic(t, nodes, cluster.objects(), [{ vxlan }, { vxlan, podMTU: 1300 }]);
    } finally {
      for (const node of nodes) await node.kill();
    }
  });

  t.test('the port, between nodes with IPv6', async (t) => {
    await using cluster = new TestCluster(2);
    ['a', 'b'].forEach((name) => cluster.uid(name));
    const nodes = cluster.nodes.map(({ name, settings }) => {
      const nodeIPs = settings.nodeIPs.toReversed();
      return new TestNode(name, { ...settings, nodeIPs, backend: 'nftables' });
    }) as [TestNode, TestNode];
    const objects = cluster
      .objects()
      .map((node) => ({ ...node, status: { addresses: node.status?.addresses?.toReversed() ?? [] } }));
    try {
      await changeUnderTraffic(t, nodes, objects, [{ vxlan: { vni: 117, port: 9472 } }]);
    } finally {
      for (const node of nodes) await node.kill();
    }
  });

  t.test('somebody else has the VNI, and the port', async (t) => {
    await using cluster = new TestCluster(1);
    const [node] = cluster.nodes as [TestNode];
    const { namespace } = node;
    const told = async (reason: string | undefined): Promise<void> =>
      eventually(`told: ${reason}`, async () => (await node.ask<Health>('health')).reason === reason);
    const twin = ['flannel.117', 'type', 'vxlan', 'id', '117', 'dstport', '8472', 'local', '172.30.0.11'];
    run(namespace, 'ip', 'link', 'add', ...twin);
    const program = dgram.createSocket('udp4');
    const options = { protocol: 'udp', host: '0.0.0.0', port: 8472, shared: false } as const;
    program.bind({ fd: runInNamespace(namespace, () => openServerSocket(options)) });
    await node.start(cluster.objects());
    await told(
      'link flannel.117 has VNI 117 on UDP port 8472: remove it (ip link delete flannel.117), or set vxlanVNI to another',
    );
    t.match(await node.ask('health'), { ready: false });
    run(namespace, 'ip', 'link', 'delete', 'flannel.117');
    await told(
      'UDP port 8472, which the vxlan needs, is taken by a program (ss -ulpn sport = :8472) or by another vxlan device (ip -d link show type vxlan): end it, or set vxlanPort to another',
    );
    t.match(run(namespace, 'ss', '-H', '-u', '-l', '-n', 'sport', '=', ':8472'), /8472/, 'as it says');
    const passes = async (): Promise<number> => (await node.ask<{ passes: number }>('counters')).passes;
    let seen = [0, 1, 2, 3];
    await eventually('what is refused is tried ever more seldom', async () => {
      seen = [...seen.slice(1), await passes()];
      return new Set(seen).size === 1;
    });
    program.close();
    await told(undefined);
    t.match(await node.ask('health'), { ready: true });
    t.match(ip(namespace, 'link', 'show', 'weft-vxlan'), [{ flags: /UP/ }]);
  });

  t.test('nothing is left behind', (t) => {
    t.same(listNamespaces(testNamespace('')), []);
    t.end();
  });
}
