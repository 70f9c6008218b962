import { comment, keepSourceMark, ofFamily } from './iptables-rules.ts';
import type { Rule } from './iptables-rules.ts';
import { dnsDeafSeconds, protocols } from './model.ts';
import type { EndpointKey } from './endpoint-index.ts';
import type { FamilyTraits } from './family.ts';
import type { NodeSettings } from './model.ts';

export const tables = ['raw', 'filter', 'nat'] as const;
export type Table = (typeof tables)[number];

/** A rule in a chain of the kernel's that jumps into one of ours. */
export interface Hook {
  readonly chain: string;
  readonly rule: Rule;
}

/** The jumps from the kernel's chains into ours: each is there once, put first when missing. */
export const hooks: Readonly<Record<Table, readonly Hook[]>> = {
  raw: [hook('PREROUTING', 'WEFT-NOTRACK'), hook('OUTPUT', 'WEFT-NOTRACK-OUT')],
  filter: [hook('INPUT', 'WEFT-INPUT'), hook('FORWARD', 'WEFT-FORWARD'), hook('OUTPUT', 'WEFT-OUTPUT')],
  nat: [
    hook('PREROUTING', 'WEFT-SERVICES'),
    hook('OUTPUT', 'WEFT-SERVICES'),
    hook('POSTROUTING', 'WEFT-POSTROUTING'),
  ],
};

function hook(chain: string, target: string): Hook {
  return { chain, rule: `${comment(`weft ${target.slice(5).toLowerCase()}`)} -j ${target}` };
}

/** The chains around the dispatch trees. Packet walk: ARCHITECTURE.md. */
export function renderSkeleton(
  traits: FamilyTraits,
  settings: NodeSettings,
): Record<Table, ReadonlyMap<string, readonly Rule[]>> {
  return {
    raw: renderRaw(traits, settings),
    filter: renderFilter(traits, settings),
    nat: renderNat(traits, settings),
  };
}

/**
 * The node's own DNS server needs no connection tracking: a query costs two table entries less. With the fallback only
 * while it listens; otherwise the query is tracked like one to any Service.
 */
function renderRaw(traits: FamilyTraits, settings: NodeSettings): Map<string, readonly Rule[]> {
  const own = ofFamily(traits, settings.dnsIPs).map((address) => `${address}/${String(traits.bits)}`);
  const untrack = (asked: string): Rule[] =>
    own.flatMap((address) =>
      ['udp', 'tcp'].flatMap((protocol) => [
        `-d ${address} -p ${protocol} -m ${protocol} --dport 53 -j ${asked}`,
        `-s ${address} -p ${protocol} -m ${protocol} --sport 53 -j CT --notrack`,
      ]),
    );
  if (settings.dnsFallback !== true) {
    const rules = untrack('CT --notrack');
    return new Map([
      ['WEFT-NOTRACK', rules],
      ['WEFT-NOTRACK-OUT', rules],
    ]);
  }
  const deaf = `--name weft-dns${traits.suffix} --mask ${traits.hostMask} --rdest`;
  return new Map([
    ['WEFT-NOTRACK', untrack('WEFT-DNS')],
    ['WEFT-NOTRACK-OUT', untrack('WEFT-DNS-OUT')],
    // Sockets on every address are not the cluster's DNS: the match passes them over.
    ['WEFT-DNS', ['-m socket -g WEFT-DNS-HERE', `-m recent --set ${deaf}`]],
    ['WEFT-DNS-HERE', ['-j CT --notrack']],
    // Going out, a packet's socket is its sender's: what its receiver is like was noted where packets come in.
    [
      'WEFT-DNS-OUT',
      [`-m recent --rcheck --seconds ${String(dnsDeafSeconds)} ${deaf} -j RETURN`, '-j CT --notrack'],
    ],
  ]);
}

function renderFilter(traits: FamilyTraits, settings: NodeSettings): Map<string, readonly Rule[]> {
  const cluster = ofFamily(traits, settings.clusterCIDRs);
  const services = ofFamily(traits, settings.serviceCIDRs);
  const blocked = '-m conntrack --ctstate NEW -j WEFT-BLOCKED';
  // To conntrack each vxlan packet is new, as answers have other ports: it would be looked up among the Services.
  const tunnel =
    settings.vxlanPort === undefined ? [] : [`-p udp -m udp --dport ${String(settings.vxlanPort)}`];
  const established = '-m conntrack --ctstate RELATED,ESTABLISHED';
  const invalid = '-m conntrack --ctstate INVALID -j WEFT-INVALID';
  return new Map([
    // Through loopback the node's own client reaches the DNS address from that same address.
    [
      'WEFT-INPUT',
      [
        ...renderDnsInput(traits, settings),
        `-d ${traits.loopback} ! -i lo -j WEFT-LOCALNET`,
        ...tunnel.map((match) => `${match} -j RETURN`),
        invalid,
        blocked,
      ],
    ],
    [
      // 127.0.0.1 leads to ports of pods, for which the pod bridge lets its addresses pass (route_localnet): answers only.
      'WEFT-LOCALNET',
      [`${established} -j RETURN`, '-m conntrack --ctstate DNAT -j RETURN', '-j DROP'],
    ],
    [
      'WEFT-FORWARD',
      [
        // Most packets, and all that the rules below would do to them: one conntrack match, behind the cheap ones.
        ...cluster.flatMap((from) => cluster.map((to) => `-s ${from} -d ${to} ${established} -j ACCEPT`)),
        invalid,
        blocked,
        // Behind DNAT no destination is a Service address any more, unless nobody serves it.
        ...services.map((cidr) => `-d ${cidr} -j WEFT-REJECT`),
        ...cluster.map((cidr) => `-s ${cidr} -j ACCEPT`),
        ...cluster.map((cidr) => `-d ${cidr} -j ACCEPT`),
        '-m conntrack --ctstate DNAT -j WEFT-FAR',
      ],
    ],
    [
      'WEFT-OUTPUT',
      [
        ...ofFamily(traits, settings.dnsIPs).flatMap((address) =>
          ['udp', 'tcp'].map(
            (protocol) =>
              `-s ${address}/${String(traits.bits)} -p ${protocol} -m ${protocol} --sport 53 -j ACCEPT`,
          ),
        ),
        '-o lo -j RETURN',
        ...tunnel.map((match) => `${match} -g WEFT-TUNNEL`),
        blocked,
        ...services.map((cidr) => `-d ${cidr} -j WEFT-REJECT`),
      ],
    ],
    // What a node process sends to that port of a Service is no tunnel's.
    ...tunnel.map(() => ['WEFT-TUNNEL', services.map((cidr) => `-d ${cidr} -j WEFT-REJECT`)] as const),
    [
      // What conntrack does not understand is not rewritten back: a client that met the endpoint's address, or this
      // node in its place, would answer with a reset and end a sound connection.
      'WEFT-INVALID',
      [
        ...cluster.map((cidr) => `-s ${cidr} -j DROP`),
        ...services.map((cidr) => `-d ${cidr} -j DROP`),
        '-j WEFT-INVALID-FAR',
      ],
    ],
    ['WEFT-BLOCKED', ['-j WEFT-BLOCK', '-m addrtype --dst-type LOCAL -j WEFT-BLOCK-NODEPORTS']],
    ['WEFT-BLOCK-NODEPORTS', renderNodePorts(traits, settings, 'WEFT-BNP')],
    [
      'WEFT-REJECT',
      ['-p tcp -j REJECT --reject-with tcp-reset', `-j REJECT --reject-with ${traits.portUnreachable}`],
    ],
  ]);
}

/** Only port 53 (and ping) of the DNS address is for others: the node's other listeners are not. */
function renderDnsInput(traits: FamilyTraits, settings: NodeSettings): Rule[] {
  return ofFamily(traits, settings.dnsIPs).flatMap((address) => {
    const match = `-d ${address}/${String(traits.bits)}`;
    return [
      `${match} -i lo -j RETURN`,
      `${match} -p udp -m udp --dport 53 -j ACCEPT`,
      `${match} -p tcp -m tcp --dport 53 -j ACCEPT`,
      `${match} -p ${traits.icmpProtocol} -j RETURN`,
      // What another node answers a process of this one, which has this address by then.
      `${match} -m conntrack --ctstate ESTABLISHED -j RETURN`,
      `${match} -j WEFT-REJECT`,
    ];
  });
}

function renderNat(traits: FamilyTraits, settings: NodeSettings): Map<string, readonly Rule[]> {
  const cluster = ofFamily(traits, settings.clusterCIDRs);
  const services = ofFamily(traits, settings.serviceCIDRs);
  const pods = ofFamily(traits, settings.podCIDRs);
  const stays = [...cluster, ...services, traits.multicast];
  const nodes = ofFamily(traits, settings.nodeIPs).map((address) => withLength(traits, address));
  const excluded = ofFamily(traits, settings.nonMasqueradeCIDRs ?? []);
  return new Map([
    ['WEFT-SERVICES', ['-j WEFT-VIP', '-m addrtype --dst-type LOCAL -j WEFT-NODEPORTS']],
    ['WEFT-NODEPORTS', renderNodePorts(traits, settings, 'WEFT-NP')],
    [
      'WEFT-POSTROUTING',
      [
        // MASQUERADE on loopback would take one of its addresses, the DNS address for one.
        '-o lo -j RETURN',
        '-m conntrack --ctstate DNAT -j WEFT-DNATED',
        ...pods.map((cidr) => `-s ${cidr} -j WEFT-LEAVING`),
      ],
    ],
    [
      'WEFT-DNATED',
      [
        ...pods.flatMap((cidr) => pods.map((other) => `-s ${cidr} -d ${other} -j WEFT-HAIRPIN`)),
        ...pods.map((cidr) => `-s ${cidr} -j RETURN`),
        `-m mark --mark ${keepSourceMark} -j RETURN`,
        ...renderDnsSource(traits, settings),
        // Answers must come back through this node, which alone can undo the rewriting.
        ...cluster.map((cidr) => `-d ${cidr} -j MASQUERADE --random-fully`),
        '-j WEFT-FAR',
      ],
    ],
    [
      'WEFT-LEAVING',
      [
        ...[...stays, ...nodes, ...excluded].map((cidr) => `${destination(cidr)}-j RETURN`),
        '-j MASQUERADE --random-fully',
      ],
    ],
  ]);
}

/** The node's own queries to other nodes' DNS come from its pod range, by whatever way. */
function renderDnsSource(traits: FamilyTraits, { dnsIPs, podGateways = [] }: NodeSettings): Rule[] {
  const [gateway] = ofFamily(traits, podGateways);
  if (gateway === undefined) return [];
  return ofFamily(traits, dnsIPs).map(
    (address) => `-m conntrack --ctorigdst ${address} -j SNAT --to-source ${gateway} --random-fully`,
  );
}

/** A NodePort is served on the node's addresses, but not where pods, Services or the node itself have theirs. */
function renderNodePorts(traits: FamilyTraits, settings: NodeSettings, root: string): Rule[] {
  const excluded = ofFamily(traits, [...settings.serviceCIDRs, ...settings.clusterCIDRs, ...settings.dnsIPs]);
  const only = ofFamily(traits, settings.nodePortAddresses);
  const everywhere = settings.nodePortAddresses.length === 0 || only.some((cidr) => cidr.endsWith('/0'));
  const places = everywhere ? [''] : only.map(destination);
  return [
    ...[...excluded, traits.loopback].map((cidr) => `-d ${withLength(traits, cidr)} -j RETURN`),
    ...places.flatMap((place) =>
      protocols.map((protocol) => `${place}-p ${protocol} -j ${root}-${protocol.toUpperCase()}`),
    ),
  ];
}

/** A match of everything is none: iptables-save would not print it. */
function destination(cidr: string): string {
  return cidr.endsWith('/0') ? '' : `-d ${cidr} `;
}

function withLength(traits: FamilyTraits, cidr: string): string {
  return cidr.includes('/') ? cidr : `${cidr}/${String(traits.bits)}`;
}

/** Endpoints on this node, which may be sent back to themselves. */
export function renderHairpin(traits: FamilyTraits, addresses: Iterable<string>): Rule[] {
  const length = String(traits.bits);
  return [...addresses]
    .sort()
    .map((address) => `-s ${address}/${length} -d ${address}/${length} -j MASQUERADE --random-fully`);
}

/** Endpoints outside the cluster's pod ranges (host network, or listed by hand): their answers must come back here. */
export function renderFarNat(traits: FamilyTraits, endpoints: Iterable<EndpointKey>): Rule[] {
  return sortFar(endpoints).map(
    (endpoint) => `${farMatch(traits, '-d', '--dport', endpoint)} -j MASQUERADE --random-fully`,
  );
}

/** The same endpoints, there and back, where the host forwards nothing by itself. */
export function renderFarFilter(traits: FamilyTraits, endpoints: Iterable<EndpointKey>): Rule[] {
  return sortFar(endpoints).flatMap((endpoint) => [
    `${farMatch(traits, '-d', '--dport', endpoint)} -j ACCEPT`,
    `${farMatch(traits, '-s', '--sport', endpoint)} -j ACCEPT`,
  ]);
}

/** What they answer without making sense. */
export function renderFarInvalid(traits: FamilyTraits, endpoints: Iterable<EndpointKey>): Rule[] {
  return sortFar(endpoints).map((endpoint) => `${farMatch(traits, '-s', '--sport', endpoint)} -j DROP`);
}

function farMatch(
  traits: FamilyTraits,
  direction: '-s' | '-d',
  ports: '--sport' | '--dport',
  { protocol, address, port }: EndpointKey,
): string {
  return `${direction} ${address}/${String(traits.bits)} -p ${protocol} -m ${protocol} ${ports} ${String(port)}`;
}

function sortFar(endpoints: Iterable<EndpointKey>): EndpointKey[] {
  const text = ({ protocol, address, port }: EndpointKey): string => `${address} ${protocol} ${String(port)}`;
  return [...endpoints].sort((a, b) => (text(a) < text(b) ? -1 : 1));
}
