import type { Test } from 'tap';
import type { NetworkMode } from '../../../agent/network/view.ts';
import type { Node } from '../../../api/kinds/node.ts';
import { families } from '../../../netns/ip.ts';
import type { Family } from '../../../netns/ip.ts';
import type { TestNode } from '../network/cluster-fixture.ts';
import { eventually, ip, run, TestCluster } from '../network/cluster-fixture.ts';
import { Traffic } from './traffic.ts';

interface Attachment {
  netns: string;
  ips: string[];
}

const ranges: Readonly<Record<Family, string>> = { ipv4: '172.30.0.0/16', ipv6: 'fd00:172:30::/64' };
export const moved: Readonly<Record<Family, { from: string; to: string; prefix: number }>> = {
  ipv4: { from: '172.30.0.12', to: '172.30.0.112', prefix: 24 },
  ipv6: { from: 'fd00:172:30::12', to: 'fd00:172:30::112', prefix: 64 },
};

/** Two nodes that find their own addresses, a pod on each, and connections of both families between the pods. */
export class Scene implements AsyncDisposable {
  readonly cluster: TestCluster;
  readonly node1: TestNode;
  readonly node2: TestNode;
  readonly #undo = new DisposableStack();
  readonly #objects: readonly Node[];
  #traffic: Traffic[] = [];
  /** In the namespace of node2. */
  pod: Attachment = { netns: '', ips: [] };

  constructor(mode: NetworkMode, primary: Family) {
    const order = (Object.keys(families) as Family[]).toSorted((a) => (a === primary ? -1 : 1));
    this.cluster = new TestCluster(
      2,
      mode,
      order.map((family) => ranges[family]),
    );
    [this.node1, this.node2] = this.cluster.nodes as [TestNode, TestNode];
    this.#objects = this.cluster.objects();
  }

  /** @param proves whether node2's kernel takes its time (a second or two) to prove IPv6 addresses unique (RFC 4862) */
  async start({ proves }: { readonly proves: boolean } = { proves: false }): Promise<void> {
    const { cluster, node1, node2 } = this;
    if (!proves) this.onNode2('sh', '-c', 'echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad');
    await Promise.all(cluster.nodes.map((node) => node.start(this.#objects)));
    const far = await node1.ask<Attachment>('attach', cluster.uid('far'));
    this.pod = await node2.ask<Attachment>('attach', cluster.uid('near'));
    for (const address of far.ips) {
      this.#traffic.push(this.#undo.use(await Traffic.between(this.pod.netns, far.netns, address)));
    }
  }

  onNode2(...command: string[]): string {
    return run(this.node2.namespace, ...command);
  }

  /** Waits until node2 has taken over these addresses, and tells all nodes, as its Node object does. */
  async announce(addresses: readonly string[]): Promise<void> {
    await this.takesOver(this.node2, addresses);
    await this.tell(this.node2, addresses);
  }

  /** Waits until a node has found these addresses of its own. */
  async takesOver(node: TestNode, addresses: readonly string[]): Promise<void> {
    await eventually(`${node.name} is ${addresses.join(', ')}`, async () => {
      return JSON.stringify(await node.ask('addresses')) === JSON.stringify(addresses);
    });
  }

  /** Tells all nodes of a node's addresses, as its Node object does. */
  async tell(node: TestNode, addresses: readonly string[]): Promise<void> {
    const status = { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) };
    const object = this.#objects.find(({ metadata }) => metadata.name === node.name);
    await Promise.all(this.cluster.nodes.map((each) => each.ask('changeNode', { ...object, status })));
  }

  /** All connections go on, within less time than the next regular look at the network takes to come (30 s). */
  async goesOn(t: Test, what: string): Promise<void> {
    await Promise.all(this.#traffic.map((each) => each.goesOn()));
    const gaps = this.#traffic.map((each) => each.takeLongestGapMs());
    t.pass(`${what}: connections go on; longest gap ${Math.max(...gaps)} ms`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#undo.dispose();
    await this.cluster[Symbol.asyncDispose]();
  }
}

/** What `ip` says of a link of a node. */
export function linkOf(node: TestNode, name: string): Record<string, unknown> | undefined {
  return ip(node.namespace, '-d', 'link').find(({ ifname }) => ifname === name);
}
