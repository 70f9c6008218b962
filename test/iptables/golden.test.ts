import t from 'tap';

import type { Backend } from '../../iptables/backend.ts';
import { IptablesBackend } from '../../iptables/iptables.ts';
import type { CompiledService, Frontend } from '../../iptables/model.ts';
import { NftablesBackend } from '../../iptables/nftables.ts';
import { frontend, here, settings, there } from './frontends.ts';
import { FakeDoor } from './nft-door.ts';

// Who is who: 10.96.0.20 clusterIP, 10.244.1.2 a pod here, 10.244.2.2 a pod elsewhere, 203.0.113.7 a load balancer.

/** A kernel without rules; keeps what it was told. */
function recorder() {
  const inputs: string[] = [];
  const run = (_program: string, _args: readonly string[], input?: string): Promise<string> => {
    if (input !== undefined) inputs.push(...input.split('\n').filter(Boolean));
    return Promise.resolve('');
  };
  return { inputs, run, door: new FakeDoor(inputs) };
}

/** What a sync of these frontends writes beyond what an empty node has. */
async function written(make: (kernel: ReturnType<typeof recorder>) => Backend, ...frontends: Frontend[]) {
  const kernel = recorder();
  const { inputs } = kernel;
  const backend = make(kernel);
  const services = new Map<string, CompiledService>();
  await backend.sync({ settings, services });
  const start = inputs.length;
  services.set('default/web', {
    key: 'default/web',
    created: '',
    frontends,
    problems: [],
  });
  await backend.sync({ settings, services }, new Set(['default/web']));
  return inputs.slice(start).filter((line) => !/^([*:]|COMMIT)/.test(line));
}

const iptables = (...frontends: Frontend[]): Promise<string[]> =>
  written(({ run }) => new IptablesBackend('nft', run), ...frontends);
const nftables = (...frontends: Frontend[]): Promise<string[]> =>
  written(({ run, door }) => new NftablesBackend(run, door), ...frontends);

/** The lines of an empty node that are about DNS: chain and rule. */
async function dnsLines(make: (kernel: ReturnType<typeof recorder>) => Backend, dnsFallback: boolean) {
  const kernel = recorder();
  await make(kernel).sync({ settings: { ...settings, dnsFallback }, services: new Map() });
  return kernel.inputs
    .filter((line) => /^(?:add rule inet weft|-A) (?:notrack-|dns-(?!only)|WEFT-NOTRACK|WEFT-DNS)/.test(line))
    .filter((line) => !/ ip6? [sd]addr @dns6|deaf6/.test(line))
    .map((line) => line.replace('add rule inet weft ', ''));
}

t.test('iptables: DNS', async (t) => {
  const make = ({ run }: ReturnType<typeof recorder>): Backend => new IptablesBackend('nft', run);
  const lines = (chain: string, to: string): string[] =>
    ['udp', 'tcp'].flatMap((protocol) => [
      `-A ${chain} -d 10.96.0.10/32 -p ${protocol} -m ${protocol} --dport 53 -j ${to}`,
      `-A ${chain} -s 10.96.0.10/32 -p ${protocol} -m ${protocol} --sport 53 -j CT --notrack`,
    ]);
  t.strictSame(
    await dnsLines(make, false),
    [...lines('WEFT-NOTRACK', 'CT --notrack'), ...lines('WEFT-NOTRACK-OUT', 'CT --notrack')],
    'without a fallback',
  );
  const list = '--name weft-dns4 --mask 255.255.255.255 --rdest';
  t.strictSame(
    await dnsLines(make, true),
    [
      ...lines('WEFT-NOTRACK', 'WEFT-DNS'),
      ...lines('WEFT-NOTRACK-OUT', 'WEFT-DNS-OUT'),
      '-A WEFT-DNS -m socket -g WEFT-DNS-HERE',
      `-A WEFT-DNS -m recent --set ${list}`,
      '-A WEFT-DNS-HERE -j CT --notrack',
      `-A WEFT-DNS-OUT -m recent --rcheck --seconds 5 ${list} -j RETURN`,
      '-A WEFT-DNS-OUT -j CT --notrack',
    ],
    'only while somebody listens',
  );
});

t.test('nftables: DNS', async (t) => {
  const make = ({ run, door }: ReturnType<typeof recorder>): Backend => new NftablesBackend(run, door);
  const both = 'meta l4proto { tcp, udp }';
  t.strictSame(
    await dnsLines(make, false),
    [
      'notrack-prerouting th dport 53 jump dns-query',
      'notrack-prerouting th sport 53 jump dns-answer',
      'notrack-output th dport 53 jump dns-query',
      'notrack-output th sport 53 jump dns-answer',
      `dns-query ip daddr @dns4 ${both} notrack`,
      `dns-answer ip saddr @dns4 ${both} notrack`,
    ],
    'without a fallback',
  );
  t.strictSame(
    await dnsLines(make, true),
    [
      'notrack-prerouting th dport 53 jump dns-query',
      'notrack-prerouting th sport 53 jump dns-answer',
      'notrack-output th dport 53 jump dns-own-query',
      'notrack-output th sport 53 jump dns-answer',
      `dns-query ip daddr @dns4 ${both} jump dns-here`,
      'dns-here meta l4proto udp socket wildcard 0 notrack return',
      'dns-here meta l4proto tcp socket wildcard 1 goto dns-elsewhere',
      'dns-here meta l4proto tcp socket transparent 0 notrack return',
      'dns-here goto dns-elsewhere',
      'dns-elsewhere update @dns-deaf4 { ip daddr timeout 5s }',
      `dns-own-query ip daddr @dns4 ip daddr != @dns-deaf4 ${both} notrack`,
      `dns-answer ip saddr @dns4 ${both} notrack`,
    ],
    'only while somebody listens',
  );
});

const match = '-d 10.96.0.20/32 -p tcp -m tcp --dport 80';
const note = '-m comment --comment "default/web:http"';

t.test('iptables: endpoints one after the other, each with its chance', async (t) => {
  t.strictSame(await iptables(frontend({})), [
    '-A WEFT-HAIRPIN -s 10.244.1.2/32 -d 10.244.1.2/32 -j MASQUERADE --random-fully',
    `-A WEFT-VIP ${match} ${note} -m statistic --mode random --probability 0.50000000000 -j DNAT --to-destination 10.244.1.2:8080`,
    `-A WEFT-VIP ${match} ${note} -j DNAT --to-destination 10.244.2.2:8080`,
  ]);
});

/** In whatever order chains are written. */
function byTable(a: string, b: string): number {
  return a < b ? -1 : 1;
}

t.test('iptables: no endpoints', async (t) => {
  t.strictSame(await iptables(frontend({ endpoints: [] })), [], 'the Service range is rejected anyway');
  t.strictSame(await iptables(frontend({ endpoints: [], kind: 'externalIP', address: '203.0.113.7' })), [
    '-A WEFT-BLOCK -d 203.0.113.7/32 -p tcp -m tcp --dport 80 -m comment --comment "default/web:http has no endpoints" -j WEFT-REJECT',
  ]);
});

t.test('iptables: externalTrafficPolicy Local', async (t) => {
  const lines = await iptables(
    frontend({ kind: 'loadBalancer', address: '203.0.113.7', endpoints: [there], outside: [] }),
  );
  const text = lines.join('\n').replaceAll(/[0-9A-F]{16}/g, 'HASH');
  t.strictSame(text.split('\n').sort(byTable), [
    '-A WEFT-BLOCK -d 203.0.113.7/32 -p tcp -m tcp --dport 80 -m comment --comment "default/web:http has no local endpoints" -j DROP',
    `-A WEFT-I-HASH -p tcp ${note} -j DNAT --to-destination 10.244.2.2:8080`,
    '-A WEFT-S-HASH -j MARK --set-xmark 0x1000/0x1000',
    '-A WEFT-S-HASH -m addrtype --src-type LOCAL -j WEFT-I-HASH',
    '-A WEFT-S-HASH -s 10.244.1.0/24 -j WEFT-I-HASH',
    `-A WEFT-VIP -d 203.0.113.7/32 -p tcp -m tcp --dport 80 ${note} -j WEFT-S-HASH`,
  ]);
});

t.test('iptables: many endpoints get a chain of their own', async (t) => {
  const endpoints = Array.from({ length: 9 }, (_, n) => ({ ...there, address: `10.244.2.${String(n + 2)}` }));
  const lines = await iptables(frontend({ endpoints }));
  t.equal(lines.filter((line) => line.startsWith('-A WEFT-VIP ')).length, 1);
  t.equal(lines.filter((line) => line.startsWith('-A WEFT-S-')).length, 9);
});

t.test('nftables: elements, and a chain for the number of endpoints', async (t) => {
  t.strictSame(await nftables(frontend({})), [
    'add chain inet weft services4-2',
    'flush chain inet weft services4-2',
    'add rule inet weft services4-2 meta mark set numgen random mod 2 offset 1459617792',
    'add rule inet weft services4-2 dnat ip to ip daddr . meta l4proto . th dport . meta mark map @services4-endpoints',
    'add services4 { 10.96.0.20 . tcp . 80 : 2 } comment "default/web:http"',
    'add services4-endpoints { 10.96.0.20 . tcp . 80 . 1459617792 : 10.244.1.2 . 8080 }',
    'add services4-endpoints { 10.96.0.20 . tcp . 80 . 1459617793 : 10.244.2.2 . 8080 }',
    'add hairpin4 { 10.244.1.2 . 10.244.1.2 }',
    'add services4-classes { 2 : goto services4-2 }',
  ]);
});

t.test('nftables: no endpoints', async (t) => {
  t.strictSame(await nftables(frontend({ endpoints: [] })), [], 'the Service range is rejected anyway');
  t.strictSame(
    await nftables(frontend({ endpoints: [], kind: 'nodePort', address: undefined, port: 30_080 })),
    ['add rejected-nodeports4 { tcp . 30080 } comment "default/web:http"'],
  );
});

t.test('nftables: a change sends only what differs', async (t) => {
  const { inputs, run, door } = recorder();
  const backend = new NftablesBackend(run, door);
  const services = new Map<string, CompiledService>();
  const put = async (endpoints: Frontend['endpoints']): Promise<string[]> => {
    const service = {
      key: 'default/web',
      created: '',
      frontends: [frontend({ endpoints })],
      problems: [],
    };
    services.set(service.key, service);
    const start = inputs.length;
    await backend.sync({ settings, services }, new Set([service.key]));
    return inputs.slice(start);
  };
  await put([here, there]);
  const key = '10.96.0.20 . tcp . 80 . 1459617793';
  t.strictSame(await put([here, { ...there, address: '10.244.2.3' }]), [
    `delete services4-endpoints { ${key} }`,
    `add services4-endpoints { ${key} : 10.244.2.3 . 8080 }`,
  ]);
  t.strictSame(
    await put([here, { ...there, address: '10.244.2.3' }]),
    [],
    'nothing differs, nothing is sent',
  );
});
