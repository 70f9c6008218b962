import { families } from './family.ts';
import type { FamilyTraits } from './family.ts';
import {
  bankName,
  bankObjects,
  banks,
  endpointMark,
  keepMark,
  keyExpression,
  splitChainName,
  table,
} from './nftables-banks.ts';
import type { Bank } from './nftables-banks.ts';
import type { NodeSettings } from './model.ts';
import { forFamilies, hook } from './nftables-chain.ts';
import type { SkeletonChain } from './nftables-chain.ts';
import { listDnsChains } from './nftables-dns.ts';
import { listObjects } from './nftables-objects.ts';

const number = (value: number): string => `0x${value.toString(16)}`;

/** What the chains depend on: nothing that changes while an agent runs. */
type ChainOptions = Pick<NodeSettings, 'dnsFallback' | 'vxlanPort'>;

/** Chains that are the same whatever Services there are. Packet walk: ARCHITECTURE.md. */
export function listChains({ dnsFallback = false, vxlanPort }: ChainOptions): SkeletonChain[] {
  return [
    ...listDnsChains(dnsFallback),
    ...natHooks(),
    ...filterHooks(vxlanPort),
    ...serviceChains(),
    ...postroutingChains(),
    ...blockedChains(),
  ];
}

function natHooks(): SkeletonChain[] {
  const unmark = [
    `meta mark and ${number(endpointMark.mask)} == ${number(endpointMark.value)} meta mark set meta mark and ${number(keepMark)}`,
  ];
  return [
    hook('nat-prerouting', 'nat', 'prerouting', 'dstnat', ['jump services']),
    hook('nat-output', 'nat', 'output', '-100', ['jump services']),
    // Behind the rewriting and before the routing: nobody else shall meet our marks.
    hook('unmark-prerouting', 'filter', 'prerouting', 'dstnat + 1', unmark),
    hook('unmark-output', 'filter', 'output', '-99', unmark),
    hook('nat-postrouting', 'nat', 'postrouting', 'srcnat', [
      // Masquerading on loopback would take one of its addresses, the DNS address for one.
      'oifname "lo" return',
      'ct status dnat goto dnated',
      ...forFamilies(({ suffix, nftProtocol: ip }) => [`${ip} saddr @pods${suffix} goto leaving`]),
    ]),
  ];
}

function filterHooks(vxlanPort: number | undefined): SkeletonChain[] {
  // To conntrack each vxlan packet is new, as answers have other ports: it would be looked up among the Services.
  const tunnel = vxlanPort === undefined ? [] : [`udp dport ${String(vxlanPort)}`];
  return [
    hook('filter-input', 'filter', 'input', 'filter', [
      // Through loopback the node's own client reaches the DNS address from that same address.
      ...forFamilies(({ suffix, nftProtocol: ip }) => [
        `${ip} daddr @dns${suffix} iifname != "lo" jump dns-only`,
      ]),
      ...forFamilies(({ nftProtocol: ip, loopback }) => [
        `${ip} daddr ${loopback} iifname != "lo" jump localnet`,
      ]),
      ...tunnel.map((match) => `${match} return`),
      'ct state invalid jump invalid',
      'ct state new jump blocked',
    ]),
    hook('filter-forward', 'filter', 'forward', 'filter', [
      // Most packets: nothing below is about them.
      'ct state established,related return',
      'ct state invalid jump invalid',
      'ct state new jump blocked',
      ...rejectUnserved,
    ]),
    hook('filter-output', 'filter', 'output', 'filter', [
      'oifname "lo" return',
      ...tunnel.map((match) => `${match} goto tunnel`),
      'ct state new jump blocked',
      ...rejectUnserved,
    ]),
    // What a node process sends to that port of a Service is no tunnel's.
    ...tunnel.map(() => ({ name: 'tunnel', hook: '', rules: rejectUnserved })),
  ];
}

/** Behind the rewriting no destination is a Service address any more, unless nobody serves it. */
const rejectUnserved = forFamilies(({ suffix, nftProtocol: ip }) => [
  `${ip} daddr @service-ranges${suffix} goto refuse`,
]);

function serviceChains(): SkeletonChain[] {
  return [
    {
      name: 'services',
      hook: '',
      rules: [
        ...forFamilies((traits) => [
          `${restrictedMatch(traits)} return`,
          lookup(bankName(traits, 'main', 'address')),
        ]),
        ...forFamilies(notNodePorts),
        'fib daddr type local jump nodeports',
      ],
    },
    {
      name: 'nodeports',
      hook: '',
      rules: forFamilies((traits) => [
        `${traits.nftProtocol} daddr @nodeport-addresses${traits.suffix} ${lookup(bankName(traits, 'main', 'port'))}`,
      ]),
    },
    ...families.flatMap((traits) => (['address', 'port'] as const).map((by) => splitChain(traits, by))),
  ];
}

/** externalTrafficPolicy Local: who is on this node may use every endpoint, who is not only those here. */
function splitChain(traits: FamilyTraits, by: Bank['by']): SkeletonChain {
  const inside = lookup(bankName(traits, 'inside', by));
  return {
    name: splitChainName(traits, by),
    hook: '',
    rules: [
      // A lookup that finds nothing leaves the mark as it is.
      'meta mark set 0',
      `${traits.nftProtocol} saddr @pods${traits.suffix} ${inside}`,
      `fib saddr type local ${inside}`,
      `${traits.nftProtocol} saddr @pods${traits.suffix} return`,
      'fib saddr type local return',
      lookup(bankName(traits, 'outside', by)),
    ],
  };
}

function postroutingChains(): SkeletonChain[] {
  return [
    {
      name: 'dnated',
      hook: '',
      rules: [
        ...forFamilies(({ suffix, nftProtocol: ip }) => [
          `${ip} saddr . ${ip} daddr @hairpin${suffix} masquerade fully-random`,
          `${ip} saddr @pods${suffix} goto leaving`,
        ]),
        `meta mark and ${number(keepMark)} == ${number(keepMark)} return`,
        ...forFamilies(({ suffix, nftProtocol: ip }) => [
          `snat ${ip} to ct original ${ip} daddr map @dns-source${suffix} fully-random`,
        ]),
        // Answers must come back through this node, which alone can undo the rewriting.
        ...forFamilies(({ suffix, nftProtocol: ip }) => [
          `${ip} daddr @cluster${suffix} masquerade fully-random`,
          `${ip} daddr . meta l4proto . th dport @far${suffix} masquerade fully-random`,
        ]),
      ],
    },
    {
      name: 'leaving',
      hook: '',
      rules: [
        ...forFamilies(({ suffix, nftProtocol: ip }) => [`${ip} daddr @stays${suffix} return`]),
        'masquerade fully-random',
      ],
    },
  ];
}

function blockedChains(): SkeletonChain[] {
  return [
    {
      // What conntrack does not understand is not rewritten back: a client that met the endpoint's address, or this
      // node in its place, would answer with a reset and end a sound connection.
      name: 'invalid',
      hook: '',
      rules: forFamilies(({ suffix, nftProtocol: ip }) => [
        `${ip} saddr @cluster${suffix} drop`,
        `${ip} daddr @service-ranges${suffix} drop`,
        `${ip} saddr . meta l4proto . th sport @far${suffix} drop`,
      ]),
    },
    {
      // 127.0.0.1 leads to ports of pods, for which the pod bridge lets its addresses pass (route_localnet): answers only.
      name: 'localnet',
      hook: '',
      rules: ['ct state established,related return', 'ct status dnat return', 'drop'],
    },
    {
      name: 'blocked',
      hook: '',
      rules: [
        // Where a connection was led to a backend, its Service is not blocked.
        'ct status dnat return',
        ...forFamilies((traits) => {
          const key = `${traits.nftProtocol} daddr . meta l4proto . th dport`;
          return [
            `${restrictedMatch(traits)} drop`,
            `${key} @dropped${traits.suffix} drop`,
            `${key} @rejected${traits.suffix} goto refuse`,
          ];
        }),
        ...forFamilies(notNodePorts),
        'fib daddr type local goto blocked-nodeports',
      ],
    },
    {
      name: 'blocked-nodeports',
      hook: '',
      rules: forFamilies(({ suffix, nftProtocol: ip }) => [
        `${ip} daddr @nodeport-addresses${suffix} meta l4proto . th dport @dropped-nodeports${suffix} drop`,
        `${ip} daddr @nodeport-addresses${suffix} meta l4proto . th dport @rejected-nodeports${suffix} goto refuse`,
      ]),
    },
    {
      name: 'refuse',
      hook: '',
      rules: ['meta l4proto tcp reject with tcp reset', 'reject with icmpx port-unreachable'],
    },
  ];
}

/** loadBalancerSourceRanges: the frontend has a list and this source is not on it. */
function restrictedMatch({ suffix, nftProtocol: ip }: FamilyTraits): string {
  const key = `${ip} daddr . meta l4proto . th dport`;
  return `${key} @restricted${suffix} ${key} . ${ip} saddr != @allowed${suffix}`;
}

/** A NodePort is served on the node's addresses, but not where pods, Services or the node itself have theirs. */
function notNodePorts({ suffix, nftProtocol: ip, loopback }: FamilyTraits): string[] {
  return [
    ...['service-ranges', 'cluster', 'dns'].map((set) => `${ip} daddr @${set}${suffix} return`),
    `${ip} daddr ${loopback} return`,
  ];
}

/** Finds the frontend's class and goes to the class's chain; goes on behind when there is none. */
function lookup(name: string): string {
  const bank = banks.find((each) => each.name === name);
  if (!bank) throw new TypeError(`no such bank: ${name}`);
  const { services, classes } = bankObjects(bank);
  const dependency = bank.by === 'port' ? `meta nfproto ${bank.traits.family} ` : '';
  return `${dependency}meta mark set ${keyExpression(bank)} map @${services} meta mark vmap @${classes}`;
}

/** Lines that declare the table, its objects and the chains that others go to; none of it acts on any packet yet. */
export function renderDeclarations(options: ChainOptions): string[] {
  return [
    `add table ${table} { comment "Services, by weft"; }`,
    ...listObjects().map(
      ({ kind, name, declaration, comment }) =>
        `add ${kind} ${table} ${name} { ${declaration} comment "${comment}"; }`,
    ),
    ...listChains(options)
      .filter(({ hook: at }) => at === '')
      .map(({ name }) => `add chain ${table} ${name}`),
  ];
}
