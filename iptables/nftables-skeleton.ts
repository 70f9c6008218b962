import { families } from './family.ts';
import type { FamilyTraits } from './family.ts';
import {
  bankName,
  bankObjects,
  banks,
  classChain,
  classNumber,
  keepMark,
  keyExpression,
  splitClass,
  endpointMark,
  firstMark,
  table,
} from './nftables-banks.ts';
import type { Bank, EndpointClass } from './nftables-banks.ts';

/** One chain of the skeleton. */
export interface SkeletonChain {
  readonly name: string;
  /** `type … hook … priority …;` of a chain that the kernel calls; empty for the others. */
  readonly hook: string;
  readonly rules: readonly string[];
}

/** One set or map of the skeleton, with the body of its declaration. */
export interface SkeletonObject {
  readonly kind: 'set' | 'map';
  readonly name: string;
  readonly declaration: string;
}

const number = (value: number): string => `0x${value.toString(16)}`;

/** Sets and maps: all that changes with Services, nodes and ranges is an element of one of these. */
export function listObjects(): SkeletonObject[] {
  return [...families.flatMap(familyObjects), ...banks.flatMap(objectsOfBank)];
}

function familyObjects(traits: FamilyTraits): SkeletonObject[] {
  const { suffix, nftProtocol: ip } = traits;
  const port = 'meta l4proto . th dport';
  const client = clientKey(traits);
  const set = (name: string, type: string, flags = ''): SkeletonObject => ({
    kind: 'set',
    name: `${name}${suffix}`,
    declaration: `typeof ${type}; ${flags}`,
  });
  return [
    ...['cluster', 'service-ranges', 'pods', 'stays', 'nodeport-addresses'].map((name) =>
      set(name, `${ip} daddr`, 'flags interval;'),
    ),
    set('dns', `${ip} daddr`),
    set('hairpin', `${ip} saddr . ${ip} daddr`),
    set('far', `${ip} daddr . ${port}`),
    ...['rejected', 'dropped', 'restricted'].map((name) => set(name, `${ip} daddr . ${port}`)),
    set('allowed', `${ip} daddr . ${port} . ${ip} saddr`, 'flags interval;'),
    ...['rejected-nodeports', 'dropped-nodeports'].map((name) => set(name, port)),
    {
      kind: 'map',
      name: `affinity${suffix}`,
      declaration: `${client.type} : meta mark; size 262144; flags dynamic,timeout;`,
    },
  ];
}

function objectsOfBank(bank: Bank): SkeletonObject[] {
  const objects = bankObjects(bank);
  const key = keyExpression(bank);
  const { nftAddressType: address } = bank.traits;
  const keyType = `${bank.by === 'address' ? `${address} . ` : ''}inet_proto . inet_service`;
  const map = (name: string, types: string): SkeletonObject => ({
    kind: 'map',
    name,
    declaration: `${types};`,
  });
  return [
    map(objects.services, `typeof ${key} : meta mark`),
    map(objects.classes, 'type mark : verdict'),
    // Not by typeof: data of `typeof tcp dport` makes nft match tcp only, and it refuses `th dport` there.
    map(objects.endpoints, `type ${keyType} . mark : ${address} . inet_service`),
    map(objects.slots, `typeof ${key} . numgen random mod 65536 : meta mark`),
  ];
}

/** Chains that do not depend on anything. Packet walk: ARCHITECTURE.md. */
export function listChains(): SkeletonChain[] {
  return [...hookChains(), ...serviceChains(), ...postroutingChains(), ...blockedChains()];
}

function hookChains(): SkeletonChain[] {
  const notrack = forFamilies(({ suffix, nftProtocol: ip }) => [
    `${ip} daddr @dns${suffix} meta l4proto { tcp, udp } th dport 53 notrack`,
    `${ip} saddr @dns${suffix} meta l4proto { tcp, udp } th sport 53 notrack`,
  ]);
  const unmark = [
    `meta mark and ${number(endpointMark.mask)} == ${number(endpointMark.value)} meta mark set meta mark and ${number(keepMark)}`,
  ];
  const chain = (
    name: string,
    type: string,
    hook: string,
    priority: string,
    rules: string[],
  ): SkeletonChain => ({
    name,
    hook: `type ${type} hook ${hook} priority ${priority};`,
    rules,
  });
  return [
    chain('notrack-prerouting', 'filter', 'prerouting', 'raw', notrack),
    chain('notrack-output', 'filter', 'output', 'raw', notrack),
    chain('nat-prerouting', 'nat', 'prerouting', 'dstnat', ['jump services']),
    chain('nat-output', 'nat', 'output', '-100', ['jump services']),
    // Behind the rewriting and before the routing: nobody else shall meet our marks.
    chain('unmark-prerouting', 'filter', 'prerouting', 'dstnat + 1', unmark),
    chain('unmark-output', 'filter', 'output', '-99', unmark),
    chain('nat-postrouting', 'nat', 'postrouting', 'srcnat', [
      // Masquerading on loopback would take one of its addresses, the DNS address for one.
      'oifname "lo" return',
      'ct status dnat goto dnated',
      ...forFamilies(({ suffix, nftProtocol: ip }) => [`${ip} saddr @pods${suffix} goto leaving`]),
    ]),
    chain('filter-input', 'filter', 'input', 'filter', [
      // Through loopback the node's own client reaches the DNS address from that same address.
      ...forFamilies(({ suffix, nftProtocol: ip }) => [
        `${ip} daddr @dns${suffix} iifname != "lo" jump dns-only`,
      ]),
      'ct state new jump blocked',
    ]),
    chain('filter-forward', 'filter', 'forward', 'filter', [
      // A packet that conntrack does not understand is not rewritten back: the client must not see a pod's address.
      ...forFamilies(({ suffix, nftProtocol: ip }) => [
        `${ip} saddr @cluster${suffix} ct state invalid drop`,
        `${ip} daddr @service-ranges${suffix} ct state invalid drop`,
      ]),
      'ct state new jump blocked',
      ...rejectUnserved,
    ]),
    chain('filter-output', 'filter', 'output', 'filter', [
      'oifname "lo" return',
      'ct state new jump blocked',
      ...rejectUnserved,
    ]),
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

function splitChainName(traits: FamilyTraits, by: Bank['by']): string {
  return `split-${by === 'address' ? 'services' : 'nodeports'}${traits.suffix}`;
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
      name: 'blocked',
      hook: '',
      rules: [
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
      // Only port 53 (and ping) of the DNS address is for others: the node's other listeners are not.
      name: 'dns-only',
      hook: '',
      rules: [
        'meta l4proto { tcp, udp } th dport 53 accept',
        'meta l4proto { icmp, icmpv6 } return',
        'goto refuse',
      ],
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

function forFamilies(render: (traits: FamilyTraits) => readonly string[]): string[] {
  return families.flatMap(render);
}

/**
 * A client and the frontend it uses. nft 1.0.6 aborts on a map update whose key is longer than 16 bytes, so for IPv6 the
 * key is a hash of it: two clients that share one could only take turns at choosing anew.
 */
function clientKey({ family, nftProtocol: ip }: FamilyTraits): { expression: string; type: string } {
  const whole = `${ip} saddr . ${ip} daddr . meta l4proto . th dport`;
  if (family === 'ipv4') return { expression: whole, type: `typeof ${whole}` };
  // Declared like another 32-bit integer: nft 1.0.6 cannot list a map declared with jhash.
  return { expression: `jhash ${whole} mod 0xffffffff seed 0x5eed`, type: 'typeof numgen random mod 65536' };
}

/** The chain that chooses among `count` endpoints, the same for all frontends that have so many. */
export function renderClass(endpointClass: EndpointClass): SkeletonChain {
  const { bank, count, affinitySeconds } = endpointClass;
  const { endpoints, slots } = bankObjects(bank);
  const { nftProtocol: ip, suffix } = bank.traits;
  const key = keyExpression(bank);
  const mod = `numgen random mod ${String(count)}`;
  const dnat = `dnat ${ip} to ${key} . meta mark map @${endpoints}`;
  const name = classChain(endpointClass);
  if (affinitySeconds === 0) {
    return { name, hook: '', rules: [`meta mark set ${mod} offset ${number(firstMark(bank))}`, dnat] };
  }
  const client = clientKey(bank.traits).expression;
  const remember = `update @affinity${suffix} { ${client} timeout ${String(affinitySeconds)}s : meta mark }`;
  return {
    name,
    hook: '',
    rules: [
      'meta mark set 0',
      `meta mark set ${client} map @affinity${suffix}`,
      `meta mark != 0 ${remember}`,
      `meta mark != 0 ${dnat}`,
      // The endpoint is gone: its mark leads nowhere, and an update would refresh it instead of replacing it.
      `meta mark != 0 delete @affinity${suffix} { ${client} : meta mark }`,
      `meta mark set ${key} . ${mod} map @${slots}`,
      remember,
      dnat,
    ],
  };
}

/** Elements of the class maps that never change. */
export function listSplitElements(): {
  readonly object: string;
  readonly key: string;
  readonly value: string;
}[] {
  return banks
    .filter(({ view }) => view === 'main')
    .map((bank) => ({
      object: bankObjects(bank).classes,
      key: String(splitClass),
      value: `goto ${splitChainName(bank.traits, bank.by)}`,
    }));
}

export function classElement(endpointClass: EndpointClass): { object: string; key: string; value: string } {
  return {
    object: bankObjects(endpointClass.bank).classes,
    key: String(classNumber(endpointClass)),
    value: `goto ${classChain(endpointClass)}`,
  };
}

/** Declares objects and chains, and writes the chains' rules anew; elements stay as they are. */
export function renderSkeleton(): string {
  return [
    `add table ${table}`,
    ...listObjects().map(({ kind, name, declaration }) => `add ${kind} ${table} ${name} { ${declaration} }`),
    ...renderChains(listChains()),
  ].join('\n');
}

/** Lines that make chains hold exactly their rules. All chains are declared first: they jump to each other. */
export function renderChains(chains: readonly SkeletonChain[]): string[] {
  return [
    ...chains.map(({ name, hook }) => `add chain ${table} ${name}${hook === '' ? '' : ` { ${hook} }`}`),
    ...chains.map(({ name }) => `flush chain ${table} ${name}`),
    ...chains.flatMap(({ name, rules }) => rules.map((rule) => `add rule ${table} ${name} ${rule}`)),
  ];
}
