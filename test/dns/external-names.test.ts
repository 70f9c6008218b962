import t from 'tap';
import { checkTable, exampleCluster, S, type Row } from './example-cluster.ts';

const table: readonly Row[] = [
  {
    question: `ext.${S} A`,
    answer: [`ext.${S}. 5 CNAME web.${S}.`, `web.${S}. 5 A 10.96.1.1`],
  },
  { question: `ext.${S} CNAME`, answer: [`ext.${S}. 5 CNAME web.${S}.`] },
  { question: `ext.${S} TXT`, answer: [`ext.${S}. 5 CNAME web.${S}.`], soa: 'cluster.local' },
  {
    question: `lost.${S} A`,
    rcode: 'NXDOMAIN',
    answer: [`lost.${S}. 5 CNAME nothing.${S}.`],
    soa: 'cluster.local',
  },
  { question: `_http._tcp.ext.${S} SRV`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `any.ext.${S} A`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `address.${S} A`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `_tcp.ext.${S} SRV`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  {
    question: `ext.${S} SRV`,
    answer: [
      `ext.${S}. 5 CNAME web.${S}.`,
      `web.${S}. 5 SRV 0 50 80 web.${S}.`,
      `web.${S}. 5 SRV 0 50 9000 web.${S}.`,
    ],
  },
];

t.test('names of an ExternalName Service', async (t) => {
  await checkTable(t, exampleCluster(), table);
});
