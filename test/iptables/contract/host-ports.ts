import type { Test } from 'tap';

import type { HostPort } from '../../../api/kinds/host-ports.ts';
import { addresses } from '../network.ts';
import { Flow } from './flow.ts';
import { servedPort } from './objects.ts';
import type { Part, Question, Scene } from './scene.ts';

/** A claim over both protocols that the servers of the scene answer. */
function both(hostPort: number, hostIP?: string): HostPort[] {
  const shared = { hostPort, containerPort: servedPort, ...(hostIP === undefined ? {} : { hostIP }) };
  return (['TCP', 'UDP'] as const).map((protocol) => ({ ...shared, protocol }));
}

async function everyWay(t: Test, scene: Scene): Promise<void> {
  scene.nodePortAddresses = ['203.0.113.0/24', '2001:db8:9::/64'];
  await scene.backend.sync(scene.rules());
  await scene.claim('pod1', ...both(8081));
  await scene.ask(t, [
    ['outside', 'node:8081', 'pod1 sees outside', 'from outside'],
    ['outside', 'also:8081', 'pod1 sees outside', 'at every address, whatever serves NodePorts'],
    ['peer', 'node:8081', 'pod1 sees peer', 'another node'],
    ['pod2', 'node:8081', 'pod1 sees pod2', 'a pod'],
    ['pod1', 'node:8081', 'pod1 sees bridge', 'the pod itself'],
    ['node', 'node:8081', 'pod1 sees bridge', 'the node'],
    ['pod2', 'bridge:8081', 'refused', "never at the pod bridge's address"],
    ['pod2', 'dns:8081', 'refused', 'nor at the DNS address'],
  ]);
  await scene.restart();
  t.equal((await scene.backend.sync(scene.rules())).changes, 0, 'a new process leaves it as it is');
  await scene.ask(t, [['outside', 'node:8081', 'pod1 sees outside', 'and it goes on']]);
  await scene.claim('pod1');
  await scene.ask(t, [['outside', 'node:8081', 'refused', 'until it goes']]);
  scene.nodePortAddresses = [];
  await scene.backend.sync(scene.rules());
}

async function oneAddress(t: Test, scene: Scene): Promise<void> {
  for (const family of scene.families) {
    const [own, any] = family === 'ipv4' ? ['ipv4', '0.0.0.0'] : ['ipv6', '::'];
    await scene.claim('pod1', ...both(8082, addresses[family].also), ...both(8083, any));
    for (const each of scene.families) {
      const gets = each === own ? 'pod1 sees outside' : 'refused';
      for (const [to, expected] of [
        ['also:8082', gets],
        ['node:8082', 'refused'],
        ['node:8083', gets],
        ['also:8083', gets],
      ] as const) {
        for (const protocol of ['tcp', 'udp'] as const) {
          const { address, port } = scene.locate(each, to);
          const answer = scene.describe(each, await scene.network.ask('outside', protocol, address, port));
          t.equal(answer, expected, `${family} only: ${each} ${protocol} ${to}`);
        }
      }
    }
  }
  // Two pods share a port on different addresses.
  const [first] = scene.families;
  if (first === undefined) throw new TypeError('a cluster without families');
  await scene.claim('pod1', ...both(8084, addresses[first].node));
  await scene.claim('pod2', ...both(8084, addresses[first].also));
  for (const [at, gets] of [
    ['node', 'pod1 sees outside'],
    ['also', 'pod2 sees outside'],
  ] as const) {
    const answer = await scene.network.ask('outside', 'tcp', addresses[first][at], 8084);
    t.equal(scene.describe(first, answer), gets, `${first}: each at its own address`);
  }
  await scene.claim('pod1');
  await scene.claim('pod2');
}

async function loopback(t: Test, scene: Scene): Promise<void> {
  if (!scene.families.includes('ipv4')) return;
  const { network } = scene;
  const ask = async (from: 'node' | 'pod2' | 'outside', protocol: 'tcp' | 'udp', port: number) =>
    scene.describe('ipv4', await network.ask(from, protocol, '127.0.0.1', port, { timeoutMs: 400 }));
  await network.serve('node', 'private', 'tcp', '127.0.0.1', 8086);
  await scene.claim('pod1', ...both(8085));
  for (const protocol of ['tcp', 'udp'] as const) {
    t.equal(await ask('node', protocol, 8085), 'pod1 sees bridge', `${protocol}: a port of a pod`);
  }
  t.equal(await ask('node', 'tcp', 8086), 'private sees loopback', 'what listens there itself still does');
  // Neighbours that have no 127.0.0.1 of their own, and send what they have for it to the node.
  for (const [place, via] of [
    ['outside', addresses.ipv4.node],
    ['pod2', addresses.ipv4.bridge],
  ] as const) {
    const ip = async (...args: readonly string[]): Promise<void> => {
      await network.exec(place, 'ip', ...args);
    };
    await network.exec(place, 'sysctl', '-qw', 'net.ipv4.conf.eth0.route_localnet=1');
    await ip('rule', 'add', 'pref', '0', 'to', '127.0.0.1', 'dport', '8085-8086', 'lookup', '100');
    await ip('route', 'add', '127.0.0.1', 'via', via, 'dev', 'eth0', 'onlink', 'table', '100');
    await ip('rule', 'del', 'pref', '0', 'lookup', 'local');
    await ip('rule', 'add', 'pref', '1', 'lookup', 'local');
    t.equal(await ask(place, 'tcp', 8086), 'nothing', `${place}: nothing of the node's own loopback`);
    if (place === 'outside') t.equal(await ask(place, 'tcp', 8085), 'nothing', 'nor a port of a pod');
    await ip('rule', 'add', 'pref', '0', 'lookup', 'local');
    await ip('rule', 'del', 'pref', '1');
    await ip('rule', 'del', 'dport', '8085-8086');
    await ip('route', 'flush', 'table', '100');
    await network.exec(place, 'sysctl', '-qw', 'net.ipv4.conf.eth0.route_localnet=0');
  }
  await network.close('node', 'tcp', '127.0.0.1', 8086);
  await scene.claim('pod1');
}

async function udpFlows(t: Test, scene: Scene): Promise<void> {
  const flows = [new Flow(scene, 'outside', 'node:8087'), new Flow(scene, 'outside', 'also:8087')];
  const reach = async (gets: string, why: string): Promise<void> => {
    for (const flow of flows) await flow.reaches(t, gets, why);
  };
  // Nobody else asks there; what an earlier cluster's run left tracked ends at some time, so each counts once.
  const direct = new Flow(scene, 'pod1', 'pod2:9081');
  await direct.reaches(t, 'pod2 sees pod1', 'past all ports of the node');
  const before = new Set(direct.tracked());
  t.equal(before.size, scene.families.length, 'which is tracked');
  await reach('refused', 'nobody has the port');
  await scene.claim('pod1', ...both(8087));
  await reach('pod1 sees outside', 'a pod has it');
  await scene.claim('pod1');
  await scene.claim('pod2', ...both(8087));
  await reach('pod2 sees outside', 'another pod has it');
  await scene.claim('pod2');
  await reach('refused', 'nobody, again');
  t.strictSame(new Set(direct.tracked()), before, 'what goes past it stays tracked');
}

async function beforeServices(t: Test, scene: Scene): Promise<void> {
  const asked: Question[] = [
    ['outside', 'node:30020', 'pod1 sees outside', 'the hostPort'],
    ['pod2', 'node:30020', 'pod1 sees pod2', 'for pods, too'],
  ];
  await scene.put({ name: 'web', nodePort: 30_020, to: ['pod2'] });
  await scene.claim('pod1', ...both(30_020));
  await scene.ask(t, asked);
  await scene.claim('pod1');
  await scene.ask(t, [['outside', 'node:30020', 'pod2 sees bridge', 'the NodePort, once it is gone']]);
  const externalIPs = scene.families.map((family) => addresses[family].also);
  await scene.put({ name: 'web', to: ['pod2'], spec: { externalIPs } });
  await scene.claim('pod1', ...both(80));
  await scene.ask(t, [['outside', 'also:80', 'pod1 sees outside', 'before an externalIP, too']]);
  const { refused } = await scene.backend.sync(scene.rules());
  t.match(refused.get('default/web')?.message, /externalIP .* belongs to/, 'which its Service is told');
  await scene.claim('pod1');
  await scene.ask(t, [['outside', 'also:80', 'pod2 sees bridge', 'once it is gone']]);
  await scene.drop('web');
}

export const hostPortParts: readonly Part[] = [
  { title: 'hostPort: from outside, other nodes, pods, the pod itself and the node', run: everyWay },
  { title: 'hostPort: at the addresses of hostIP only', run: oneAddress },
  { title: 'hostPort: at 127.0.0.1 for the node alone', run: loopback },
  { title: 'hostPort: UDP flows follow a port that comes, moves and goes', run: udpFlows },
  { title: 'hostPort: before Services', run: beforeServices },
];
