import t from 'tap';

import { parseNftListing } from '../../../iptables/trace/nftables.ts';
import type { Packet } from '../../../iptables/trace/packet.ts';
import { tracePacket } from '../../../iptables/trace/walk.ts';

// Who is who: 192.0.2.1 the node, 10.244.1.2 a pod, 198.51.100.9 somebody outside.
const node = { addresses: ['192.0.2.1'], deviceTo: () => 'eth0' };
const client: Packet = {
  source: '198.51.100.9',
  destination: '203.0.113.7',
  protocol: 'tcp',
  port: 80,
  device: 'eth0',
};

const here = { destination: '192.0.2.1' };

const table = { family: 'inet', table: 'weft' };
const payload = (protocol: string, field: string) => ({ payload: { protocol, field } });
const meta = (key: string) => ({ meta: { key } });
const mark = meta('mark');
const match = (left: unknown, right: unknown, op = '==') => ({ match: { op, left, right } });
const daddr = payload('ip', 'daddr');
const dport = payload('th', 'dport');
const drop = { drop: null };

interface Listing {
  /** Rules of the base chains, by `hook type`. */
  readonly [chain: string]: readonly (readonly unknown[])[];
}

/** What becomes of a packet under base chains with these rules, chains without a hook, and sets. */
function trace(chains: Listing, sets: readonly unknown[] = [], packet: Partial<Packet> = {}): string[] {
  const hooks: Readonly<Record<string, unknown>> = {
    forward: { type: 'filter', hook: 'forward', prio: 0, policy: 'accept' },
    closed: { type: 'filter', hook: 'forward', prio: 1, policy: 'drop' },
    prerouting: { type: 'nat', hook: 'prerouting', prio: -100, policy: 'accept' },
    marking: { type: 'filter', hook: 'prerouting', prio: -150, policy: 'accept' },
    raw: { type: 'filter', hook: 'prerouting', prio: -300, policy: 'accept' },
    postrouting: { type: 'nat', hook: 'postrouting', prio: 100, policy: 'accept' },
  };
  const entries = [
    { metainfo: { json_schema_version: 1 } },
    ...sets,
    ...Object.keys(chains).map((name) => ({ chain: { ...table, name, ...(hooks[name] ?? {}) } })),
    ...Object.entries(chains).flatMap(([chain, rules]) =>
      rules.map((expr) => ({ rule: { ...table, chain, expr } })),
    ),
  ];
  const listing = parseNftListing(JSON.stringify({ nftables: entries }));
  const { outcomes } = tracePacket(listing, node, { ...client, ...packet });
  return outcomes.map(({ verdict, probability, address, port, masqueraded, answer = '' }) =>
    `${verdict} ${address}:${String(port)} ${probability.toFixed(4)}${masqueraded ? ' masqueraded' : ''} ${answer}`.trim(),
  );
}

t.test('matches', (t) => {
  const rows: readonly (readonly [expression: unknown, fits: boolean])[] = [
    [match(daddr, '203.0.113.7'), true],
    [match(daddr, '203.0.113.8'), false],
    [match(daddr, '203.0.113.7', '!='), false],
    [match(daddr, { prefix: { addr: '203.0.112.0', len: 23 } }), true],
    [match(daddr, { range: ['203.0.113.8', '203.0.113.9'] }), false],
    [match(daddr, { set: ['203.0.113.8', '203.0.113.7'] }), true],
    // What the packet does not have is neither equal nor different.
    [match(payload('ip6', 'daddr'), 'fd00::1'), false],
    [match(payload('ip6', 'daddr'), 'fd00::1', '!='), false],
    [match(payload('udp', 'dport'), 80), false],
    [match(payload('tcp', 'dport'), { range: [64, 80] }), true],
    [match(dport, 443, '!='), true],
    [match(meta('l4proto'), { set: ['tcp', 'udp'] }), true],
    [match(meta('nfproto'), 'ipv6'), false],
    [match(meta('iifname'), 'eth0'), true],
    [match(meta('iifname'), 'weft*'), false],
    [match(meta('oifname'), 'lo', '!='), true],
    [match({ ct: { key: 'state' } }, ['established', 'new'], 'in'), true],
    [match({ ct: { key: 'state' } }, 'invalid', 'in'), false],
    [match({ ct: { key: 'status' } }, 'dnat', 'in'), false],
    [match({ fib: { result: 'type', flags: ['daddr'] } }, 'local'), false],
    [match({ fib: { result: 'type', flags: ['daddr'] } }, 'local', '!='), true],
    [match(mark, 0), true],
    [match({ '&': [mark, 4096] }, 4096), false],
  ];
  for (const [expression, fits] of rows) {
    const [outcome = ''] = trace({ forward: [[expression, drop]] });
    t.equal(outcome.split(' ')[0], fits ? 'drop' : 'pass', JSON.stringify(expression));
  }
  t.end();
});

t.test('sets and maps', (t) => {
  const key = { concat: [daddr, meta('l4proto'), dport] };
  const blocked = {
    set: {
      ...table,
      name: 'blocked',
      elem: [{ elem: { val: { concat: ['203.0.113.7', 'tcp', 80] }, comment: 'default/web' } }],
    },
  };
  const allowed = {
    set: {
      ...table,
      name: 'allowed',
      elem: [{ concat: ['203.0.113.7', { prefix: { addr: '198.51.100.0', len: 24 } }] }],
    },
  };
  t.match(trace({ forward: [[match(key, '@blocked'), drop]] }, [blocked]), [/^drop/]);
  t.match(trace({ forward: [[match(key, '@blocked'), drop]] }, [blocked], { port: 81 }), [/^pass/]);
  const pair = { concat: [daddr, payload('ip', 'saddr')] };
  t.match(trace({ forward: [[match(pair, '@allowed', '!='), drop]] }, [allowed]), [/^pass/]);
  t.match(trace({ forward: [[match(pair, '@allowed', '!='), drop]] }, [allowed], { source: '198.51.99.1' }), [
    /^drop/,
  ]);
  t.end();
});

t.test('a lookup that finds nothing ends the rule and leaves what came before', (t) => {
  const classes = { map: { ...table, name: 'classes', elem: [[7, { goto: { target: 'seven' } }]] } };
  const rules = (number: number): Listing => ({
    marking: [
      [{ mangle: { key: mark, value: number } }, { vmap: { key: mark, data: '@classes' } }],
      [match(mark, 8), { mangle: { key: mark, value: 9 } }],
    ],
    seven: [[{ mangle: { key: mark, value: 70 } }]],
    forward: [
      [match(mark, 70), drop],
      [match(mark, 9), { reject: { type: 'icmpx', expr: 'port-unreachable' } }],
    ],
  });
  t.match(trace(rules(7), [classes]), [/^drop/]);
  t.match(trace(rules(8), [classes]), [/^reject .* unreachable$/]);
  t.end();
});

t.test('numgen: every way has the same chance, also those that lead nowhere', (t) => {
  const endpoints = {
    map: {
      ...table,
      name: 'endpoints',
      elem: [
        [{ concat: [80, 100] }, { concat: ['10.244.1.2', 8080] }],
        [{ concat: [80, 101] }, { concat: ['10.244.1.3', 8080] }],
        [{ concat: [80, 102] }, { concat: ['10.244.1.3', 8080] }],
      ],
    },
  };
  const choose = (mod: number): Listing => ({
    prerouting: [
      [{ mangle: { key: mark, value: { numgen: { mode: 'random', mod, offset: 100 } } } }],
      [{ dnat: { family: 'ip', addr: { map: { key: { concat: [dport, mark] }, data: '@endpoints' } } } }],
    ],
    postrouting: [
      [match({ ct: { key: 'status' } }, 'dnat', 'in'), { masquerade: { flags: 'fully-random' } }],
    ],
  });
  t.strictSame(trace(choose(4), [endpoints]), [
    'forward 10.244.1.2:8080 0.2500 masqueraded',
    'forward 10.244.1.3:8080 0.5000 masqueraded',
    'pass 203.0.113.7:80 0.2500',
  ]);
  t.strictSame(
    trace({ ...choose(4), raw: [[{ notrack: null }]] }, [endpoints]),
    ['pass 203.0.113.7:80 1.0000'],
    'what is not tracked is not rewritten',
  );
  const socket = (key: string, value: number) => match({ socket: { key } }, value);
  for (const [key, value] of [
    ['wildcard', 0],
    ['transparent', 0],
  ] as const) {
    const raw = [[socket(key, value), { notrack: null }]];
    t.equal(
      trace({ ...choose(4), raw }, [endpoints]).length,
      3,
      `${key}: nobody listens on another node's address`,
    );
    t.equal(trace({ ...choose(4), raw }, [endpoints], here).length, 1, `${key}: somebody listens`);
  }
  const wild = [[socket('wildcard', 1), { notrack: null }]];
  t.equal(trace({ ...choose(4), raw: wild }, [endpoints], here).length, 3, 'on this very address');
  t.end();
});

t.test('another source by where the packet was sent first', (t) => {
  const sources = { map: { ...table, name: 'sources', elem: [['203.0.113.7', '10.244.1.1']] } };
  const key = { ct: { key: 'ip daddr', dir: 'original' } };
  const chains = {
    prerouting: [[{ dnat: { family: 'ip', addr: '10.244.2.1', port: 53 } }]],
    postrouting: [[{ snat: { family: 'ip', addr: { map: { key, data: '@sources' } } } }]],
  };
  t.strictSame(trace(chains, [sources]), ['forward 10.244.2.1:53 1.0000 masqueraded']);
  t.strictSame(trace(chains, [sources], { destination: '203.0.113.8' }), ['forward 10.244.2.1:53 1.0000']);
  t.end();
});

t.test('nobody is remembered yet', (t) => {
  const affinity = {
    map: {
      ...table,
      name: 'affinity',
      flags: ['timeout'],
      elem: [
        ['198.51.100.9', 5],
        [{ elem: { val: 1, expires: 3 } }, 6],
      ],
    },
  };
  const lookup = (key: unknown) => ({ mangle: { key: mark, value: { map: { key, data: '@affinity' } } } });
  const hash = { jhash: { mod: -1, seed: 1, expr: payload('ip', 'saddr') } };
  const remember = 'update @affinity { ip saddr timeout 1m : meta mark }';
  for (const key of [payload('ip', 'saddr'), hash]) {
    t.match(
      trace({ marking: [[lookup(key)], [remember]], forward: [[match(mark, 0, '!='), drop]] }, [affinity]),
      [/^pass/],
    );
  }
  t.end();
});

t.test('all base chains of a hook are called; a policy is for what nobody decided', (t) => {
  const accept = { accept: null };
  t.match(trace({ forward: [[accept]], closed: [] }), [/^drop/], 'accepted here, dropped behind');
  t.match(trace({ closed: [[match(dport, 80), accept]] }), [/^pass/]);
  t.match(trace({ closed: [[match(dport, 80), { jump: { target: 'x' } }]], x: [[{ return: null }]] }), [
    /^drop/,
  ]);
  t.end();
});

t.test('what is not known is an error that names it, if a packet comes to it', (t) => {
  const rows: readonly (readonly [expression: unknown, names: RegExp])[] = [
    [match(meta('cgroup'), 1), /expression .*cgroup.*inet weft forward/],
    [match(payload('tcp', 'flags'), 'syn'), /expression .*flags/],
    [match({ osf: { key: 'name' } }, 'Linux'), /osf/],
    [match({ fib: { result: 'type', flags: ['daddr'] } }, 'broadcast'), /type of address .*broadcast/],
    [match(daddr, '@nosuch'), /set .*@nosuch/],
    [{ queue: { num: 1 } }, /statement .*queue/],
    [{ quota: { val: 1 } }, /statement .*quota/],
    [{ mangle: { key: { ct: { key: 'mark' } }, value: 1 } }, /change of .*ct/],
  ];
  for (const [expression, message] of rows) {
    t.throws(() => trace({ forward: [[expression]] }), { code: 'UNREADABLE', message });
    t.match(trace({ forward: [[match(dport, 81), expression]] }), [/^pass/], 'nobody comes to it');
  }
  t.throws(() => parseNftListing('{}'), { code: 'UNREADABLE' });
  t.end();
});

t.test('what firewalls of others write is understood', (t) => {
  const fib = (...flags: string[]) => ({ fib: { result: 'oif', flags } });
  const rows: readonly (readonly [statement: unknown, fits: boolean])[] = [
    [match(payload('ip', 'protocol'), 'tcp'), true],
    [match(payload('ip', 'protocol'), 'udp'), false],
    [match(payload('ip6', 'nexthdr'), 'tcp'), false],
    [match(payload('icmp', 'type'), 'echo-request'), false],
    [match(payload('icmpv6', 'type'), { set: ['nd-neighbor-solicit'] }), false],
    [match(meta('pkttype'), { set: ['broadcast', 'multicast'] }), false],
    [match(meta('pkttype'), 'unicast'), true],
    [match(fib('saddr', 'mark', 'iif'), false), false],
    [match(fib('saddr', 'mark', 'iif'), true), true],
    [{ limit: { rate: 3, per: 'minute' } }, true],
    [{ limit: { rate: 3, per: 'minute', inv: true } }, false],
    [{ vmap: { key: meta('oifname'), data: { set: [['eth0', drop]] } } }, true],
    [{ vmap: { key: meta('iifname'), data: { set: [['weft0', drop]] } } }, false],
  ];
  for (const [statement, fits] of rows) {
    const outcome = fits ? 'drop 203.0.113.7:80 1.0000' : 'pass 203.0.113.7:80 1.0000';
    t.strictSame(trace({ forward: [[statement, drop]] }), [outcome], JSON.stringify(statement));
  }
  const spoofed = { device: 'eth1' };
  t.strictSame(
    trace({ forward: [[match(fib('saddr', 'iif'), false), drop]] }, [], spoofed),
    ['drop 203.0.113.7:80 1.0000'],
    'the way back is another one',
  );
  t.end();
});
