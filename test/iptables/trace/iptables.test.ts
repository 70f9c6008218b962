import t from 'tap';

import { RulesError } from '../../../iptables/error.ts';
import { parseIptablesSave } from '../../../iptables/trace/iptables.ts';
import { tracePacket } from '../../../iptables/trace/walk.ts';
import type { Packet } from '../../../iptables/trace/packet.ts';

// Who is who: 192.0.2.1 the node, 10.244.1.2 a pod behind weft0, 198.51.100.9 somebody outside.
const node = {
  addresses: ['192.0.2.1', '127.0.0.1'],
  deviceTo: (address: string) => (address.startsWith('10.244.1.') ? 'weft0' : 'eth0'),
};
const client: Packet = {
  source: '198.51.100.9',
  destination: '203.0.113.7',
  protocol: 'tcp',
  port: 80,
  device: 'eth0',
};

/** What becomes of a packet under rules in these chains of one table, besides the empty other tables. */
function trace(table: string, rules: string, packet: Partial<Packet> = {}, policy = 'ACCEPT'): string[] {
  const kernel = {
    nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
    filter: ['INPUT', 'FORWARD', 'OUTPUT'],
  };
  const lines = rules.trim().split(/\n\s*/);
  const chains = new Set(lines.map((line) => line.split(' ')[1] ?? ''));
  const called = kernel[table as 'nat' | 'filter'];
  const text = [
    `*${table}`,
    ...called.map((chain) => `:${chain} ${policy} [0:0]`),
    ...[...chains].filter((chain) => !called.includes(chain)).map((chain) => `:${chain} - [0:0]`),
    ...lines,
    'COMMIT',
  ].join('\n');
  const { outcomes } = tracePacket(parseIptablesSave(text, 'ipv4'), node, { ...client, ...packet });
  return outcomes.map(({ verdict, probability, address, port, masqueraded, answer = '' }) =>
    `${verdict} ${address}:${String(port)} ${String(probability)}${masqueraded ? ' masqueraded' : ''} ${answer}`.trim(),
  );
}

t.test('the first rule that decides is the last', (t) => {
  t.strictSame(trace('filter', '-A FORWARD -p tcp -j ACCEPT\n-A FORWARD -j DROP'), ['pass 203.0.113.7:80 1']);
  t.strictSame(trace('filter', '-A FORWARD -p udp -j ACCEPT\n-A FORWARD -j DROP'), ['drop 203.0.113.7:80 1']);
  t.strictSame(trace('filter', '-A INPUT -j DROP'), ['pass 203.0.113.7:80 1'], 'another hook');
  t.strictSame(
    trace('filter', '-A FORWARD -p udp -j ACCEPT', {}, 'DROP'),
    ['drop 203.0.113.7:80 1'],
    'the policy',
  );
  t.end();
});

t.test('jump comes back, goto goes on behind the caller of the caller', (t) => {
  const rules = (how: string): string =>
    `-A FORWARD -j A\n-A FORWARD -j DROP\n-A A ${how} B\n-A A -j REJECT --reject-with icmp-port-unreachable\n-A B -p tcp -j RETURN\n-A B -j ACCEPT`;
  t.strictSame(trace('filter', rules('-j')), ['reject 203.0.113.7:80 1 unreachable']);
  t.strictSame(trace('filter', rules('-g')), ['drop 203.0.113.7:80 1']);
  t.end();
});

t.test('matches', (t) => {
  const rows: readonly (readonly [match: string, fits: boolean])[] = [
    ['-d 0.0.0.7/0.0.0.15', true],
    ['-d 0.0.0.6/0.0.0.15', false],
    ['-d 203.0.113.0/24', true],
    ['! -d 203.0.113.0/24', false],
    ['-s 198.51.100.9/32 -p tcp -m tcp --dport 80', true],
    ['-p tcp -m tcp --dport 64:79', false],
    ['-p tcp -m tcp --dport 64:80', true],
    ['-p tcp -m tcp ! --dport 80', false],
    ['-p tcp -m tcp --sport 53', false],
    ['-p tcp -m multiport --dports 22,80:90', true],
    ['-p tcp -m multiport --dports 22,443', false],
    ['-i eth0', true],
    ['-i eth+', true],
    ['-i weft0', false],
    ['-o eth0', true],
    ['! -o lo', true],
    ['-m addrtype --dst-type LOCAL', false],
    ['-m addrtype ! --dst-type LOCAL', true],
    ['-m socket', false],
    ['-m rpfilter', true],
    ['-m rpfilter --validmark --invert', false],
    ['-m conntrack --ctstate NEW', true],
    ['-m conntrack --ctstate RELATED,ESTABLISHED', false],
    ['-m conntrack --ctstate DNAT', false],
    ['-m conntrack ! --ctstate DNAT', true],
    ['-m conntrack --ctorigdst 203.0.113.7', true],
    ['-m conntrack --ctorigdst 203.0.113.8', false],
    ['-m state --state NEW,ESTABLISHED', true],
    ['-m mark --mark 0x1/0x1', false],
    ['-m mark ! --mark 0x1/0x1', true],
    ['-m comment --comment "it says \\"-j DROP\\" here"', true],
    ['-m comment --comment -j', true],
    ['-m recent --update --seconds 60 --reap --name x --mask 255.255.255.255 --rsource', false],
    ['-m recent --set --name x --mask 255.255.255.255 --rsource', true],
    // Something else does not fit: what is not known does not matter.
    ['-d 192.0.2.99/32 -m set --match-set x src', false],
    ['-p udp -i unheard+', false],
  ];
  for (const [match, fits] of rows) {
    const [outcome = ''] = trace('filter', `-A FORWARD ${match} -j DROP`);
    t.equal(outcome.split(' ')[0], fits ? 'drop' : 'pass', match);
  }
  t.end();
});

t.test('a filter of routes', (t) => {
  const strict = '-A FORWARD -m rpfilter --validmark --invert -j DROP';
  const rows: readonly (readonly [rule: string, packet: Partial<Packet>, verdict: string, what: string])[] = [
    [strict, { device: 'weft0' }, 'drop', 'the way back is another one'],
    [strict.replace('rpfilter', 'rpfilter --loose'), { device: 'weft0' }, 'pass', 'but there is one'],
    [strict, { source: '10.244.1.2', device: 'weft0' }, 'pass', 'a pod'],
  ];
  for (const [rule, packet, verdict, what] of rows)
    t.match(trace('filter', rule, packet)[0], new RegExp(`^${verdict} `), what);
  t.end();
});

t.test('what is not known is an error that names it, if it matters', (t) => {
  const rows: readonly (readonly [rule: string, names: RegExp])[] = [
    ['-m set --match-set x src -j DROP', /match -m set --match-set, .*-A FORWARD -m set/],
    ['-m statistic --mode nth --every 2 --packet 0 -j DROP', /-m statistic --mode/],
    ['-m socket --transparent -j DROP', /-m socket --transparent/],
    ['-m rpfilter --accept-local -j DROP', /-m rpfilter --accept-local/],
    ['-m addrtype --dst-type BLACKHOLE -j DROP', /-m addrtype --dst-type/],
    ['-j TPROXY --on-port 1', /target TPROXY/],
    ['-j SOMEWHERE', /target SOMEWHERE/],
  ];
  for (const [rule, names] of rows)
    t.throws(() => trace('filter', `-A FORWARD ${rule}`), { code: 'UNREADABLE', message: names });
  t.throws(() => parseIptablesSave('what is this', 'ipv4'), RulesError);
  t.throws(() => trace('filter', '-A FORWARD -j A\n-A A -j FORWARD'), /round in circles/);
  t.throws(
    () => trace('filter', '-A FORWARD -i eth0 -j DROP', { device: undefined } as unknown as Packet),
    /not known whether the packet passes by the device eth0/,
  );
  t.end();
});

t.test('chances multiply', (t) => {
  const chance = '-m statistic --mode random --probability';
  const rules = `-A PREROUTING ${chance} 0.33333333349 -j DNAT --to-destination 10.244.1.2:1
    -A PREROUTING ${chance} 0.50000000000 -j DNAT --to-destination 10.244.1.2:2
    -A PREROUTING -j DNAT --to-destination 10.244.1.2:3`;
  const outcomes = trace('nat', rules);
  t.equal(outcomes.length, 3);
  for (const [index, outcome] of outcomes.toSorted().entries()) {
    const [verdict, endpoint, probability] = outcome.split(' ');
    t.equal(`${String(verdict)} ${String(endpoint)}`, `forward 10.244.1.2:${String(index + 1)}`);
    t.ok(Math.abs(Number(probability) - 1 / 3) < 1e-9, String(probability));
  }
  t.end();
});

t.test('rewriting', (t) => {
  const to = '-j DNAT --to-destination 10.244.1.2:8080';
  t.strictSame(trace('nat', `-A PREROUTING ${to}\n-A PREROUTING -j DNAT --to-destination 10.244.1.3:1`), [
    'forward 10.244.1.2:8080 1',
  ]);
  t.strictSame(trace('nat', `-A PREROUTING ${to}\n-A POSTROUTING -o weft0 -j MASQUERADE --random-fully`), [
    'forward 10.244.1.2:8080 1 masqueraded',
  ]);
  t.strictSame(trace('nat', `-A OUTPUT ${to}`), ['pass 203.0.113.7:80 1'], 'output is for the node itself');
  const fromNode = { source: '192.0.2.1' };
  t.strictSame(trace('nat', `-A OUTPUT ${to}\n-A POSTROUTING -o weft0 -j MASQUERADE`, fromNode), [
    'forward 10.244.1.2:8080 1 masqueraded',
  ]);
  t.strictSame(
    trace('nat', '-A POSTROUTING ! -o lo -j MASQUERADE\n-A PREROUTING -j DNAT --to-destination 10.0.0.1', {
      ...fromNode,
      destination: '127.0.0.9',
    }),
    ['pass 127.0.0.9:80 1'],
    'loopback comes in again, but whether to rewrite was decided on the way out',
  );
  t.end();
});

t.test('a mark leads to another rule', (t) => {
  const text = (
    mark: string,
  ): string => `*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j MARK --set-xmark ${mark}\nCOMMIT
*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -m mark --mark 0x1000/0x1000 -j DROP\nCOMMIT`;
  const verdict = (mark: string) =>
    tracePacket(parseIptablesSave(text(mark), 'ipv4'), node, client).outcomes[0]?.verdict;
  t.equal(verdict('0x1000/0x1000'), 'drop');
  t.equal(verdict('0x2000/0xffffffff'), 'pass');
  t.end();
});

t.test('rules are named as iptables-save prints them', (t) => {
  const text =
    '*filter\n:FORWARD ACCEPT [1:2]\n:A - [0:0]\n[3:4] -A FORWARD -j A\n[5:6] -A A -p tcp -j DROP\nCOMMIT';
  const [outcome] = tracePacket(parseIptablesSave(text, 'ipv4'), node, client).outcomes;
  t.strictSame(outcome?.steps, [
    { chain: 'filter FORWARD', rule: '-A FORWARD -j A', elements: [], decides: false },
    { chain: 'filter A', rule: '-A A -p tcp -j DROP', elements: [], decides: true },
  ]);
  t.strictSame(outcome?.decidedBy, outcome?.steps[1]);
  t.end();
});

t.test('what ufw and Docker write is understood', (t) => {
  const stopped = ['drop 203.0.113.7:80 1'];
  const passes = ['pass 203.0.113.7:80 1'];
  const rows: readonly (readonly [match: string, outcome: readonly string[]])[] = [
    ['-m limit --limit 3/min --limit-burst 10', stopped],
    ['-m icmp --icmp-type 8', passes],
    ['-m rt --rt-type 0', passes],
    ['-m physdev --physdev-is-bridged', passes],
    ['-m physdev ! --physdev-is-bridged', stopped],
    ['-m pkttype --pkt-type multicast', passes],
    ['-m pkttype --pkt-type unicast', stopped],
    ['-m addrtype --dst-type MULTICAST', passes],
    ['-m addrtype ! --dst-type MULTICAST', stopped],
    ['-m addrtype --dst-type BROADCAST', passes],
  ];
  for (const [match, outcome] of rows)
    t.strictSame(trace('filter', `-A FORWARD ${match} -j DROP`), outcome, match);
  const multicast = { destination: '224.0.0.251' };
  t.strictSame(trace('filter', '-A FORWARD -m addrtype --dst-type MULTICAST -j DROP', multicast), [
    'drop 224.0.0.251:80 1',
  ]);
  t.end();
});

t.test('what only writes a log line is passed over, whatever it looks at', (t) => {
  const logged = '-A FORWARD -m length --length 100 -j LOG --log-prefix "[UFW BLOCK] "\n-A FORWARD -j DROP';
  t.strictSame(trace('filter', logged), ['drop 203.0.113.7:80 1']);
  t.throws(() => trace('filter', '-A FORWARD -m length --length 100 -j DROP'), { code: 'UNREADABLE' });
  t.end();
});
