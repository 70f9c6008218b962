import t from 'tap';

import { RulesError } from '../../../iptables/error.ts';
import type { Ruleset } from '../../../iptables/model.ts';
import { frontend } from '../../iptables/frontends.ts';
import { backends, RuleNamespace } from '../../iptables/rule-namespace.ts';
import { skipUnlessRoot } from '../../root.ts';

const weft = new URL('../../../agent/main.ts', import.meta.url).pathname;

const frontends = [
  frontend({}),
  frontend({
    family: 'ipv6',
    address: 'fd00:10:96::20',
    endpoints: [{ address: 'fd00:10:244:1::2', port: 8080, local: true }],
  }),
  frontend({ kind: 'externalIP', address: '203.0.113.7', endpoints: [] }),
];
const rules: Ruleset = {
  settings: {
    clusterCIDRs: ['10.244.0.0/16', 'fd00:10:244::/56'],
    serviceCIDRs: ['10.96.0.0/16', 'fd00:10:96::/112'],
    dnsIPs: ['10.96.0.10'],
    podCIDRs: ['10.244.1.0/24', 'fd00:10:244:1::/64'],
    nodeIPs: ['192.0.2.1'],
    nodePortAddresses: [],
  },
  services: new Map([['default/web', { key: 'default/web', created: '', frontends, problems: [] }]]),
};

/** The node's links; bridges, as every kernel has them. */
const links = [
  'link set lo up',
  'link add weft0 type bridge',
  'link set weft0 up',
  'address add 10.244.1.1/24 dev weft0',
  'address add fd00:10:244:1::1/64 dev weft0 nodad',
  'link add eth0 type bridge',
  'link set eth0 up',
  'address add 192.0.2.1/24 dev eth0',
  'route add default via 192.0.2.2',
];

interface Row {
  readonly args: string;
  /** Each must be in what it says. */
  readonly says: readonly RegExp[];
}

const rows: readonly Row[] = [
  {
    args: '--from 10.244.1.2 --to 10.96.0.20 --port 80',
    says: [
      /^10\.244\.1\.2 → 10\.96\.0\.20:80\/tcp\n/,
      /\n 50\.0 % {2}forwarded to 10\.244\.1\.2:8080, masqueraded: .*\n +.*dnat.*10\.244\.1\.2/is,
      /\n 50\.0 % {2}forwarded to 10\.244\.2\.2:8080\n +.*dnat.*10\.244\.2\.2/is,
      /comment "default\/web:http"/,
    ],
  },
  {
    args: '--from fd00:10:244:1::3 --to fd00:10:96::20 --port 80',
    says: [/\n100\.0 % {2}forwarded to \[fd00:10:244:1::2\]:8080\n/],
  },
  {
    args: '--from 198.51.100.9 --to 203.0.113.7 --port 80',
    says: [/\n100\.0 % {2}rejected: connection refused \(TCP reset\)\n +.*reject/i],
  },
  {
    args: '--to 198.51.100.9 --port 53 --protocol udp',
    says: [/^192\.0\.2\.1 → .*\n\n100\.0 % {2}goes where it is sent: no rule is about it\n$/],
  },
  {
    args: '--from 10.244.1.2 --to 198.51.100.9 --port 53',
    says: [/goes where it is sent, masqueraded.*\n +.*masquerade/i],
  },
];

if (skipUnlessRoot(t)) {
  for (const backend of Object.keys(backends)) {
    await t.test(backend, async (t) => {
      using kernel = new RuleNamespace(backend);
      for (const link of links) await kernel.run('ip', link.split(' '));
      await kernel.load(rules);
      const trace = (args: string): Promise<string> =>
        kernel.run(process.execPath, [weft, 'trace', ...args.split(' ')]);
      for (const { args, says } of rows) {
        const said = await trace(args);
        for (const pattern of says) t.match(said, pattern, args);
      }
      const json = await trace('--to 10.96.0.20 --port 80 -o json');
      t.match(JSON.parse(json), {
        packet: { source: '192.0.2.1', destination: '10.96.0.20', port: 80, protocol: 'tcp' },
        outcomes: [{ verdict: 'forward', probability: 0.5, masqueraded: true, steps: Array }, {}],
      });
    });
  }

  await t.test("others' rules count, and what is not understood is said", async (t) => {
    using kernel = new RuleNamespace('iptables-nft');
    for (const link of links) await kernel.run('ip', link.split(' '));
    await kernel.load(rules);
    const trace = (args: string): Promise<string> =>
      kernel.run(process.execPath, [weft, 'trace', ...args.split(' ')]);
    const refusal = async (args: string): Promise<string> => {
      const error: unknown = await trace(args).catch((error: unknown) => error);
      return error instanceof RulesError ? error.message : `not refused: ${String(error)}`;
    };
    await kernel.run('iptables-nft', ['-I', 'FORWARD', '-i', 'weft0', '-d', '198.51.100.0/24', '-j', 'DROP']);
    t.match(
      await trace('--from 10.244.1.2 --to 198.51.100.9 --port 53'),
      /\n100\.0 % {2}dropped: nobody answers\n +filter FORWARD: -A FORWARD .*-i weft0 -j DROP\n/,
    );
    t.match(
      await trace('--from 10.96.9.9 --to 198.51.100.9 --port 53'),
      /goes where it is sent/,
      'not by that device',
    );
    await kernel.run('iptables-nft', [
      '-I',
      'FORWARD',
      '-p',
      'udp',
      '-m',
      'length',
      '--length',
      '100',
      '-j',
      'DROP',
    ]);
    t.match(
      await trace('--from 10.96.9.9 --to 198.51.100.9 --port 53'),
      /goes/,
      'it does not matter for TCP',
    );
    t.match(
      await refusal('--from 10.96.9.9 --to 198.51.100.9 --port 53 --protocol udp'),
      /does not know the match -m length --length.*-A FORWARD/,
    );
    t.match(await refusal('--to fd00::1 --from 10.0.0.1 --port 1'), /of different families/);
    t.match(await refusal('--to 2001:db8::9 --port 1'), /no route to 2001:db8::9: give --from/);
    t.match(await refusal('--to 10.96.0.20 --port 0'), /write a number from 1 to 65535/);
  });
}
