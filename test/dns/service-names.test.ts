import t from 'tap';
import { checkTable, exampleCluster, S, type Row } from './example-cluster.ts';

const table: readonly Row[] = [
  { question: `web.${S} A`, answer: [`web.${S}. 5 A 10.96.1.1`] },
  { question: `web.${S} AAAA`, answer: [`web.${S}. 5 AAAA fd00:10:96::1:1`] },
  { question: `plain.${S} A`, answer: [`plain.${S}. 5 A 10.96.1.2`] },
  { question: `plain.${S} AAAA`, soa: 'cluster.local' },
  { question: `web.${S} TXT`, soa: 'cluster.local' },
  {
    question: `_http._tcp.web.${S} SRV`,
    answer: [`_http._tcp.web.${S}. 5 SRV 0 100 80 web.${S}.`],
    additional: [`web.${S}. 5 A 10.96.1.1`, `web.${S}. 5 AAAA fd00:10:96::1:1`],
  },
  {
    question: `_metrics._udp.web.${S} SRV`,
    answer: [`_metrics._udp.web.${S}. 5 SRV 0 100 9000 web.${S}.`],
    additional: [`web.${S}. 5 A 10.96.1.1`, `web.${S}. 5 AAAA fd00:10:96::1:1`],
  },
  {
    question: `web.${S} SRV`,
    answer: [`web.${S}. 5 SRV 0 50 80 web.${S}.`, `web.${S}. 5 SRV 0 50 9000 web.${S}.`],
    additional: [`web.${S}. 5 A 10.96.1.1`, `web.${S}. 5 AAAA fd00:10:96::1:1`],
  },
  {
    question: `plain.${S} SRV`,
    answer: [`plain.${S}. 5 SRV 0 100 80 plain.${S}.`],
    additional: [`plain.${S}. 5 A 10.96.1.2`],
  },
  { question: `_http._tcp.web.${S} A`, soa: 'cluster.local' },
  { question: `_tcp.web.${S} SRV`, soa: 'cluster.local' },
  { question: `_http._udp.web.${S} SRV`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `_nope._tcp.web.${S} SRV`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `_http._tcp.plain.${S} SRV`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `_._tcp.plain.${S} SRV`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `10-96-1-1.web.${S} A`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  {
    question: `both.${S} SRV`,
    answer: [`both.${S}. 5 SRV 0 100 53 both.${S}.`],
    additional: [`both.${S}. 5 A 10.96.1.3`],
  },
  {
    question: `_dns._udp.both.${S} SRV`,
    answer: [`_dns._udp.both.${S}. 5 SRV 0 100 53 both.${S}.`],
    additional: [`both.${S}. 5 A 10.96.1.3`],
  },
  { question: `_dns._tcp.both.${S} SRV`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `_dns-tcp._udp.both.${S} SRV`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `_sctp.both.${S} SRV`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `http._tcp.web.${S} SRV`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `_http.tcp.web.${S} SRV`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `x._http._tcp.web.${S} SRV`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `x.web.${S} A`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `web.${S} PTR`, soa: 'cluster.local' },
  { question: `web.${S} MX`, soa: 'cluster.local' },
  { question: `web.${S} NS`, soa: 'cluster.local' },
  { question: `web.${S} SOA`, soa: 'cluster.local' },
  { question: `web.${S} CNAME`, soa: 'cluster.local' },
];

t.test('names of a Service with an address', async (t) => {
  await checkTable(t, exampleCluster(), table);
});
