import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import * as address from '../../netns/address.ts';
import type { Link } from '../../netns/link.ts';
import * as link from '../../netns/link.ts';
import {
  createNamespace,
  listNamespaces,
  openNamespace,
  removeNamespace,
  runInNamespace,
} from '../../netns/namespace.ts';
import * as neighbor from '../../netns/neighbor.ts';
import { NetlinkMonitor, NetlinkSocket, RTMGRP_LINK, RTMGRP_NEIGH } from '../../netns/netlink.ts';
import * as route from '../../netns/route.ts';
import { skipUnlessRoot } from '../root.ts';

const name = `weft-test${process.pid}`;
const peerName = `${name}-peer`;

/** What iproute2 says, never our own reader. */
function ip(namespace: string, ...args: string[]): Record<string, unknown>[] {
  const text = runInNamespace(namespace, () => execFileSync('ip', ['-j', ...args], { encoding: 'utf8' }));
  return JSON.parse(text || '[]') as Record<string, unknown>[];
}

if (skipUnlessRoot(t)) {
  t.before(() => {
    createNamespace(name).close();
    createNamespace(peerName).close();
  });
  t.teardown(() => {
    removeNamespace(name);
    removeNamespace(peerName);
  });

  t.test('links', (t) => {
    using socket = new NetlinkSocket({ namespace: name });
    socket.request([
      link.createLink('bridge0', { kind: 'bridge' }, { mac: '02:00:5e:00:53:01', mtu: 1400 }),
      link.setLink('bridge0', { alias: 'weft:test', linkLocal: false }),
      link.setLink('bridge0', { up: true }),
    ]);
    const bridge = link.getLink(socket, 'bridge0');
    const vxlan = { vni: 7, port: 4789, local: 'fd00::1' };
    using peer = new NetlinkSocket({ namespace: peerName });
    using namespace = openNamespace(peerName);
    socket.request([
      link.createLink('veth0', {
        kind: 'veth',
        peer: { name: 'eth0', namespaceFd: namespace.fd, mtu: 1400 },
      }),
      link.setLink('veth0', { master: bridge.ifindex, group: 5, mtu: 1400 }),
      link.setLink('veth0', { up: true, isolated: true }),
      link.createLink('vxlan0', { kind: 'vxlan', vxlan }),
    ]);
    t.match(ip(name, '-d', 'link', 'show', 'bridge0'), [
      {
        address: '02:00:5e:00:53:01',
        mtu: 1400,
        ifalias: 'weft:test',
        inet6_addr_gen_mode: 'none',
        linkinfo: { info_kind: 'bridge', info_data: { mcast_snooping: 0 } },
      },
    ]);
    t.match(ip(name, '-d', 'link', 'show', 'veth0'), [
      { master: 'bridge0', group: '5', linkinfo: { info_slave_data: { isolated: true } } },
    ]);
    t.match(ip(name, '-d', 'link', 'show', 'vxlan0'), [
      { linkinfo: { info_data: { id: 7, port: 4789, local6: 'fd00::1', learning: false } } },
    ]);
    t.match(ip(peerName, 'link', 'show', 'eth0'), [{ mtu: 1400 }]);
    const listed = new Map(link.listLinks(socket).map((item) => [item.name, item]));
    const expected: [string, Partial<Link>][] = [
      ['bridge0', { kind: 'bridge', mtu: 1400, alias: 'weft:test', up: true, linkLocal: false }],
      [
        'veth0',
        { kind: 'veth', master: bridge.ifindex, group: 5, isolated: true, up: true, linkLocal: true },
      ],
      ['vxlan0', { kind: 'vxlan', vxlan, up: false }],
    ];
    for (const [which, fields] of expected) t.match(listed.get(which), fields, which);
    socket.request([link.setLink('veth0', { master: 0, up: false }), link.removeLinkGroup(5)]);
    t.same(
      link.listLinks(peer).map((item) => item.name),
      ['lo'],
      'the group went, and its other ends',
    );
    socket.request([link.removeLink('vxlan0'), link.removeLink(bridge.ifindex)]);
    t.end();
  });

  t.test('errors carry what was asked and what the kernel said', (t) => {
    using socket = new NetlinkSocket({ namespace: name });
    t.throws(() => link.getLink(socket, 'nothing'), {
      name: 'KernelError',
      code: 'ENODEV',
      syscall: 'RTM_GETLINK',
      message: 'RTM_GETLINK nothing: no such device (ENODEV)',
    });
    const onNoLink = { ifindex: 9999, address: '192.0.2.1', prefix: 32, protocol: 117, passive: false };
    t.throws(() => socket.request([address.ensureAddress(onNoLink)]), {
      code: 'ENODEV',
      message: /192\.0\.2\.1\/32 on link 9999: .*[Dd]evice not found/,
    });
    const answers = socket.attempt([
      link.removeLink('nothing'),
      link.createLink('after', { kind: 'bridge' }),
      link.createLink('after', { kind: 'bridge' }),
    ]);
    t.same(
      answers.map((answer) => answer?.code),
      ['ENODEV', undefined, 'EEXIST'],
      'one that fails does not stop the others',
    );
    socket.request([link.removeLink('after')]);
    t.end();
  });

  t.test('more requests than one send carries, and their listing', (t) => {
    using socket = new NetlinkSocket({ namespace: name });
    socket.request([link.createLink('bridge0', { kind: 'bridge' }), link.setLink('bridge0', { up: true })]);
    const { ifindex } = link.getLink(socket, 'bridge0');
    const numbers = Array.from({ length: 250 }, (_, i) => i);
    const shared = { ifindex, protocol: 117 };
    socket.request(
      numbers.flatMap((i) => [
        route.createRoute({ ...shared, destination: `10.9.${i}.0/24`, onlink: false }),
        route.createRoute({ ...shared, destination: `fd00:9:${i}::/64`, onlink: false }),
        neighbor.ensureNeighbor({ ...shared, address: `10.9.${i}.1`, mac: '02:00:5e:00:53:09' }),
      ]),
    );
    t.equal(ip(name, 'route', 'show', 'proto', '117').length, 250);
    t.equal(ip(name, '-6', 'route', 'show', 'proto', '117').length, 250);
    t.equal(route.listRoutes(socket, 117).length, 500);
    t.equal(route.listRoutes(socket, 118).length, 0, 'of that protocol only');
    const narrow = { ...shared, destination: '10.9.3.0/24', onlink: false, mtu: 1350 };
    socket.request([route.replaceRoute(narrow)]);
    t.match(ip(name, 'route', 'show', '10.9.3.0/24'), [{ metrics: [{ mtu: 1350 }] }]);
    t.same(
      route.listRoutes(socket, 117).filter(({ mtu }) => mtu !== undefined),
      [narrow],
    );
    const neighbors = neighbor.listNeighbors(socket, ifindex);
    t.equal(neighbors.length, 250);
    t.equal(ip(name, 'neigh', 'show', 'dev', 'bridge0', 'nud', 'permanent').length, 250);
    socket.request([
      ...route.listRoutes(socket, 117).map(route.removeRoute),
      ...neighbors.map(neighbor.removeNeighbor),
    ]);
    t.equal(ip(name, 'route', 'show', 'proto', '117').length, 0);
    t.equal(ip(name, 'neigh', 'show', 'dev', 'bridge0', 'nud', 'permanent').length, 0);
    socket.request([link.removeLink('bridge0')]);
    t.end();
  });

  t.test('a passive address is answered on and never chosen', (t) => {
    using socket = new NetlinkSocket({ namespace: name });
    socket.request([link.setLink('lo', { up: true })]);
    const shared = { ifindex: 1, protocol: 117, passive: true };
    const passive = [
      { ...shared, address: '10.96.0.10', prefix: 32 },
      { ...shared, address: 'fd00:10:96::a', prefix: 128 },
    ];
    socket.request(passive.map(address.ensureAddress));
    socket.request(passive.map(address.ensureAddress));
    t.match(ip(name, '-4', 'address', 'show', 'lo'), [
      { addr_info: [{}, { local: '10.96.0.10', scope: 'host' }] },
    ]);
    t.match(JSON.stringify(ip(name, '-6', 'address', 'show', 'lo')), /"fd00:10:96::a".*"deprecated":true/);
    const listed = address.listAddresses(socket).filter(({ protocol }) => protocol === 117);
    const settled = { tentative: false, secondary: false };
    t.same(
      listed,
      passive.map((each) => ({ ...each, ...settled })),
    );
    socket.request(listed.map(address.removeAddress));
    t.notMatch(JSON.stringify(ip(name, 'address', 'show', 'lo')), /10\.96\.0\.10|fd00/);
    t.end();
  });

  t.test('what keeps an address from being used is told', (t) => {
    ip(name, 'link', 'add', 'lan', 'type', 'bridge');
    ip(name, 'address', 'add', '192.0.2.1/24', 'dev', 'lan');
    ip(name, 'address', 'add', '192.0.2.2/24', 'dev', 'lan');
    // On a link that is down nothing can be proved to be unique.
    ip(name, 'address', 'add', '2001:db8::1/64', 'dev', 'lan');
    ip(name, 'address', 'add', '2001:db8::2/64', 'dev', 'lan', 'nodad');
    using socket = new NetlinkSocket({ namespace: name });
    const { ifindex } = link.getLink(socket, 'lan');
    const listed = address.listAddresses(socket).filter((each) => each.ifindex === ifindex);
    const facts = listed.map((each) => [each.address, each.secondary, each.tentative]);
    t.same(facts.sort(), [
      ['192.0.2.1', false, false],
      ['192.0.2.2', true, false],
      ['2001:db8::1', false, true],
      ['2001:db8::2', false, false],
    ]);
    ip(name, 'link', 'delete', 'lan');
    t.end();
  });

  t.test('notifications, also after more than the socket can hold', async (t) => {
    const seen: number[] = [];
    let overruns = 0;
    using _ = new NetlinkMonitor({
      namespace: name,
      groups: RTMGRP_LINK | RTMGRP_NEIGH,
      onMessage: (type) => seen.push(type),
      onOverrun: () => (overruns += 1),
    });
    using socket = new NetlinkSocket({ namespace: name });
    const toggle = async (): Promise<void> => {
      seen.length = 0;
      socket.request([link.createLink('bridge0', { kind: 'bridge' }), link.setLink('bridge0', { up: true })]);
      for (let i = 0; i < 50 && !seen.includes(link.RTM_NEWLINK); i += 1) await sleep(10);
      t.ok(seen.includes(link.RTM_NEWLINK), 'heard of the new link');
    };
    await toggle();
    const { ifindex } = link.getLink(socket, 'bridge0');
    const entry = { ifindex, address: '10.9.0.1', mac: '02:00:5e:00:53:09', protocol: 117 };
    const flood = Array.from({ length: 1000 }, (_unused, i) =>
      neighbor.ensureNeighbor({ ...entry, mac: i % 2 === 0 ? entry.mac : '02:00:5e:00:53:0a' }),
    );
    // Nobody reads while this runs: the loop is held until the receive buffer is full.
    for (let i = 0; i < 60; i += 1) socket.request(flood);
    for (let i = 0; i < 100 && overruns === 0; i += 1) await sleep(10);
    t.ok(overruns > 0, 'the loss is told');
    socket.request([link.removeLink('bridge0')]);
    await sleep(50);
    await toggle();
    socket.request([link.removeLink('bridge0')]);
  });

  t.test('nothing is left behind', (t) => {
    removeNamespace(name);
    removeNamespace(peerName);
    t.same(listNamespaces(name), []);
    t.end();
  });
}
