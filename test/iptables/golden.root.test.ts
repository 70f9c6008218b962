import t from 'tap';

import type { Step } from '../../iptables/trace/packet.ts';
import { tracePacket } from '../../iptables/trace/walk.ts';
import { skipUnlessRoot } from '../root.ts';
import { frontend, here, settings, there } from './frontends.ts';
import { backends, RuleNamespace } from './rule-namespace.ts';

// Who is who: 192.0.2.1 the node, 10.244.1.2 and .3 pods here, 10.244.2.2 a pod elsewhere, 10.96.0.20 clusterIP,
// 203.0.113.7 a load balancer, 198.51.100.9 somebody outside.

const node = { addresses: ['192.0.2.1', '10.244.1.1', '10.96.0.10', '127.0.0.1'] };

/** Everything at once: each packet must find its own way. */
const frontends = [
  frontend({}),
  frontend({ port: 443, endpoints: [there], affinitySeconds: 60 }),
  frontend({ kind: 'nodePort', address: undefined, port: 30_080, endpoints: [there] }),
  frontend({ kind: 'nodePort', address: undefined, port: 30_081, endpoints: [] }),
  frontend({ kind: 'loadBalancer', address: '203.0.113.7', endpoints: [there], outside: [] }),
  frontend({ kind: 'loadBalancer', address: '203.0.113.8', sourceRanges: ['192.0.2.0/24'], outside: [here] }),
];

const note = '-m comment --comment "default/web:http"';
const masquerade = '-j MASQUERADE --random-fully';
const dnat = (key: string, map: string): string =>
  `dnat ip to ${key} . meta l4proto . th dport . meta mark map @${map}`;

interface Row {
  readonly what: string;
  /** `source destination port` */
  readonly packet: string;
  /** The rules that decide, of each outcome. */
  readonly iptables: readonly (readonly string[])[];
  /** Elements behind the rules that used them. */
  readonly nftables: readonly (readonly string[])[];
}

const rows: readonly Row[] = [
  {
    what: 'a pod reaches itself, or another one',
    packet: '10.244.1.2 10.96.0.20 80',
    iptables: [
      [
        `nat WEFT-VIP: -A WEFT-VIP -d 10.96.0.20/32 -p tcp -m tcp --dport 80 ${note} -m statistic --mode random --probability 0.50000000000 -j DNAT --to-destination 10.244.1.2:8080`,
        `nat WEFT-HAIRPIN: -A WEFT-HAIRPIN -s 10.244.1.2/32 -d 10.244.1.2/32 ${masquerade}`,
      ],
      [
        `nat WEFT-VIP: -A WEFT-VIP -d 10.96.0.20/32 -p tcp -m tcp --dport 80 ${note} -j DNAT --to-destination 10.244.2.2:8080`,
      ],
    ],
    nftables: [
      [
        `inet weft services4-2: ${dnat('ip daddr', 'services4-endpoints')}`,
        'services4-endpoints { 10.96.0.20 . tcp . 80 . 1459617792 : 10.244.1.2 . 8080 }',
        'inet weft dnated: ip saddr . ip daddr @hairpin4 masquerade fully-random',
        'hairpin4 { 10.244.1.2 . 10.244.1.2 }',
      ],
      [
        `inet weft services4-2: ${dnat('ip daddr', 'services4-endpoints')}`,
        'services4-endpoints { 10.96.0.20 . tcp . 80 . 1459617793 : 10.244.2.2 . 8080 }',
      ],
    ],
  },
  {
    what: 'somebody outside uses a NodePort',
    packet: '198.51.100.9 192.0.2.1 30080',
    iptables: [
      [
        `nat WEFT-NP-TCP: -A WEFT-NP-TCP -p tcp -m tcp --dport 30080 ${note} -j DNAT --to-destination 10.244.2.2:8080`,
        `nat WEFT-DNATED: -A WEFT-DNATED -d 10.244.0.0/16 ${masquerade}`,
      ],
    ],
    nftables: [
      [
        'inet weft nodeports4-1: dnat ip to meta l4proto . th dport . meta mark map @nodeports4-endpoints',
        'nodeports4-endpoints { tcp . 30080 . 1459617792 : 10.244.2.2 . 8080 }',
        'inet weft dnated: ip daddr @cluster4 masquerade fully-random',
        'cluster4 { 10.244.0.0/16 }',
      ],
    ],
  },
  {
    what: 'a NodePort without endpoints',
    packet: '198.51.100.9 192.0.2.1 30081',
    iptables: [['filter WEFT-REJECT: -A WEFT-REJECT -p tcp -j REJECT --reject-with tcp-reset']],
    nftables: [['inet weft refuse: meta l4proto tcp reject with tcp reset']],
  },
  {
    what: 'a port that nobody declares',
    packet: '10.244.1.2 10.96.0.20 81',
    iptables: [['filter WEFT-REJECT: -A WEFT-REJECT -p tcp -j REJECT --reject-with tcp-reset']],
    nftables: [['inet weft refuse: meta l4proto tcp reject with tcp reset']],
  },
  {
    what: 'externalTrafficPolicy Local, and nobody is here',
    packet: '198.51.100.9 203.0.113.7 80',
    iptables: [
      [
        'filter WEFT-BLOCK: -A WEFT-BLOCK -d 203.0.113.7/32 -p tcp -m tcp --dport 80 -m comment --comment "default/web:http has no local endpoints" -j DROP',
      ],
    ],
    nftables: [
      [
        'inet weft blocked: ip daddr . meta l4proto . th dport @dropped4 drop',
        'dropped4 { 203.0.113.7 . tcp . 80 comment "default/web:http" }',
      ],
    ],
  },
  {
    what: 'externalTrafficPolicy Local keeps the source of who is listed',
    packet: '192.0.2.9 203.0.113.8 80',
    iptables: [[`nat WEFT-S-HASH: -A WEFT-S-HASH -p tcp ${note} -j DNAT --to-destination 10.244.1.2:8080`]],
    nftables: [
      [
        `inet weft outside-services4-1: ${dnat('ip daddr', 'outside-services4-endpoints')}`,
        'outside-services4-endpoints { 203.0.113.8 . tcp . 80 . 1459621888 : 10.244.1.2 . 8080 }',
      ],
    ],
  },
  {
    what: 'a pod leaves the cluster',
    packet: '10.244.1.2 198.51.100.9 443',
    iptables: [[`nat WEFT-LEAVING: -A WEFT-LEAVING ${masquerade}`]],
    nftables: [['inet weft leaving: masquerade fully-random']],
  },
];

function* linesOf({ chain, rule, elements }: Step): Generator<string> {
  yield `${chain}: ${rule}`.replaceAll(/\b[0-9A-F]{16}\b/g, 'HASH');
  yield* elements;
}

if (skipUnlessRoot(t)) {
  for (const backend of Object.keys(backends)) {
    await t.test(backend, async (t) => {
      using kernel = new RuleNamespace(backend);
      const service = { key: 'default/web', created: '', frontends, problems: [] };
      const chains = await kernel.load({ settings, services: new Map([[service.key, service]]) });
      for (const { what, packet, iptables, nftables } of rows) {
        const [source = '', destination = '', port] = packet.split(' ');
        const { outcomes } = tracePacket(chains, node, {
          source,
          destination,
          protocol: 'tcp',
          port: Number(port),
        });
        const decided = outcomes.map(({ steps }) =>
          steps.filter(({ decides }) => decides).flatMap((step) => [...linesOf(step)]),
        );
        t.strictSame(decided, backend === 'nftables' ? nftables : iptables, `${what}: ${packet}`);
      }
    });
  }
}
