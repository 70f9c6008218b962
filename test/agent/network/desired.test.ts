import t from 'tap';
import type { ClusterNode, NetworkView } from '../../../agent/network/view.ts';
import { planNetwork } from '../../../agent/network/desired.ts';
import * as marks from '../../../agent/network/marks.ts';
import { exampleNode as node, exampleView as view } from './example-view.ts';

const examplePod = { id: 'x', ips: ['10.244.1.2', 'fd00:10:244:1::2'], mac: '02:00:00:00:00:02' };

t.test('a node and its peer', (t) => {
  const { state, pods, problems } = planNetwork(view);
  t.same(problems, []);
  t.same(pods?.ranges, [
    { family: 'ipv4', cidr: '10.244.1.0/24', gateway: '10.244.1.1' },
    { family: 'ipv6', cidr: 'fd00:10:244:1::/64', gateway: 'fd00:10:244:1::1' },
  ]);
  t.match(state.links, [
    { name: 'weft0', kind: 'bridge', mtu: 1450, mac: marks.bridgeMac('node1'), linkLocal: false },
    { name: 'weft-vxlan', kind: 'vxlan', mtu: 1450, vxlan: { vni: 117, port: 8472, local: '172.30.0.11' } },
  ]);
  t.same(
    state.addresses.map(({ link, address, prefix }) => `${link} ${address}/${prefix}`),
    [
      'lo 10.96.0.10/32',
      'lo fd00:10:96::a/128',
      'weft0 10.244.1.1/24',
      'weft-vxlan 10.244.1.1/32',
      'weft0 fd00:10:244:1::1/64',
      'weft-vxlan fd00:10:244:1::1/128',
    ],
  );
  t.same(
    state.routes.map(({ destination, gateway, source }) => [destination, gateway, source]),
    [
      ['10.244.2.0/24', '10.244.2.1', '10.244.1.1'],
      ['fd00:10:244:2::/64', 'fd00:10:244:2::1', 'fd00:10:244:1::1'],
    ],
  );
  const mac = marks.vxlanMac('node2');
  t.match(state.neighbors, [
    { link: 'weft-vxlan', address: '10.244.2.1', mac },
    { link: 'weft-vxlan', address: 'fd00:10:244:2::1', mac },
  ]);
  t.same(state.fdb, [{ link: 'weft-vxlan', mac, destination: '172.30.0.12' }]);
  t.end();
});

t.test('what peers compute fits together', (t) => {
  const other = planNetwork({ ...view, nodeName: 'node2', nodeIPs: ['172.30.0.12', 'fd00:172:30::12'] });
  const vxlan = other.state.links.find(({ name }) => name === 'weft-vxlan');
  t.equal(vxlan?.mac, planNetwork(view).state.fdb[0]?.mac);
  t.equal(vxlan?.vxlan?.local, planNetwork(view).state.fdb[0]?.destination);
  t.end();
});

t.test('a peer that long packets do not reach', (t) => {
  const mtus = (changes: Partial<NetworkView>): (number | undefined)[] =>
    planNetwork({ ...view, ...changes }).state.routes.map(({ mtu }) => mtu);
  t.same(mtus({}), [undefined, undefined]);
  t.same(mtus({ pathMtus: new Map([['10.244.2.0/24', 1350]]) }), [1350, undefined]);
  t.same(mtus({ pathMtus: new Map([['10.244.3.0/24', 1350]]) }), [undefined, undefined], "another peer's");
  t.end();
});

t.test('podMTU is taken as it is said, up to what the underlay carries', (t) => {
  const planned = (podMTU: number): unknown[] => {
    const { state, pods, problems } = planNetwork({ ...view, podMTU });
    return [pods?.mtu, state.links.map(({ name, mtu }) => `${name} ${mtu}`), problems];
  };
  t.same(planned(1400), [1400, ['weft0 1400', 'weft-vxlan 1450'], []]);
  t.same(planned(1500), [1500, ['weft0 1500', 'weft-vxlan 1450'], []], 'who has straight ways to all');
  t.same(planned(9000), [
    1500,
    ['weft0 1500', 'weft-vxlan 1450'],
    ['podMTU is 9000, but eth0 carries packets of 1500 bytes at most: pods get 1500'],
  ]);
  t.end();
});

t.test('pods fill the packets of an underlay that all ways take straight', (t) => {
  const mtus = (mode: NetworkView['mode']): (number | undefined)[] => {
    const { state, pods } = planNetwork({ ...view, mode, pods: [examplePod] });
    return [pods?.mtu, ...state.links.map(({ mtu }) => mtu)];
  };
  t.same(mtus('direct'), [1500, 1500, 1450, 1500]);
  t.same(mtus('auto'), [1450, 1450, 1450, 1450], 'any peer may turn out to be behind the vxlan');
  t.same(mtus('vxlan'), [1450, 1450, 1450, 1450]);
  t.end();
});

t.test('an IPv6 underlay costs 20 bytes more', (t) => {
  const { state, pods } = planNetwork({ ...view, nodeIPs: ['fd00:172:30::11', '172.30.0.11'] });
  t.equal(pods?.mtu, 1430);
  t.equal(state.fdb[0]?.destination, 'fd00:172:30::12');
  t.end();
});

t.test('pods', (t) => {
  const pods = [examplePod];
  const { state } = planNetwork({ ...view, pods });
  t.match(state.links[2], {
    name: marks.podHostLinkName('x'),
    kind: 'veth',
    master: 'weft0',
    isolated: true,
  });
  t.same(
    state.neighbors.filter(({ link }) => link === 'weft0').map(({ address, mac }) => [address, mac]),
    [
      ['10.244.1.2', '02:00:00:00:00:02'],
      ['fd00:10:244:1::2', '02:00:00:00:00:02'],
    ],
  );
  t.ok(marks.podHostLinkName('x').length <= 15);
  t.same(
    state.routes.filter(({ destination }) => destination.endsWith('/32')),
    [],
  );
  t.end();
});

t.test('routed pods', (t) => {
  const pods = [{ id: 'x', ips: ['10.244.1.2', 'fd00:10:244:1::2'], mac: '02:00:00:00:00:02' }];
  const { state } = planNetwork({ ...view, podLink: 'routed', pods });
  const link = marks.podHostLinkName('x');
  t.match(state.links[2], { name: link, master: null, mac: marks.bridgeMac('node1') });
  t.same(
    state.routes
      .filter((route) => route.link === link)
      .map(({ destination, gateway, source }) => [destination, gateway, source]),
    [
      ['10.244.1.2/32', undefined, '10.244.1.1'],
      ['fd00:10:244:1::2/128', undefined, 'fd00:10:244:1::1'],
    ],
  );
  t.same(
    state.neighbors.filter((neighbor) => neighbor.link === link).map(({ address, mac }) => [address, mac]),
    [
      ['10.244.1.2', '02:00:00:00:00:02'],
      ['fd00:10:244:1::2', '02:00:00:00:00:02'],
    ],
  );
  t.end();
});

t.test('families that only one side has are left out', (t) => {
  const v4 = node(1, { podCIDRs: ['10.244.1.0/24'] });
  const routes = (nodes: ClusterNode[]): string[] =>
    planNetwork({ ...view, nodes }).state.routes.map(({ destination }) => destination);
  t.same(routes([v4, node(2)]), ['10.244.2.0/24']);
  t.same(routes([node(1), node(2, { podCIDRs: ['fd00:10:244:2::/64'] })]), ['fd00:10:244:2::/64']);
  t.end();
});

t.test('a host with IPv6 switched off does the rest', (t) => {
  const { state, pods, problems } = planNetwork({ ...view, withoutIPv6: true });
  t.same(
    pods?.ranges.map(({ family }) => family),
    ['ipv4'],
  );
  t.same(
    [...state.addresses, ...state.neighbors].filter(({ address }) => address.includes(':')),
    [],
  );
  t.same(
    state.routes.map(({ destination }) => destination),
    ['10.244.2.0/24'],
  );
  t.match(problems, [/IPv6 is switched off/]);
  t.end();
});

t.test('nodes that cannot be reached', (t) => {
  const cases: [string, ClusterNode[], string[]][] = [
    ['no range yet', [node(1), node(2, { podCIDRs: [] })], []],
    [
      'no address',
      [node(1), node(2, { internalIPs: [] })],
      ['node node2 has no ipv4 address to reach it by'],
    ],
    [
      'the range of an older node',
      [node(1), node(2, { podCIDRs: ['10.244.1.128/25'] })],
      ["podCIDR 10.244.1.128/25 of node node2 is node node1's; delete one of them"],
    ],
  ];
  for (const [title, nodes, problems] of cases) {
    const plan = planNetwork({ ...view, nodes });
    t.same(plan.peers?.problems, problems, title);
    t.same([plan.state.routes, plan.state.neighbors, plan.state.fdb], [[], [], []], title);
    t.ok(plan.pods, title);
  }
  t.end();
});

t.test('a node without a place of its own touches nothing but what needs none', (t) => {
  const cases: [string, ClusterNode[]][] = [
    ['not there', [node(2)]],
    ['without a range', [node(1, { podCIDRs: [] }), node(2)]],
    [
      'younger than the one with its range',
      [node(1, { created: '2026-02-01T00:00:00Z' }), node(2, { podCIDRs: node(1).podCIDRs })],
    ],
  ];
  for (const [title, nodes] of cases) {
    const { state, pods } = planNetwork({ ...view, nodes });
    t.equal(pods, undefined, title);
    t.same([state.links, state.routes, state.neighbors, state.fdb], [[], [], [], []], title);
    t.same(
      state.addresses.map(({ link }) => link),
      ['lo', 'lo'],
      title,
    );
  }
  t.end();
});

t.test('a default route learned from a router is kept', (t) => {
  const sysctls = (acceptsRouters: boolean): string[] =>
    planNetwork({ ...view, underlay: { ...view.underlay, acceptsRouters } }).state.sysctls.map(
      ({ name }) => name,
    );
  t.ok(sysctls(true).includes('net/ipv6/conf/eth0/accept_ra'));
  t.notOk(sysctls(false).includes('net/ipv6/conf/eth0/accept_ra'));
  t.end();
});
