import t from 'tap';
import { planNetwork } from '../../../agent/network/desired.ts';
import * as marks from '../../../agent/network/marks.ts';
import type { NetworkView } from '../../../agent/network/view.ts';
import { describeNarrow, describeSilence, routeMtu } from '../../../agent/paths/finding.ts';
import { pathTargets } from '../../../agent/paths/target.ts';
import { exampleNode, exampleView } from '../network/example-view.ts';

const view: NetworkView = {
  ...exampleView,
  underlay: { ...exampleView.underlay, subnets: [{ link: 'eth0', cidr: '172.30.0.11/24' }] },
};

t.test('the ways to a peer, as its routes lead', (t) => {
  const plan = planNetwork(view);
  const vxlan = {
    vni: 117,
    port: 8472,
    outer: { source: '172.30.0.11', destination: '172.30.0.12' },
    macs: { source: marks.vxlanMac('node1'), destination: marks.vxlanMac('node2') },
  };
  const shared = { node: 'node2', mtu: 1450 };
  t.same(pathTargets(plan), [
    {
      ...shared,
      range: '10.244.2.0/24',
      family: 'ipv4',
      way: { ends: { source: '10.244.1.1', destination: '10.244.2.1' }, vxlan },
    },
    {
      ...shared,
      range: 'fd00:10:244:2::/64',
      family: 'ipv6',
      way: { ends: { source: 'fd00:10:244:1::1', destination: 'fd00:10:244:2::1' }, vxlan },
    },
  ]);
  const direct = pathTargets(planNetwork({ ...view, mode: 'auto', proven: { has: () => true } }));
  t.same(
    direct.map(({ way }) => way),
    [
      { ends: { source: '10.244.1.1', destination: '10.244.2.1' } },
      { ends: { source: 'fd00:10:244:1::1', destination: 'fd00:10:244:2::1' }, vxlan },
    ],
    'a direct route has no vxlan around it',
  );
  const [other] = pathTargets(
    planNetwork({ ...view, nodes: [exampleNode(1), exampleNode(2, { tunnel: { vni: 118, port: 9472 } })] }),
  );
  t.match(other?.way.vxlan, { vni: 118, port: 9472 }, 'as the peer listens');
  const nodes = [exampleNode(1), exampleNode(2, { mode: 'vxlan' })];
  const mixed = planNetwork({ ...view, mode: 'direct', nodes });
  t.same(
    pathTargets(mixed).map(({ mtu, way }) => [mtu, way.vxlan !== undefined]),
    [
      [1450, true],
      [1450, true],
    ],
    'pods that may send more send no more into the vxlan',
  );
  t.equal(pathTargets(planNetwork({ ...view, mode: 'direct' }))[0]?.mtu, 1500);
  t.same(
    pathTargets(planNetwork({ ...view, mode: 'direct' })).length,
    1,
    'where there is no way, nothing is asked',
  );
  t.same(pathTargets(planNetwork({ ...view, nodes: [] })), []);
  t.end();
});

t.test('what is found and said', (t) => {
  const [target] = pathTargets(planNetwork(view));
  const [direct] = pathTargets(planNetwork(view)).map((each) => ({
    ...each,
    way: { ends: each.way.ends },
  }));
  const [, v6] = pathTargets(planNetwork(view));
  if (!target || !direct || !v6) throw new Error('no targets');
  t.equal(routeMtu({ target, mtu: 1450, silences: 0 }), undefined);
  t.equal(routeMtu({ target, mtu: undefined, silences: 3 }), undefined);
  t.equal(routeMtu({ target, mtu: 1350, silences: 3 }), 1350, 'what a peer showed before it fell silent');
  t.equal(
    routeMtu({ target: v6, mtu: 1200, silences: 0 }),
    undefined,
    'IPv6 cannot be had over less than 1280',
  );
  t.equal(
    describeNarrow({ target, mtu: 1350, silences: 0 }),
    'packets of more than 1350 bytes do not reach node node2 (pods send up to 1450): routes to it have MTU 1350 now, ' +
      'which pods are told of; something between 172.30.0.11 and 172.30.0.12 drops what is longer than 1400 bytes: ' +
      "make it carry 1500, or set the MTU of the nodes' links to 1400",
  );
  t.match(
    describeNarrow({ target: direct, mtu: 1350, silences: 0 }),
    /longer than 1350 bytes: make it carry 1450/,
  );
  t.match(describeNarrow({ target: v6, mtu: 1200, silences: 0 }), /IPv6 needs 1280/);
  t.match(
    describeSilence({ target, mtu: undefined, silences: 4 }),
    /let UDP port 8472 pass from 172.30.0.11/,
  );
  t.end();
});
