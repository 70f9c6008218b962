import t from 'tap';
import { RTM_NEWADDR } from '../../../netns/address.ts';
import type { Link } from '../../../netns/link.ts';
import { RTM_DELLINK, RTM_NEWLINK, setLink } from '../../../netns/link.ts';
import { RTM_DELCHAIN, RTM_NEWCHAIN } from '../../../netns/ingress-filter.ts';
import { removeFdb, removeNeighbor, RTM_DELNEIGH, RTM_NEWNEIGH } from '../../../netns/neighbor.ts';
import { replaceRoute, RTM_DELROUTE, RTM_NEWROUTE } from '../../../netns/route.ts';
import type { KnownNetwork } from '../../../agent/network/notices.ts';
import { Notices } from '../../../agent/network/notices.ts';
import {
  bridgeAlias,
  bridgeName,
  goneAlias,
  limiterAlias,
  limiterName,
  podAlias,
  protocol,
  vxlanAlias,
  vxlanName,
} from '../../../agent/network/marks.ts';

const plain = { kind: '', up: true, mtu: 1500, mac: '', master: 0, group: 0, peer: 0, isolated: false };
const eth0: Link = { ...plain, ifindex: 2, name: 'eth0', alias: '', linkLocal: true };
const bridge: Link = { ...plain, ifindex: 3, name: bridgeName, alias: bridgeAlias, linkLocal: true };
const vxlan: Link = { ...plain, ifindex: 4, name: vxlanName, alias: vxlanAlias, linkLocal: false };
/** As the kernel tells of it: a request to set all of it is of the same form. */
const encode = ({ ifindex, name, alias, mtu, up, group }: Link): Buffer =>
  setLink(ifindex, { name, alias, mtu, up, group }).payload;

const leased = '10.244.1.7';
const known: KnownNetwork = {
  links: new Map([eth0, bridge, vxlan].map((link) => [link.ifindex, link])),
  isPodAsPlanned: ({ mtu }) => mtu === 1450,
  isPodAddress: (address) => address === leased,
  isInPodRange: (address) => address.startsWith('10.244.1.'),
};

function judge(...notices: (readonly [type: number, payload: Buffer])[]): {
  due: boolean;
  alarming: boolean;
} {
  const all = new Notices();
  const due = notices.map(([type, payload]) => all.note(type, payload)).some(Boolean);
  const [alarming, taken] = [all.isAlarming(known), all.take(known)];
  if (alarming !== taken || all.take(known)) throw new Error('it is told once');
  return { due, alarming };
}

t.test('links', (t) => {
  const changed = { due: true, alarming: true };
  const settled = { due: true, alarming: false };
  t.same(judge([RTM_NEWLINK, encode(bridge)]), settled, 'told of, and nothing is otherwise');
  t.same(judge([RTM_NEWLINK, encode({ ...bridge, mtu: 1400 })]), changed);
  t.same(judge([RTM_NEWLINK, encode({ ...eth0, up: false })]), changed);
  t.same(judge([RTM_NEWLINK, encode({ ...eth0, ifindex: 9, name: 'eth1' })]), changed, 'a new one');
  t.same(judge([RTM_DELLINK, encode(eth0)]), changed);
  t.same(judge([RTM_DELLINK, encode(eth0)], [RTM_NEWLINK, encode(bridge)]), changed);
  const pod: Link = {
    ...plain,
    ifindex: 7,
    name: 'weft1',
    alias: podAlias('a'),
    mtu: 1450,
    linkLocal: false,
  };
  t.same(judge([RTM_NEWLINK, encode(pod)]), settled);
  t.same(judge([RTM_NEWLINK, encode({ ...pod, mtu: 1500 })]), changed);
  t.same(
    judge([RTM_NEWLINK, encode({ ...pod, mtu: 1500, alias: '' })], [RTM_NEWLINK, encode(pod)]),
    settled,
    'in steps',
  );
  t.same(judge([RTM_DELLINK, encode(pod)]), changed, 'taken away by somebody');
  t.same(judge([RTM_NEWLINK, encode({ ...pod, alias: goneAlias })]), settled);
  t.same(judge([RTM_DELLINK, encode({ ...pod, alias: goneAlias })]), settled);
  const limiter: Link = { ...pod, ifindex: 8, name: limiterName('a'), alias: limiterAlias('a') };
  t.same(judge([RTM_NEWLINK, encode(limiter)]), settled, 'in which what a pod sends waits');
  t.same(judge([RTM_NEWLINK, encode({ ...limiter, mtu: 1500 })]), changed);
  t.same(judge([RTM_DELLINK, encode(limiter)]), changed);
  const port = encode({ ...bridge, mtu: 1400 });
  port.writeUInt8(7, 0);
  t.same(judge([RTM_NEWLINK, port]), { due: false, alarming: false }, 'as a port of a bridge (AF_BRIDGE)');
  t.end();
});

t.test('neighbours and routes', (t) => {
  const mac = '02:00:00:00:00:01';
  const neighbor = (ifindex: number, address: string, by = protocol): Buffer =>
    removeNeighbor({ ifindex, address, mac, protocol: by }).payload;
  const forwarding = (ifindex: number): Buffer =>
    removeFdb({ ifindex, mac, destination: '192.0.2.7' }).payload;
  const route = (destination: string, by = protocol): Buffer =>
    replaceRoute({ ifindex: 3, destination, onlink: false, protocol: by }).payload;
  for (const [payload, alarming] of [
    [neighbor(3, leased), true],
    [neighbor(3, '10.244.1.8'), false],
    [neighbor(3, '10.244.2.0'), true],
    [neighbor(2, leased), false],
    [neighbor(99, leased), false],
    [neighbor(3, leased, 0), false],
    [neighbor(3, 'ff02::16', 0), false],
    [neighbor(4, '10.244.2.0'), true],
    [forwarding(3), false],
    [forwarding(4), true],
  ] as const) {
    t.equal(judge([RTM_DELNEIGH, payload]).alarming, alarming);
    t.same(judge([RTM_NEWNEIGH, payload]), { due: false, alarming: false });
  }
  for (const [payload, alarming] of [
    [route('10.244.2.0/24'), true],
    [route('10.244.2.0/24', 4), false],
    [route(`${leased}/32`), true],
    [route('10.244.1.8/32'), false],
    [route('192.0.2.7/32'), true],
  ] as const) {
    t.equal(judge([RTM_DELROUTE, payload]).alarming, alarming);
    t.same(judge([RTM_NEWROUTE, payload]), { due: false, alarming: false });
  }
  t.end();
});

t.test('a flood of them is looked at as a whole', (t) => {
  const payload = removeNeighbor({
    ifindex: 99,
    address: leased,
    mac: '02:00:00:00:00:01',
    protocol,
  }).payload;
  const flood = (count: number) => Array.from({ length: count }, () => [RTM_DELNEIGH, payload] as const);
  t.notOk(judge(...flood(1000)).alarming);
  t.ok(judge(...flood(1001)).alarming);
  t.end();
});

t.test('anything else', (t) => {
  const RTM_DELADDR = 21;
  t.same(judge([RTM_DELADDR, Buffer.alloc(8)]), { due: true, alarming: true });
  for (const type of [RTM_NEWADDR, RTM_NEWCHAIN, RTM_DELCHAIN]) {
    t.same(judge([type, Buffer.alloc(8)]), { due: false, alarming: false });
  }
  t.end();
});
