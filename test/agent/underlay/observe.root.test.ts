import { execFileSync } from 'node:child_process';
import t from 'tap';
import { findNodeAddresses } from '../../../agent/underlay/observe.ts';
import type { AddressWish } from '../../../agent/underlay/view.ts';
import { createNamespace, removeNamespace, runInNamespace } from '../../../netns/namespace.ts';
import { skipUnlessRoot } from '../../root.ts';

const namespace = `weft-test${process.pid}-vagrant`;

/**
 * A machine as Vagrant makes it: first the card with VirtualBox's NAT, which has the default route and the same
 * address in every machine, then the one of the network that the machines share.
 */
const vagrant = `
  ip link set lo up
  ip link add eth0 type bridge && ip link set eth0 up
  ip link add eth1 type bridge && ip link set eth1 up
  ip address add 10.0.2.15/24 dev eth0
  ip address add 192.168.56.11/24 dev eth1
  ip -6 address add fd17:625c:f037:2::f/64 dev eth0 nodad
  ip -6 address add fd00:56::dead/64 dev eth1 nodad preferred_lft 0
  ip -6 address add fd00:56::11/64 dev eth1 nodad
  ip route add default via 10.0.2.2 dev eth0
  ip route add 172.30.0.0/16 via 192.168.56.1 dev eth1
  ip -6 route add default via fd17:625c:f037:2::2 dev eth0`;

const nothing: AddressWish = {
  nodeIPs: [],
  nodeInterface: undefined,
  advertiseAddress: undefined,
  server: '127.0.0.1',
};

function find(wish: Partial<AddressWish>): readonly string[] {
  return runInNamespace(namespace, () => findNodeAddresses({ ...nothing, ...wish }));
}

if (skipUnlessRoot(t)) {
  t.before(() => {
    createNamespace(namespace).close();
    runInNamespace(namespace, () => execFileSync('sh', ['-ec', vagrant]));
  });
  t.teardown(() => removeNamespace(namespace));

  t.test("Vagrant's NAT, the first card with the default route, never wins by itself", (t) => {
    const shared = ['192.168.56.11', 'fd00:56::11'];
    t.same(find({ server: '192.168.56.12' }), shared, 'the server is on the shared network');
    t.same(find({ server: 'fd00:56::12' }), shared);
    t.same(find({ server: '172.30.0.1' }), shared, 'or behind a router of it');
    t.same(find({ server: '192.168.56.11' }), shared, 'this machine is the server');
    t.same(find({}), shared, 'and does not say by which address');
    t.same(find({ server: '203.0.113.1' }), shared, 'the server is behind the NAT: other nodes are not');
    t.end();
  });

  t.test('what the user says wins', (t) => {
    t.same(find({ nodeIPs: ['10.0.2.0/24'] }), ['10.0.2.15']);
    t.same(find({ nodeIPs: ['fd00:56::/32', '10.0.2.15'] }), ['fd00:56::11', '10.0.2.15']);
    t.same(find({ nodeInterface: 'eth0' }), ['10.0.2.15', 'fd17:625c:f037:2::f']);
    t.same(find({ nodeInterface: 'eth[1-9]' }), ['192.168.56.11', 'fd00:56::11']);
    t.same(find({ nodeInterface: 'wlan.*' }), []);
    t.end();
  });
}
