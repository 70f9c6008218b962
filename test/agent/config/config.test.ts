import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { AgentErrors } from '../../../agent/agent-error.ts';
import { loadConfig } from '../../../agent/config/load.ts';
import type { ConfigSources } from '../../../agent/config/load.ts';
import { parseConfigFile } from '../../../agent/config/file.ts';
import { overlaps } from '../../../agent/config/ranges.ts';
import { environmentOf, flagOf, settingNames } from '../../../agent/config/settings.ts';

const directory = mkdtempSync(join(tmpdir(), 'weft-config-'));
t.teardown(() => rmSync(directory, { recursive: true }));

let files = 0;
function sources(given: Partial<ConfigSources> & { text?: string }): ConfigSources {
  const file = join(directory, `weft-${(files += 1)}.yaml`);
  writeFileSync(file, given.text ?? '');
  return { file, environment: {}, flags: {}, detectAddresses: () => ['192.0.2.7'], ...given };
}

function mistakesOf(given: Partial<ConfigSources> & { text?: string }): string[] {
  try {
    loadConfig(sources(given));
  } catch (error) {
    if (error instanceof AgentErrors)
      return error.errors.map(({ message }) => message.replace(/^.*weft-\d+/, 'weft'));
    throw error;
  }
  return [];
}

t.test('an empty configuration has the documented defaults', (t) => {
  const { server, agent, join: joining } = loadConfig(sources({}));
  t.same(server.cluster, {
    clusterCIDRs: ['10.244.0.0/16', 'fd00:10:244::/56'],
    serviceCIDRs: ['10.96.0.0/16', 'fd00:10:96::/112'],
    nodeCIDRMaskSizes: { ipv4: 24, ipv6: 64 },
    dnsIPs: ['10.96.0.10', 'fd00:10:96::a'],
    zone: 'cluster.local',
    loadBalancerPools: [],
    nodePortRange: { first: 30000, last: 32767 },
  });
  t.same(server.listen, [{ host: '::', port: 6443 }]);
  t.match(server, { stateDir: '/var/lib/weft/server', advertiseAddress: undefined, nodeIPs: ['192.0.2.7'] });
  t.match(agent, {
    server: 'https://127.0.0.1:6443',
    stateDir: '/var/lib/weft',
    runDir: '/run/weft',
    backend: 'iptables',
    nodePortAddresses: [],
    nonMasqueradeCIDRs: [],
    networkMode: 'auto',
    podLink: 'bridge',
    vxlan: { port: 8472, vni: 117 },
  });
  t.equal(joining.tokenFile, '/var/lib/weft/server/token');
  t.end();
});

t.test('NodePorts are served on ranges, or on the primary addresses', (t) => {
  const { agent } = loadConfig(sources({ text: 'nodePortAddresses: [primary, 192.0.2.0/24]\n' }));
  t.same(agent.nodePortAddresses, ['primary', '192.0.2.0/24']);
  t.same(mistakesOf({ text: 'nodePortAddresses: [secondary]\n' }), [
    'weft.yaml:1:1: nodePortAddresses: "secondary" is not a range or primary: write e.g. 192.0.2.0/24',
  ]);
  t.end();
});

t.test('which DNS queries are logged', (t) => {
  const logged = (raw: unknown): unknown =>
    loadConfig(sources({ text: `dnsQueryLog: ${String(raw)}\n` })).agent.dnsQueryLog;
  t.same([logged('none'), logged('errors'), logged(100)], [undefined, 'errors', { oneIn: 100 }]);
  t.same(loadConfig(sources({ flags: { dnsQueryLog: '7' } })).agent.dnsQueryLog, { oneIn: 7 });
  for (const wrong of ['some', '0', '1.5', 'true']) {
    t.match(
      mistakesOf({ text: `dnsQueryLog: ${wrong}\n` }),
      [/is not a choice of queries: write none, errors/],
      wrong,
    );
  }
  t.end();
});

t.test('DNS servers and stub domains are read from YAML and from text alike', (t) => {
  const text =
    'upstreams: [192.0.2.1:53, "[2001:DB8::1]:5353"]\n' +
    'stubDomains: { Corp.example.: [192.0.2.2, "192.0.2.3:54"], 172.16.0.0/12: 192.0.2.4 }\n';
  const flags = {
    upstreams: '192.0.2.1,[2001:db8::1]:5353',
    stubDomains: 'corp.example=192.0.2.2, corp.example=192.0.2.3:54,172.16.0.0/12=192.0.2.4',
  };
  for (const { agent } of [loadConfig(sources({ text })), loadConfig(sources({ flags }))]) {
    t.same(agent.upstreams, ['192.0.2.1', '[2001:db8::1]:5353']);
    t.same(agent.forwarding.stubDomains, {
      'corp.example': ['192.0.2.2', '192.0.2.3:54'],
      '172.16.0.0/12': ['192.0.2.4'],
    });
  }
  t.same(mistakesOf({ text: 'stubDomains: { 10.0.0.1/8: 192.0.2.1 }' }), [
    'weft.yaml:1:1: stubDomains: "10.0.0.1/8" has bits set behind its prefix: write 10.0.0.0/8',
  ]);
  t.same(
    mistakesOf({ flags: { stubDomains: 'corp.example', upstreams: 'dns.example', dnsMixedCase: 'maybe' } }),
    [
      '--upstreams: "dns.example" is not an address of a DNS server, like 192.0.2.1 or [2001:db8::1]:53',
      '--stub-domains: "corp.example" has no server: write corp.example=192.0.2.1',
      '--dns-mixed-case: "maybe" is neither true nor false',
    ],
  );
  t.same(mistakesOf({ text: 'stubDomains: [corp.example]\ndnsCacheMiB: 0\n' }), [
    'weft.yaml:1:1: stubDomains: ["corp.example"] is not a map: write { corp.example: [192.0.2.1] }',
    'weft.yaml:2:1: dnsCacheMiB: 0 is not a whole number from 1 to 4096',
  ]);
  t.same(mistakesOf({ text: 'stubDomains: { "corp example": 192.0.2.1 }' }), [
    'weft.yaml:1:1: stubDomains: "corp example" is not a DNS zone or a range: write e.g. corp.example or 10.0.0.0/8',
  ]);
  t.end();
});

t.test('flags win over the environment, which wins over the file', (t) => {
  const text = 'zone: file.example\nbackend: nftables\nnodeName: from-file\n';
  const environment = { WEFT_ZONE: 'environment.example', WEFT_NODE_NAME: 'from-environment' };
  const config = loadConfig(sources({ text, environment, flags: { zone: 'flag.example' } }));
  t.equal(config.server.cluster.zone, 'flag.example');
  t.equal(config.agent.nodeName, 'from-environment');
  t.equal(config.agent.backend, 'nftables');
  t.end();
});

t.test('lists, labels and ranges are read from YAML and from text alike', (t) => {
  const text = 'nodeIPs: [192.0.2.1, "2001:DB8::1"]\nnodeLabels: { disk: ssd }\nnodePortRange: 31000-31999\n';
  const fromFile = loadConfig(sources({ text }));
  const fromText = loadConfig(
    sources({
      flags: { nodeIPs: '192.0.2.1, 2001:db8:0::1', nodeLabels: 'disk=ssd', nodePortRange: '31000-31999' },
    }),
  );
  for (const { agent, server } of [fromFile, fromText]) {
    t.same(agent.nodeIPs, ['192.0.2.1', '2001:db8::1']);
    t.same(agent.nodeLabels, { disk: 'ssd' });
    t.same(server.cluster.nodePortRange, { first: 31000, last: 31999 });
  }
  t.end();
});

t.test('every mistake is reported at once, each with its place and what to do', (t) => {
  const text = 'zone: Cluster_Local\nbackends: iptables\nhealthPort: 0\nclusterCIDRs: [10.244.0.1/16]\n';
  const mistakes = mistakesOf({ text, environment: { WEFT_BACKEND: 'ipvs' }, flags: { server: 'http://x' } });
  t.same(mistakes, [
    'weft.yaml:2:1: backends: there is no such setting: did you mean backend?',
    'weft.yaml:1:1: zone: "Cluster_Local" is not a DNS name: use lower-case letters, digits, - and .',
    'weft.yaml:3:1: healthPort: 0 is not a whole number from 1 to 65535',
    'weft.yaml:4:1: clusterCIDRs: "10.244.0.1/16" has bits set behind its prefix: write 10.244.0.0/16',
    'WEFT_BACKEND: "ipvs" is not one of iptables, nftables',
    '--server: "http://x" is not the URL of an API server: write e.g. https://192.0.2.1:6443',
  ]);
  t.end();
});

t.test('unreadable YAML is reported with line and column', (t) => {
  const { mistakes } = parseConfigFile('weft.yaml', 'zone: a\nbackend: [iptables\n');
  t.match(mistakes, [{ where: /^weft\.yaml:3:1$/ }]);
  t.match(parseConfigFile('weft.yaml', '- a list').mistakes, [
    { where: 'weft.yaml:1:1', message: /not a map/ },
  ]);
  t.match(mistakesOf({ file: '/nowhere/weft.yaml' }), [/cannot be read.*ENOENT/]);
  t.end();
});

t.test('ranges that do not fit together are refused', (t) => {
  const cases: [string, RegExp][] = [
    [
      'serviceCIDRs: [10.244.0.0/24, "fd00:10:96::/112"]',
      /clusterCIDRs 10.244.0.0\/16 overlaps serviceCIDRs/,
    ],
    ['nodeIPs: [10.96.0.3]', /serviceCIDRs 10.96.0.0\/16 overlaps nodeIPs 10.96.0.3/],
    ['clusterCIDRs: [10.244.0.0/16]', /differ in families/],
    ['clusterCIDRs: []\nserviceCIDRs: []', /clusterCIDRs is empty/],
    [
      'clusterCIDRs: [10.1.0.0/16, 10.2.0.0/16]\nserviceCIDRs: [10.3.0.0/16, 10.4.0.0/16]',
      /two ranges of one family/,
    ],
    ['clusterCIDRs: [10.244.0.0/25, "fd00:10:244::/56"]', /nodeMaskIPv4 24 is wider/],
    ['dnsIPs: [10.97.0.10]', /dnsIPs 10.97.0.10 is outside serviceCIDRs/],
    ['loadBalancerPools: [10.96.7.0-10.96.7.9]', /loadBalancerPools .* overlaps serviceCIDRs 10.96.0.0\/16/],
    [
      'loadBalancerPools: [192.0.2.8/30, 192.0.2.0-192.0.2.8]',
      /overlaps loadBalancerPools 192.0.2.0-192.0.2.8/,
    ],
    ['nodeIPs: [192.0.2.1]\nloadBalancerPools: [192.0.2.0/24]', /overlaps nodeIPs 192.0.2.1/],
    ['loadBalancerPools: [192.0.2.9-192.0.2.8]', /"192.0.2.9-192.0.2.8" is not a pool/],
  ];
  for (const [text, expected] of cases) t.match(mistakesOf({ text }), [expected], text);
  t.end();
});

t.test('ranges and addresses overlap within a family only', (t) => {
  t.ok(overlaps('10.0.0.0/8', '10.255.255.255'));
  t.notOk(overlaps('10.0.0.0/9', '10.128.0.0/9'));
  t.notOk(overlaps('0.0.0.0/0', '::/0'));
  t.end();
});

t.test('every setting has its own flag and environment variable', (t) => {
  t.equal(flagOf('nodeIPs'), '--node-ips');
  t.equal(environmentOf('clusterCIDRs'), 'WEFT_CLUSTER_CIDRS');
  t.equal(new Set(settingNames.map(flagOf)).size, settingNames.length);
  t.end();
});

t.test("how the node's addresses are found", (t) => {
  const wishes: unknown[] = [];
  const detectAddresses: ConfigSources['detectAddresses'] = (wish) => {
    wishes.push(wish);
    return ['192.0.2.7'];
  };
  const load = (text: string) => loadConfig(sources({ text, detectAddresses }));
  t.same(load('nodeIPs: [198.51.100.1]\n').agent.nodeIPs, ['198.51.100.1'], 'explicit ones');
  t.same(wishes, []);
  const text = "nodeIPs: [192.0.2.0/24]\nnodeInterface: 'en.*'\nserver: 'https://[2001:db8::1]:6443'\n";
  const { agent, addressing } = load(text);
  t.same(agent.nodeIPs, ['192.0.2.7']);
  t.same(addressing, {
    nodeIPs: ['192.0.2.0/24'],
    nodeInterface: 'en.*',
    advertiseAddress: undefined,
    server: '2001:db8::1',
  });
  t.same(wishes, [addressing]);
  t.match(mistakesOf({ text: 'nodeInterface: "*"\n' }), [
    /"\*" is not a regular expression .*write e\.g\. eth1/,
  ]);
  t.end();
});
