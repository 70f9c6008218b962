import t from 'tap';
import { PeerTable } from '../../../agent/network/peer-table.ts';
import type { Standpoint } from '../../../agent/network/peers.ts';
import { planPeer } from '../../../agent/network/peers.ts';
import { podRanges, RangeTable } from '../../../agent/network/ranges.ts';
import type { ClusterNode } from '../../../agent/network/view.ts';
import { parseCidr } from '../../../netns/ip.ts';

function node(number: number, changes: Partial<ClusterNode> = {}): ClusterNode {
  return {
    name: `node${number}`,
    created: '',
    podCIDRs: [`10.244.${number}.0/24`, `fd00:10:244:${number}::/64`],
    internalIPs: [`172.30.0.${number}`, `fd00:172:30::${number}`],
    ...changes,
  };
}

const subnets = ['172.30.0.0/24', 'fd00:172:30::/64'].map((cidr) => ({
  link: 'eth0',
  cidr: parseCidr(cidr),
}));
const standpoint: Standpoint = {
  nodeName: 'node1',
  mode: 'auto',
  vxlan: { port: 8472, vni: 117 },
  own: podRanges(node(1).podCIDRs),
  vxlanFamily: 'ipv4',
  subnets,
  pathMtus: new Map(),
  proven: { has: () => true },
};

/** What a plan does with a node's pods, by family: `link gateway`. */
function waysTo(peer: ClusterNode, changes: Partial<Standpoint> = {}): Record<string, string> {
  const { routes, problem, fdb } = planPeer(peer, podRanges(peer.podCIDRs), { ...standpoint, ...changes });
  return {
    ...Object.fromEntries(
      routes.map(({ destination, link, gateway }) => [
        destination.includes(':') ? 'ipv6' : 'ipv4',
        `${link} ${gateway}`,
      ]),
    ),
    ...(fdb[0] ? { fdb: fdb[0].destination } : {}),
    ...(problem === undefined ? {} : { problem }),
  };
}

t.test('which way each family takes', (t) => {
  const direct = { ipv4: 'eth0 172.30.0.2', ipv6: 'eth0 fd00:172:30::2' };
  const vxlan = {
    ipv4: 'weft-vxlan 10.244.2.1',
    ipv6: 'weft-vxlan fd00:10:244:2::1',
    fdb: '172.30.0.2',
  };
  const far = node(2, { internalIPs: ['192.168.9.2', 'fd00:9::2'] });
  const v6Subnet = subnets.filter(({ cidr }) => cidr.family === 'ipv6');
  const v4Subnet = subnets.filter(({ cidr }) => cidr.family === 'ipv4');
  const cases: [string, ClusterNode, Partial<Standpoint>, Record<string, unknown>][] = [
    ['one subnet', node(2), {}, direct],
    ['one subnet, always direct', node(2), { mode: 'direct' }, direct],
    ['one subnet, never direct', node(2), { mode: 'vxlan' }, vxlan],
    ['another subnet', far, {}, { ...vxlan, fdb: '192.168.9.2' }],
    [
      'another subnet, always direct',
      far,
      { mode: 'direct' },
      {
        problem:
          'node node2 shares no subnet with this node for ipv4 and ipv6, so networkMode direct has no way to its pods; set networkMode to auto',
      },
    ],
    [
      'IPv6 pods cannot go by an IPv4 subnet',
      node(2, { internalIPs: ['172.30.0.2'] }),
      { subnets: v4Subnet },
      { ipv4: direct.ipv4, ipv6: vxlan.ipv6, fdb: '172.30.0.2' },
    ],
    [
      'IPv4 pods can go by an IPv6 subnet',
      node(2, { internalIPs: ['fd00:172:30::2'] }),
      { subnets: v6Subnet, vxlanFamily: 'ipv6' },
      { ipv4: direct.ipv6, ipv6: direct.ipv6 },
    ],
    [
      'vxlan over IPv6',
      node(2, { internalIPs: ['fd00:172:30::2', '172.30.0.2'] }),
      { mode: 'vxlan', vxlanFamily: 'ipv6' },
      { ...vxlan, fdb: 'fd00:172:30::2' },
    ],
    [
      'vxlan to one that listens on the other family',
      node(2),
      { mode: 'vxlan', vxlanFamily: 'ipv6' },
      {
        ...vxlan,
        fdb: 'fd00:172:30::2',
        problem:
          'node node2 has its ipv4 address first, this node ipv6: list the same family first in nodeIPs everywhere',
      },
    ],
    ['the peer wants vxlan', node(2, { mode: 'vxlan' }), {}, vxlan],
    ['the peer wants vxlan, this node direct', node(2, { mode: 'vxlan' }), { mode: 'direct' }, vxlan],
    ['the peer wants direct, this node vxlan', node(2, { mode: 'direct' }), { mode: 'vxlan' }, vxlan],
  ];
  for (const [title, peer, changes, ways] of cases) t.same(waysTo(peer, changes), ways, title);
  t.end();
});

t.test('packets go to each peer as its vxlan device listens', (t) => {
  const plan = (tunnel?: ClusterNode['tunnel']) =>
    planPeer(node(2, tunnel ? { tunnel } : {}), podRanges(node(2).podCIDRs), {
      ...standpoint,
      mode: 'vxlan',
    });
  for (const { fdb, problem } of [plan(), plan({ port: 8472, vni: 117 })]) {
    t.same(
      Object.keys(fdb[0] ?? {}),
      ['link', 'mac', 'destination'],
      'like this node unless it says otherwise',
    );
    t.equal(problem, undefined);
  }
  const { fdb, problem } = plan({ port: 9472, vni: 118 });
  t.match(fdb, [{ port: 9472, vni: 118 }]);
  t.equal(
    problem,
    'node node2 has vxlanVNI 118 and vxlanPort 9472, this node 117 and 8472: each sends as the other listens, but firewalls must let both ports pass; set them alike everywhere',
  );
  const [other] = plan({ port: 8472, vni: 118 }).fdb;
  t.same([other?.vni, other?.port], [118, undefined]);
  const nodes = [node(1), node(2)];
  const table = new PeerTable(new RangeTable(nodes), nodes, { ...standpoint, mode: 'vxlan' });
  const change = table.change(new Map([['node2', node(2, { tunnel: { port: 8472, vni: 118 } })]]));
  t.match(change?.after.fdb, [{ vni: 118 }]);
  t.notOk('vni' in (change?.before.fdb[0] ?? {}));
  t.end();
});

t.test('a route says where from, and how much fits', (t) => {
  const pathMtus = new Map([['10.244.2.0/24', 1400]]);
  const { routes } = planPeer(node(2), podRanges(node(2).podCIDRs), { ...standpoint, pathMtus });
  t.match(routes, [{ source: '10.244.1.1', mtu: 1400, onlink: true }, { source: 'fd00:10:244:1::1' }]);
  t.notOk('mtu' in (routes[1] ?? {}));
  t.end();
});

t.test('a table follows single nodes', (t) => {
  const nodes = [node(1), node(2), node(3)];
  const table = new PeerTable(new RangeTable(nodes), nodes, { ...standpoint, mode: 'vxlan' });
  const whole = (...present: ClusterNode[]): unknown =>
    new PeerTable(new RangeTable(present), present, { ...standpoint, mode: 'vxlan' }).state;
  t.equal(table.state.routes.length, 4);

  const moved = node(2, { internalIPs: ['172.30.0.99'] });
  const change = table.change(new Map([['node2', moved]]));
  t.match(change?.before.fdb, [{ destination: '172.30.0.2' }]);
  t.match(change?.after.fdb, [{ destination: '172.30.0.99' }]);
  t.equal(change?.after.routes.length, 2, 'of that node only');

  const twin = { ...node(4), created: 'later', podCIDRs: moved.podCIDRs };
  t.same(table.change(new Map([['node4', twin]]))?.after.routes.length, 2, 'the older keeps its way');
  t.same(table.problems, [
    "podCIDR 10.244.2.0/24,fd00:10:244:2::/64 of node node4 is node node2's; delete one of them",
  ]);
  const heir = table.change(new Map([['node2', undefined]]));
  t.match(heir?.before.fdb, [{ destination: '172.30.0.99' }]);
  t.match(heir?.after.fdb, [{ destination: '172.30.0.4' }], 'the range goes to who claimed it, too');
  t.same(table.problems, []);
  t.same(new Set(table.state.routes), new Set((whole(node(1), node(3), twin) as typeof table.state).routes));

  const thief = { ...node(5), podCIDRs: node(1).podCIDRs };
  t.equal(table.change(new Map([['node5', thief]])), undefined, "what concerns this node's own ranges");
  t.end();
});
