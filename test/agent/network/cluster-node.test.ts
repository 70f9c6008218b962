import t from 'tap';
import { sameNetwork, toClusterNode } from '../../../agent/network/cluster-node.ts';
import { planNetwork } from '../../../agent/network/desired.ts';
import { pathTargets } from '../../../agent/paths/target.ts';
import { straightTargets } from '../../../agent/paths/straight-target.ts';
import type { Node } from '../../../api/kinds/node.ts';
import { exampleNode, exampleView } from './example-view.ts';

function node(podCIDRs: string[] | undefined, internalIPs: string[] = ['172.30.0.12'], mode?: string): Node {
  return {
    metadata: {
      name: 'node2',
      creationTimestamp: '2026-01-01T00:00:02Z',
      ...(mode === undefined ? {} : { annotations: { 'weft/network-mode': mode } }),
    },
    spec: podCIDRs === undefined ? {} : { podCIDRs },
    status: { addresses: internalIPs.map((address) => ({ type: 'InternalIP', address })) },
  };
}

const cidrFlaw = (what: string): string =>
  `podCIDR ${what} of node node2 cannot be used and is left out; delete that Node, so that it is given another`;
const ipFlaw = (what: string): string =>
  `InternalIP ${what} of node node2 is no address to reach it by; correct the nodeIPs of its agent`;

t.test('ranges: what can be used, and the rest by its words', (t) => {
  const long = 'x'.repeat(100);
  const cases: [podCIDRs: string[], usable: string[], refused?: string][] = [
    [
      ['10.244.1.0/24', 'fd00:10:244:1::/64'],
      ['10.244.1.0/24', 'fd00:10:244:1::/64'],
    ],
    [
      ['10.244.1.5/24', 'FD00:0::1/64'],
      ['10.244.1.0/24', 'fd00::/64'],
    ],
    [['garbage', '10.244.1.5/24', '10.244.0.0/33'], ['10.244.1.0/24'], '"garbage", "10.244.0.0/33"'],
    [['10.244.1.0/24', '10.244.2.0/24'], ['10.244.1.0/24'], '"10.244.2.0/24"'],
    [['10.244.1.0/24', '10.244.1.0/24'], ['10.244.1.0/24'], '"10.244.1.0/24"'],
    [['', '10.244.1.0', '10.244.1/24'], [], '"", "10.244.1.0", "10.244.1/24"'],
    [['255.255.255.255/32', '10.244.1.4/31'], [], '"255.255.255.255/32", "10.244.1.4/31"'],
    [['0.0.0.0/0', '::/0', 'fe80::/64'], [], '"0.0.0.0/0", "::/0", "fe80::/64"'],
    [['a', 'b', 'c', 'd', 'e'], [], '"a", "b", "c", and 2 more'],
    [['new\nline', long], [], `"new\\nline", "${'x'.repeat(60)}…"`],
  ];
  for (const [podCIDRs, usable, refused] of cases) {
    const { podCIDRs: read, flaws = [] } = toClusterNode(node(podCIDRs));
    t.same([read, flaws], [usable, refused === undefined ? [] : [cidrFlaw(refused)]], podCIDRs.join(' '));
  }
  t.same(toClusterNode(node(undefined)).podCIDRs, []);
  t.end();
});

t.test('addresses and annotations', (t) => {
  const read = toClusterNode(
    node(['10.244.2.0/24'], ['node2.example', 'fe80::1%eth0', 'fe80::1', '127.0.0.1', 'FD00::12'], 'vxlna'),
  );
  t.same(read.internalIPs, ['fd00::12']);
  t.equal(read.mode, undefined);
  t.same(read.flaws, [
    ipFlaw('"node2.example", "fe80::1%eth0", "fe80::1", and 1 more'),
    'annotation weft/network-mode="vxlna" of node node2 is none of auto, direct, vxlan, and ignored; kubectl annotate node node2 --overwrite weft/network-mode=auto',
  ]);
  t.same(toClusterNode(node([], ['node2.example'], 'vxlna')).flaws, undefined, 'nobody has to reach it');
  const deaf = node(['10.244.2.0/24']);
  deaf.metadata.annotations = { 'weft/vxlan': '117' };
  t.match(toClusterNode(deaf), { tunnel: undefined, flaws: [/weft\/vxlan="117" of node node2 .* restart/] });
  t.notOk(sameNetwork(node(['garbage']), node([])), 'a change of what is wrong is one to tell');
  t.end();
});

t.test('one Node full of nonsense costs no other its ways', (t) => {
  const nodes = [
    exampleNode(1),
    toClusterNode(node(['garbage', '10.244.1.5/33'], ['nonsense'], 'nonsense')),
    exampleNode(3),
  ];
  for (const mode of ['vxlan', 'auto', 'direct'] as const) {
    const plan = planNetwork({ ...exampleView, mode, nodes });
    const ranges = plan.state.routes.map(({ destination }) => destination);
    t.same(ranges, ['10.244.3.0/24', 'fd00:10:244:3::/64'], mode);
    t.same(plan.peers?.problems, [cidrFlaw('"garbage", "10.244.1.5/33"')]);
    t.same([...new Set(pathTargets(plan).map((target) => target.node))], ['node3']);
    t.ok(straightTargets(plan).every((target) => target.node === 'node3'));
  }
  t.end();
});

t.test('a node without a usable address is named, and its other family is reached', (t) => {
  const nodes = [exampleNode(1), toClusterNode(node(['10.244.2.0/24'], ['nonsense', 'fd00:172:30::12']))];
  const { peers, state } = planNetwork({ ...exampleView, mode: 'direct', nodes });
  t.match(state.routes, [{ destination: '10.244.2.0/24', gateway: 'fd00:172:30::12' }]);
  t.same(peers?.problems, [ipFlaw('"nonsense"')]);
  t.end();
});

t.test('the node whose own range cannot be used says so', (t) => {
  const own = toClusterNode({ ...node(['garbage']), metadata: { name: 'node1' } });
  const plan = planNetwork({ ...exampleView, nodes: [own, exampleNode(2)] });
  t.equal(plan.pods, undefined);
  t.same(plan.problems, [cidrFlaw('"garbage"').replace('node2', 'node1')]);
  t.end();
});
