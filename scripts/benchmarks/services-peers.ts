import { createHash } from 'node:crypto';
import { cluster, clusterIP, endpointAddresses, endpointPort, nameOf, servicePort } from './services-data.ts';

/** kube-proxy's chain names: a prefix and 16 characters of a hash. */
function hashed(prefix: string, text: string): string {
  return prefix + createHash('sha256').update(text).digest('hex').slice(0, 16).toUpperCase();
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

const [podRange = ''] = cluster.clusterCIDRs;

/**
 * Input of iptables-restore with kube-proxy's iptables layout (Kubernetes 1.36): one list of all Services, a chain per
 * Service, a chain per endpoint; 17 rules for a Service with five endpoints.
 */
export function renderLinearLayout(count: number): string {
  const services = numbers(count).map(renderLinearService);
  const chains = services.flatMap((service) => service.chains);
  return [
    '*filter',
    ':KUBE-FORWARD - [0:0]',
    '-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD',
    '-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP',
    '-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT',
    '-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    'COMMIT',
    '*nat',
    ...['KUBE-SERVICES', 'KUBE-NODEPORTS', 'KUBE-POSTROUTING', 'KUBE-MARK-MASQ', ...chains].map(
      (chain) => `:${chain} - [0:0]`,
    ),
    ...['PREROUTING', 'OUTPUT'].map(
      (hook) => `-A ${hook} -m comment --comment "kubernetes service portals" -j KUBE-SERVICES`,
    ),
    '-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING',
    '-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN',
    '-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000',
    '-A KUBE-POSTROUTING -j MASQUERADE --random-fully',
    '-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000',
    ...services.flatMap((service) => service.rules),
    '-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS',
    'COMMIT\n',
  ].join('\n');
}

interface LinearService {
  readonly chains: readonly string[];
  readonly rules: readonly string[];
}

function renderLinearService(service: number): LinearService {
  const name = `default/${nameOf(service)}:http`;
  const chain = hashed('KUBE-SVC-', name);
  const comment = (text: string): string => `-m comment --comment "${text}"`;
  const match = `${comment(`${name} cluster IP`)} -m tcp -p tcp -d ${clusterIP(service)} --dport ${servicePort}`;
  const endpoints = endpointAddresses(service).map((address) => ({
    address,
    chain: hashed('KUBE-SEP-', `${name} ${address}`),
  }));
  const choices = endpoints.map(({ address, chain: endpoint }, i) => {
    const left = endpoints.length - i;
    const chance = left > 1 ? `-m statistic --mode random --probability ${(1 / left).toFixed(10)} ` : '';
    return `-A ${chain} ${comment(`${name} -> ${address}:${endpointPort}`)} ${chance}-j ${endpoint}`;
  });
  return {
    chains: [chain, ...endpoints.map((endpoint) => endpoint.chain)],
    rules: [
      `-A KUBE-SERVICES ${match} -j ${chain}`,
      `-A ${chain} ${match} ! -s ${podRange} -j KUBE-MARK-MASQ`,
      ...choices,
      ...endpoints.flatMap(({ address, chain: endpoint }) => [
        `-A ${endpoint} ${comment(name)} -s ${address} -j KUBE-MARK-MASQ`,
        `-A ${endpoint} ${comment(name)} -m tcp -p tcp -j DNAT --to-destination ${address}:${endpointPort}`,
      ]),
    ],
  };
}

const nftTable = 'ip kube-proxy';

const nftHooks: Readonly<Record<string, string>> = {
  'filter-prerouting-pre-dnat': 'type filter hook prerouting priority -110;',
  'filter-output-pre-dnat': 'type filter hook output priority -110;',
  'filter-forward': 'type filter hook forward priority 0;',
  'filter-input': 'type filter hook input priority 0;',
  'filter-output': 'type filter hook output priority 0;',
  'nat-output': 'type nat hook output priority -100;',
  'nat-postrouting': 'type nat hook postrouting priority 100;',
  'nat-prerouting': 'type nat hook prerouting priority -100;',
};

const nftHelpers = [
  'cluster-ips-check',
  'firewall-check',
  'mark-for-masquerade',
  'masquerading',
  'nodeport-endpoints-check',
  'services',
  'service-endpoints-check',
];

const nftRules: readonly (readonly [chain: string, rule: string])[] = [
  ['filter-prerouting-pre-dnat', 'ct state new jump firewall-check'],
  ['filter-output-pre-dnat', 'ct state new jump firewall-check'],
  ['filter-forward', 'ct state new jump service-endpoints-check'],
  ['filter-forward', 'ct state new jump cluster-ips-check'],
  ['filter-input', 'ct state new jump nodeport-endpoints-check'],
  ['filter-input', 'ct state new jump service-endpoints-check'],
  ['filter-output', 'ct state new jump service-endpoints-check'],
  ['filter-output', 'ct state new jump cluster-ips-check'],
  ['firewall-check', 'ip daddr . meta l4proto . th dport vmap @firewall-ips'],
  ['service-endpoints-check', 'ip daddr . meta l4proto . th dport vmap @no-endpoint-services'],
  ['nodeport-endpoints-check', 'ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports'],
  ['cluster-ips-check', 'ip daddr @cluster-ips reject'],
  ['cluster-ips-check', `ip daddr { ${cluster.serviceCIDRs.join(', ')} } drop`],
  ['mark-for-masquerade', 'meta mark set meta mark or 0x4000'],
  ['masquerading', 'meta mark and 0x4000 == 0 return'],
  ['masquerading', 'meta mark set meta mark xor 0x4000'],
  ['masquerading', 'masquerade fully-random'],
  ['nat-output', 'jump services'],
  ['nat-postrouting', 'jump masquerading'],
  ['nat-prerouting', 'jump services'],
  ['services', 'ip daddr . meta l4proto . th dport vmap @service-ips'],
  ['services', 'ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports'],
];

/**
 * Input of nft with kube-proxy's nftables layout (Kubernetes 1.36): a verdict map to a chain per Service, which chooses
 * by a verdict map of its own among a chain per endpoint.
 */
export function renderVerdictLayout(count: number): string {
  const services = numbers(count).map(renderVerdictService);
  const list = (elements: readonly string[]): string =>
    elements.length > 0 ? `elements = { ${elements.join(', ')} };` : '';
  const verdicts = 'type ipv4_addr . inet_proto . inet_service : verdict;';
  const chains = [...nftHelpers, ...services.flatMap((service) => service.chains)];
  return [
    `table ${nftTable} {`,
    `  set cluster-ips { type ipv4_addr; ${list(services.map(({ address }) => address))} }`,
    '  set nodeport-ips { type ipv4_addr; }',
    `  map firewall-ips { ${verdicts} }`,
    `  map no-endpoint-services { ${verdicts} }`,
    '  map no-endpoint-nodeports { type inet_proto . inet_service : verdict; }',
    '  map service-nodeports { type inet_proto . inet_service : verdict; }',
    ...Object.entries(nftHooks).map(([chain, hook]) => `  chain ${chain} { ${hook} }`),
    ...chains.map((chain) => `  chain ${chain} { }`),
    `  map service-ips { ${verdicts} ${list(services.map(({ element }) => element))} }`,
    '}',
    ...[...nftRules, ...services.flatMap(({ rules }) => rules)].map(
      ([chain, rule]) => `add rule ${nftTable} ${chain} ${rule}`,
    ),
    '',
  ].join('\n');
}

interface VerdictService {
  readonly address: string;
  readonly element: string;
  readonly chains: readonly string[];
  readonly rules: readonly (readonly [string, string])[];
}

function renderVerdictService(service: number): VerdictService {
  const address = clusterIP(service);
  const name = `default/${nameOf(service)}/tcp/http`;
  const chain = `${hashed('service-', name).slice(0, 16)}-${name}`;
  const endpoints = endpointAddresses(service).map((endpoint) => ({
    address: endpoint,
    chain: `${hashed('endpoint-', `${name}${endpoint}`).slice(0, 17)}-${name}__${endpoint}/${endpointPort}`,
  }));
  const choices = endpoints.map((endpoint, i) => `${i} : goto ${endpoint.chain}`);
  return {
    address,
    element: `${address} . tcp . ${servicePort} : goto ${chain}`,
    chains: [chain, ...endpoints.map((endpoint) => endpoint.chain)],
    rules: [
      [
        chain,
        `ip daddr ${address} tcp dport ${servicePort} ip saddr != ${podRange} jump mark-for-masquerade`,
      ],
      [chain, `numgen random mod ${endpoints.length} vmap { ${choices.join(', ')} }`],
      ...endpoints.flatMap((endpoint): [string, string][] => [
        [endpoint.chain, `ip saddr ${endpoint.address} jump mark-for-masquerade`],
        [endpoint.chain, `meta l4proto tcp dnat to ${endpoint.address}:${endpointPort}`],
      ]),
    ],
  };
}

/** The least that can be done: one rule for one Service with one endpoint. */
export function renderSingleRule(): { readonly iptables: string; readonly nft: string } {
  const [endpoint = ''] = endpointAddresses(0);
  const to = `${endpoint}:${endpointPort}`;
  return {
    iptables: `*nat\n-A PREROUTING -d ${clusterIP(0)} -p tcp --dport ${servicePort} -j DNAT --to-destination ${to}\nCOMMIT\n`,
    nft: `table ip single {
      chain prerouting {
        type nat hook prerouting priority -100;
        ip daddr ${clusterIP(0)} tcp dport ${servicePort} dnat to ${to}
      }
    }\n`,
  };
}
