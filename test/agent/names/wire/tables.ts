/** What a client sees of an answer: rcode and flags (`qr`, `rd` and `ra` apart), and the records in zone-file text. */
interface Expected {
  readonly status?: string;
  /** Default: authoritative. */
  readonly flags?: 'aa' | '';
  /** Name, TTL, type and data; sorted, for the order changes from answer to answer. */
  readonly answer?: readonly string[];
  readonly authority?: readonly string[];
  readonly additional?: readonly string[];
}

export type Case = readonly [name: string, type: string, expected: Expected];

const Z = 'cluster.local.';
const S = `default.svc.${Z}`;
const R4 = '96.10.in-addr.arpa.';
const P4 = '244.10.in-addr.arpa.';
const R6 = '0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa.';

/** The proof that something is missing. */
function soa(zone: string): string {
  return `${zone} 5 SOA ns.dns.${Z} hostmaster.${Z} SERIAL 7200 1800 86400 5`;
}

const noData = (zone = Z): Expected => ({ authority: [soa(zone)] });
const missing = (zone = Z): Expected => ({ status: 'NXDOMAIN', authority: [soa(zone)] });
const found = (...answer: string[]): Expected => ({ answer });

const apex: Case[] = [
  [`dns-version.${Z}`, 'TXT', found(`dns-version.${Z} 5 TXT "1.1.0"`)],
  [`dns-version.${Z}`, 'A', noData()],
  [Z, 'SOA', found(soa(Z))],
  [
    Z,
    'NS',
    {
      answer: [`${Z} 5 NS ns.dns.${Z}`],
      additional: [`ns.dns.${Z} 5 A 127.0.0.1`, `ns.dns.${Z} 5 AAAA ::1`],
    },
  ],
  [Z, 'A', noData()],
  [Z, 'AAAA', noData()],
  [Z, 'SRV', noData()],
  [`ns.dns.${Z}`, 'A', found(`ns.dns.${Z} 5 A 127.0.0.1`)],
  [`svc.${Z}`, 'A', noData()],
  [`pod.${Z}`, 'A', noData()],
  [S, 'A', noData()],
  [S, 'SRV', noData()],
  [`nope.${Z}`, 'A', missing()],
  [`nope.svc.${Z}`, 'A', missing()],
  [`web.nope.svc.${Z}`, 'A', missing()],
  [`a.b.c.d.e.${Z}`, 'TXT', missing()],
];

const clusterIPs: Case[] = [
  [`web.${S}`, 'A', found(`web.${S} 5 A 10.96.1.1`)],
  [`web.${S}`, 'AAAA', found(`web.${S} 5 AAAA fd00:10:96::11`)],
  [`web.${S}`, 'TXT', noData()],
  [`unnamed.${S}`, 'AAAA', noData()],
  [`six.${S}`, 'A', noData()],
  [`six.${S}`, 'AAAA', found(`six.${S} 5 AAAA fd00:10:96::16`)],
  [`nope.${S}`, 'A', missing()],
  [`nope.${S}`, 'AAAA', missing()],
  [`nope.web.${S}`, 'A', missing()],
  [
    `_http._tcp.web.${S}`,
    'SRV',
    {
      answer: [`_http._tcp.web.${S} 5 SRV 0 100 80 web.${S}`],
      additional: [`web.${S} 5 A 10.96.1.1`, `web.${S} 5 AAAA fd00:10:96::11`],
    },
  ],
  [
    `_dns._udp.web.${S}`,
    'SRV',
    {
      answer: [`_dns._udp.web.${S} 5 SRV 0 100 53 web.${S}`],
      additional: [`web.${S} 5 A 10.96.1.1`, `web.${S} 5 AAAA fd00:10:96::11`],
    },
  ],
  [`_http._tcp.web.${S}`, 'A', noData()],
  [`_http._udp.web.${S}`, 'SRV', missing()],
  [`_nope._tcp.web.${S}`, 'SRV', missing()],
  [`_http._tcp.unnamed.${S}`, 'SRV', missing()],
  [`_tcp.unnamed.${S}`, 'SRV', missing()],
];

const db0 = `db-0.db.${S}`;
const dashed4 = `10-244-1-2.db.${S}`;
const dashed6 = `5678-abcd--1.db.${S}`;
const dbTargets = [
  `${dashed4} 5 A 10.244.1.2`,
  `${db0} 5 A 10.244.1.1`,
  `${db0} 5 AAAA fd00:10:244::1`,
  `${dashed6} 5 AAAA 5678:abcd::1`,
];

const headless: Case[] = [
  [`db.${S}`, 'A', found(`db.${S} 5 A 10.244.1.1`, `db.${S} 5 A 10.244.1.2`)],
  [`db.${S}`, 'AAAA', found(`db.${S} 5 AAAA 5678:abcd::1`, `db.${S} 5 AAAA fd00:10:244::1`)],
  [db0, 'A', found(`${db0} 5 A 10.244.1.1`)],
  [db0, 'AAAA', found(`${db0} 5 AAAA fd00:10:244::1`)],
  [dashed4, 'A', found(`${dashed4} 5 A 10.244.1.2`)],
  [dashed4, 'AAAA', noData()],
  [dashed6, 'AAAA', found(`${dashed6} 5 AAAA 5678:abcd::1`)],
  [`10-244-1-1.db.${S}`, 'A', missing()],
  [`10-244-1-3.db.${S}`, 'A', missing()],
  [
    `_http._tcp.db.${S}`,
    'SRV',
    {
      answer: [dashed4, db0, dashed6].map((target) => `_http._tcp.db.${S} 5 SRV 0 33 8080 ${target}`),
      additional: dbTargets,
    },
  ],
  [`_nope._tcp.db.${S}`, 'SRV', missing()],
  [`waiting.${S}`, 'A', missing()],
  [`eager.${S}`, 'A', found(`eager.${S} 5 A 10.244.2.2`)],
  [`portless.${S}`, 'A', found(`portless.${S} 5 A 10.244.2.3`)],
  [`p-0.portless.${S}`, 'A', found(`p-0.portless.${S} 5 A 10.244.2.3`)],
  [`_http._tcp.portless.${S}`, 'SRV', missing()],
];

const reverse: Case[] = [
  [`1.1.${R4}`, 'PTR', found(`1.1.${R4} 5 PTR web.${S}`)],
  [`1.1.0.0.${R6}`, 'PTR', found(`1.1.0.0.${R6} 5 PTR web.${S}`)],
  [`1.1.${P4}`, 'PTR', found(`1.1.${P4} 5 PTR ${db0}`)],
  [`2.1.${P4}`, 'PTR', found(`2.1.${P4} 5 PTR ${dashed4}`)],
  [`3.1.${P4}`, 'PTR', missing(P4)],
  [`9.9.${R4}`, 'PTR', missing(R4)],
  [
    '80.2.0.192.in-addr.arpa.',
    'PTR',
    { flags: '', answer: ['80.2.0.192.in-addr.arpa. TTL PTR www.example.test.'] },
  ],
];

const aliases: Case[] = [
  [
    `outside.${S}`,
    'A',
    found(`outside.${S} 5 CNAME www.example.test.`, 'www.example.test. TTL A 192.0.2.80'),
  ],
  [
    `outside.${S}`,
    'AAAA',
    found(`outside.${S} 5 CNAME www.example.test.`, 'www.example.test. TTL AAAA 2001:db8::80'),
  ],
  [`outside.${S}`, 'CNAME', found(`outside.${S} 5 CNAME www.example.test.`)],
  [`inside.${S}`, 'A', found(`inside.${S} 5 CNAME web.${S}`, `web.${S} 5 A 10.96.1.1`)],
  [`_http._tcp.outside.${S}`, 'SRV', missing()],
  [`any.outside.${S}`, 'A', missing()],
];

const podNames: Case[] = [
  [`10-244-1-1.default.pod.${Z}`, 'A', found(`10-244-1-1.default.pod.${Z} 5 A 10.244.1.1`)],
  [`fd00-10-244--1.default.pod.${Z}`, 'AAAA', found(`fd00-10-244--1.default.pod.${Z} 5 AAAA fd00:10:244::1`)],
  [`10-244-1-1.default.pod.${Z}`, 'AAAA', noData()],
  [`10-244-1-1.kube-system.pod.${Z}`, 'A', missing()],
  [`10-244-1-2.default.pod.${Z}`, 'A', missing()],
  [`default.pod.${Z}`, 'A', noData()],
  [`nope.pod.${Z}`, 'A', missing()],
];

const forwarded: Case[] = [
  ['www.example.test.', 'A', { flags: '', answer: ['www.example.test. TTL A 192.0.2.80'] }],
  ['nope.example.test.', 'A', { flags: '', status: 'NXDOMAIN' }],
];

/** Every line of the specification that is about records: by topic, a question and its whole answer. */
export const tables: Readonly<Record<string, readonly Case[]>> = {
  'the zone itself': apex,
  'Services with addresses of their own': clusterIPs,
  'headless Services': headless,
  'reverse names': reverse,
  'ExternalName Services': aliases,
  'names of pods': podNames,
  'names outside of the cluster': forwarded,
};
