import t from 'tap';
import { chooseAddresses } from '../../../agent/underlay/choice.ts';
import type { AddressWish, Choice, HostView } from '../../../agent/underlay/view.ts';

/** eth0: Vagrant's NAT, of every machine the same. eth1: what the machines share. weft0: ours. */
const links = [
  { ifindex: 1, name: 'lo', alias: '' },
  { ifindex: 2, name: 'eth0', alias: '' },
  { ifindex: 3, name: 'eth1', alias: '' },
  { ifindex: 4, name: 'docker0', alias: '' },
  { ifindex: 5, name: 'weft0', alias: 'weft:bridge' },
];

type HostAddress = HostView['addresses'][number];

function on(ifindex: number, address: string, more: Partial<HostAddress> = {}): HostAddress {
  const prefix = address.includes(':') ? 64 : 24;
  return { ifindex, address, prefix, passive: false, tentative: false, secondary: false, ...more };
}

const vagrant: HostView = {
  links,
  addresses: [
    on(1, '127.0.0.1'),
    on(1, '10.96.0.10', { passive: true }),
    on(2, '10.0.2.15'),
    on(2, 'fd17:625c:f037:2::f'),
    on(2, 'fe80::2'),
    on(3, '192.168.56.11'),
    on(3, 'fe80::3'),
    on(4, '172.17.0.1'),
    on(5, '10.244.1.1'),
  ],
  toServer: [],
  ownServerIPs: [],
  toOthers: [
    { ifindex: 2, source: '10.0.2.15' },
    { ifindex: 2, source: 'fd17:625c:f037:2::f' },
  ],
};

/** A machine with one card of both families. */
const plain: HostView = {
  ...vagrant,
  addresses: [
    on(2, '192.0.2.1'),
    on(2, '192.0.2.100', { secondary: true }),
    on(2, '2001:db8::dead', { secondary: true }),
    on(2, '2001:db8::1'),
    on(3, '198.51.100.1'),
    on(3, '2001:db8:1::1', { tentative: true }),
    on(3, '2001:db8:2::1', { passive: true }),
  ],
  toOthers: [{ ifindex: 2, source: '192.0.2.1' }],
};

const nothing: AddressWish = {
  nodeIPs: [],
  nodeInterface: undefined,
  advertiseAddress: undefined,
  server: '127.0.0.1',
};

function choose(host: Partial<HostView>, wish: Partial<AddressWish> = {}, current: string[] = []): Choice {
  return chooseAddresses({ ...nothing, ...wish }, { ...vagrant, ...host }, current);
}

t.test('without a word: the link that leads to the server, whatever comes first', (t) => {
  const toServer = [{ ifindex: 3, source: '192.168.56.11' }];
  t.same(choose({ toServer }), {
    addresses: ['192.168.56.11'],
    ifindex: 3,
    found: 'on eth1, which leads to the server',
  });
  t.same(choose({ ...plain, toServer: [{ ifindex: 2, source: '192.0.2.1' }] }).addresses, [
    '192.0.2.1',
    '2001:db8::1',
  ]);
  const away = [{ ifindex: 3, source: '198.51.100.1' }];
  t.same(choose({ ...plain, toServer: away }).addresses, ['198.51.100.1'], 'one link, with what it has');
  t.end();
});

t.test('on the server itself', (t) => {
  const own = choose({ ownServerIPs: ['192.168.56.11'] });
  t.match(own, { addresses: ['192.168.56.11'], found: "on eth1, which has the server's address" });
  t.same(choose({}, { advertiseAddress: '192.168.56.11' }).addresses, ['192.168.56.11']);
  t.match(choose({}), { addresses: ['192.168.56.11'], problem: undefined }, 'no NAT where there is another');
  t.match(choose(plain), {
    addresses: ['192.0.2.1', '2001:db8::1'],
    found: 'on eth0, which has the default route',
  });
  t.match(choose({ ...plain, toOthers: [] }), { addresses: ['192.0.2.1', '2001:db8::1'] });
  t.end();
});

t.test('a NAT that every machine has is the last resort, and is told of', (t) => {
  const addresses = vagrant.addresses.filter(({ ifindex }) => ifindex !== 3);
  const toServer = [{ ifindex: 2, source: '10.0.2.15' }];
  t.match(choose({ addresses, toServer }), {
    addresses: ['10.0.2.15', 'fd17:625c:f037:2::f'],
    problem: /every VirtualBox or QEMU machine has; set nodeIPs/,
  });
  t.same(choose({ toServer }).addresses, ['192.168.56.11'], 'also before one that leads to the server');
  t.match(
    choose({}, { nodeIPs: ['10.0.2.15'] }),
    { addresses: ['10.0.2.15'], problem: undefined },
    'but not a wish',
  );
  t.end();
});

t.test('nodeIPs: addresses, and ranges of each family', (t) => {
  t.match(choose({}, { nodeIPs: ['192.168.56.11'] }), {
    addresses: ['192.168.56.11'],
    ifindex: 3,
    problem: undefined,
  });
  t.match(choose({}, { nodeIPs: ['192.168.0.0/16'] }), { addresses: ['192.168.56.11'], ifindex: 3 });
  t.same(choose(plain, { nodeIPs: ['2001:db8::/32', '198.51.100.0/24'] }).addresses, [
    '2001:db8::1',
    '198.51.100.1',
  ]);
  t.match(choose({}, { nodeIPs: ['10.0.0.0/8', 'fd00:1::/32'] }), {
    addresses: ['10.0.2.15'],
    problem: 'this machine has no address fd00:1::/32; correct nodeIPs',
  });
  const explicit = choose({}, { nodeIPs: ['203.0.113.1'] });
  t.match(
    explicit,
    { addresses: ['203.0.113.1'], problem: /has no address 203\.0\.113\.1/ },
    'it may come back',
  );
  t.notOk('ifindex' in explicit);
  t.same(choose({}, { nodeIPs: ['10.244.0.0/16'] }).addresses, [], 'our own bridge is nothing to stand on');
  t.end();
});

t.test('nodeInterface: the first link of that name which has addresses', (t) => {
  t.match(choose({}, { nodeInterface: 'eth1' }), {
    addresses: ['192.168.56.11'],
    found: 'on eth1, by nodeInterface',
  });
  t.same(choose({}, { nodeInterface: 'eth|docker0' }).addresses, ['172.17.0.1'], 'the whole name, any link');
  t.same(choose({}, { nodeInterface: 'en.*|eth[1-9]' }).addresses, ['192.168.56.11']);
  t.match(choose({}, { nodeInterface: 'bond0' }), { addresses: [], problem: /no link is called bond0/ });
  t.match(choose({ addresses: [] }, { nodeInterface: 'eth1' }), {
    addresses: [],
    problem: /link eth1 has no address/,
  });
  t.same(choose({}, { nodeInterface: 'eth1', nodeIPs: ['0.0.0.0/0'] }).addresses, ['192.168.56.11'], 'both');
  t.end();
});

t.test('of several addresses of a link the one in use stays', (t) => {
  const addresses = [
    on(3, '192.168.56.1'),
    on(3, '192.168.56.2'),
    on(3, '192.168.57.9', { secondary: true }),
  ];
  const host = { addresses, toServer: [{ ifindex: 3 }] };
  t.same(choose(host).addresses, ['192.168.56.1']);
  t.same(choose(host, {}, ['192.168.56.2']).addresses, ['192.168.56.2']);
  t.same(choose(host, { nodeIPs: ['192.168.0.0/16'] }, ['192.168.56.2']).addresses, ['192.168.56.2']);
  t.same(choose(host, {}, ['192.168.57.9']).addresses, ['192.168.56.1'], 'not one of second rank');
  const bySource = { ...host, toServer: [{ ifindex: 3, source: '192.168.56.2' }] };
  t.same(choose(bySource).addresses, ['192.168.56.2'], 'the one that the kernel would take');
  t.same(choose(bySource, {}, ['192.168.56.1']).addresses, ['192.168.56.1'], 'but none is left for that');
  t.end();
});

t.test('a machine without an address says so', (t) => {
  t.match(choose({ addresses: [], toOthers: [] }), { addresses: [], problem: /no link has an address/ });
  t.end();
});
