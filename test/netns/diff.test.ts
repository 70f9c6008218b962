import t from 'tap';
import { diffLinks, diffState, isEmpty } from '../../netns/diff.ts';
import type { Link } from '../../netns/link.ts';
import type { DesiredLink, DesiredState, LinkRoute, ObservedState } from '../../netns/state.ts';

const link: Link = {
  ifindex: 5,
  name: 'weft0',
  kind: 'bridge',
  up: true,
  mtu: 1450,
  mac: '02:00:00:00:00:01',
  alias: 'weft:bridge',
  master: 0,
  group: 0,
  peer: 0,
  isolated: false,
  linkLocal: false,
};
const wanted: DesiredLink = { name: 'weft0', kind: 'bridge', alias: 'weft:bridge', up: true, mtu: 1450 };
const vxlan = { vni: 117, port: 8472, local: '172.30.0.11' };
const ours = ({ alias }: Link): boolean => alias.startsWith('weft:');

t.test('links', (t) => {
  const bridge9 = { ...link, ifindex: 9, name: 'bridge9' };
  const cases: { title: string; want: DesiredLink[]; have: Link[]; expected: object }[] = [
    { title: 'as it shall be', want: [wanted], have: [link], expected: {} },
    { title: 'missing', want: [wanted], have: [], expected: { create: ['weft0'] } },
    { title: 'down', want: [wanted], have: [{ ...link, up: false }], expected: { update: ['weft0'] } },
    { title: 'other mtu', want: [wanted], have: [{ ...link, mtu: 1500 }], expected: { update: ['weft0'] } },
    {
      title: 'a MAC that does not matter',
      want: [wanted],
      have: [{ ...link, mac: '02:00:00:00:00:09' }],
      expected: {},
    },
    {
      title: 'a MAC that does',
      want: [{ ...wanted, mac: '02:00:00:00:00:08' }],
      have: [link],
      expected: { update: ['weft0'] },
    },
    {
      title: 'out of its bridge',
      want: [{ ...wanted, master: 'bridge9' }],
      have: [link, { ...bridge9, alias: '' }],
      expected: { update: ['weft0'] },
    },
    {
      title: 'in its bridge',
      want: [{ ...wanted, master: 'bridge9' }],
      have: [
        { ...link, master: 9 },
        { ...bridge9, alias: '' },
      ],
      expected: {},
    },
    { title: 'not wanted', want: [], have: [link], expected: { remove: ['weft0'] } },
    { title: "somebody else's", want: [], have: [{ ...link, alias: '' }], expected: {} },
    {
      title: "somebody else's with our name",
      want: [wanted],
      have: [{ ...link, alias: '' }],
      expected: { conflicts: ['weft0'] },
    },
    {
      title: 'another kind',
      want: [wanted],
      have: [{ ...link, kind: 'dummy' }],
      expected: { create: ['weft0'], remove: ['weft0'] },
    },
    {
      title: 'a vxlan of another node address',
      want: [{ ...wanted, kind: 'vxlan', vxlan }],
      have: [{ ...link, kind: 'vxlan', vxlan: { ...vxlan, local: '172.30.0.12' } }],
      expected: { update: ['weft0'] },
    },
    {
      title: 'a vxlan over another family',
      want: [{ ...wanted, kind: 'vxlan', vxlan }],
      have: [{ ...link, kind: 'vxlan', vxlan: { ...vxlan, local: 'fd00:172:30::11' } }],
      expected: { create: ['weft0'], remove: ['weft0'] },
    },
    {
      title: 'a vxlan of another network',
      want: [{ ...wanted, kind: 'vxlan', vxlan }],
      have: [{ ...link, kind: 'vxlan', vxlan: { ...vxlan, vni: 118 } }],
      expected: { create: ['weft0'], remove: ['weft0'] },
    },
    {
      title: 'the same vxlan',
      want: [{ ...wanted, kind: 'vxlan', vxlan }],
      have: [{ ...link, kind: 'vxlan', vxlan: { ...vxlan } }],
      expected: {},
    },
  ];
  for (const { title, want, have, expected } of cases) {
    const changes = Object.entries(diffLinks(want, have, ours)).map(([verb, links]) => [
      verb,
      (links as readonly { name: string }[]).map(({ name }) => name),
    ]);
    t.same(
      Object.fromEntries(changes),
      { create: [], update: [], remove: [], conflicts: [], ...expected },
      title,
    );
  }
  t.end();
});

const route: LinkRoute = {
  link: 'weft-vxlan',
  destination: '10.244.2.0/24',
  gateway: '10.244.2.1',
  onlink: true,
  source: '10.244.1.1',
  protocol: 117,
};
const address = { link: 'lo', address: '10.96.0.10', prefix: 32, protocol: 117, passive: true };
const neighbor = { link: 'weft-vxlan', address: '10.244.2.1', mac: '02:00:00:00:00:02', protocol: 117 };
const entry = { link: 'weft-vxlan', mac: '02:00:00:00:00:02', destination: '172.30.0.12' };
const state: DesiredState & ObservedState = {
  links: [],
  addresses: [address],
  routes: [route],
  neighbors: [neighbor],
  fdb: [entry],
  sysctls: [{ name: 'net/ipv4/ip_forward', value: '1' }],
};

t.test('the rest', (t) => {
  t.ok(isEmpty(diffState(state, state)), 'as it shall be');
  const nothing = { links: [], addresses: [], routes: [], neighbors: [], fdb: [], sysctls: [] };
  t.match(diffState(state, nothing), {
    addresses: { create: [address] },
    routes: { create: [route] },
    neighbors: { create: [neighbor] },
    fdb: { create: [entry] },
    sysctls: [],
  });
  t.notOk(isEmpty(diffState(state, nothing)));
  t.match(diffState(nothing, state), {
    addresses: { remove: [address] },
    routes: { remove: [route] },
    neighbors: { remove: [neighbor] },
    fdb: { remove: [entry] },
  });
  const moved: ObservedState = {
    ...state,
    routes: [{ ...route, source: '10.244.1.9' }],
    neighbors: [{ ...neighbor, mac: '02:00:00:00:00:99' }],
    fdb: [{ ...entry, destination: '172.30.0.99' }],
    sysctls: [{ name: 'net/ipv4/ip_forward', value: '0' }],
  };
  const changes = diffState(state, moved);
  t.same(changes.routes, { create: [], replace: [route], remove: [] });
  t.same(changes.neighbors, { create: [], replace: [neighbor], remove: [] });
  t.same(changes.fdb, { create: [], replace: [entry], remove: [] });
  t.same(changes.sysctls, state.sysctls);
  const narrow: DesiredState = { ...state, routes: [{ ...route, mtu: 1350 }] };
  t.same(diffState(narrow, state).routes.replace, narrow.routes, 'an MTU that a route shall have');
  t.same(diffState(state, narrow).routes.replace, [route], 'and shall no longer');
  t.end();
});
