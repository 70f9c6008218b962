import t from 'tap';
import { checkTable, exampleCluster, S, type Row } from './example-cluster.ts';

const table: readonly Row[] = [
  { question: `db.${S} A`, answer: [`db.${S}. 5 A 10.244.1.10`, `db.${S}. 5 A 10.244.1.11`] },
  { question: `db.${S} AAAA`, answer: [`db.${S}. 5 AAAA fd00:10:244::10`] },
  { question: `db-0.db.${S} A`, answer: [`db-0.db.${S}. 5 A 10.244.1.10`] },
  { question: `db-0.db.${S} AAAA`, answer: [`db-0.db.${S}. 5 AAAA fd00:10:244::10`] },
  { question: `10-244-1-11.db.${S} A`, answer: [`10-244-1-11.db.${S}. 5 A 10.244.1.11`] },
  { question: `10-244-1-11.db.${S} AAAA`, soa: 'cluster.local' },
  { question: `10-244-1-10.db.${S} A`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `10-244-1-12.db.${S} A`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  {
    question: `_http._tcp.db.${S} SRV`,
    answer: [
      `_http._tcp.db.${S}. 5 SRV 0 50 8080 db-0.db.${S}.`,
      `_http._tcp.db.${S}. 5 SRV 0 50 8080 10-244-1-11.db.${S}.`,
    ],
    additional: [
      `db-0.db.${S}. 5 A 10.244.1.10`,
      `db-0.db.${S}. 5 AAAA fd00:10:244::10`,
      `10-244-1-11.db.${S}. 5 A 10.244.1.11`,
    ],
  },
  { question: `_http._udp.db.${S} SRV`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `cold.${S} A`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `_http._tcp.cold.${S} SRV`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `eager.${S} A`, answer: [`eager.${S}. 5 A 10.244.1.20`] },
  { question: `portless.${S} A`, answer: [`portless.${S}. 5 A 10.244.1.30`] },
  { question: `portless.${S} SRV`, soa: 'cluster.local' },
  {
    question: `fd00-10-244-0-1--30.portless.${S} AAAA`,
    answer: [`fd00-10-244-0-1--30.portless.${S}. 5 AAAA fd00:10:244:0:1::30`],
  },
  {
    question: `many.${S} A`,
    answer: [`many.${S}. 5 A 10.244.1.40`, `many.${S}. 5 A 10.244.1.41`, `many.${S}. 5 A 10.244.1.42`],
  },
  {
    question: `many-0.many.${S} A`,
    answer: [`many-0.many.${S}. 5 A 10.244.1.40`, `many-0.many.${S}. 5 A 10.244.1.41`],
  },
  { question: `10-244-1-42.many.${S} A`, answer: [`10-244-1-42.many.${S}. 5 A 10.244.1.42`] },
  {
    question: `_http._tcp.many.${S} SRV`,
    answer: [`_http._tcp.many.${S}. 5 SRV 0 100 8080 many-0.many.${S}.`],
    additional: [`many-0.many.${S}. 5 A 10.244.1.40`, `many-0.many.${S}. 5 A 10.244.1.41`],
  },
  { question: `_tcp.many.${S} A`, soa: 'cluster.local' },
  { question: `_._tcp.many.${S} SRV`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  {
    question: `many.${S} SRV`,
    answer: [
      `many.${S}. 5 SRV 0 33 8080 many-0.many.${S}.`,
      `many.${S}. 5 SRV 0 33 9090 many-0.many.${S}.`,
      `many.${S}. 5 SRV 0 33 9090 10-244-1-42.many.${S}.`,
    ],
    additional: [
      `many-0.many.${S}. 5 A 10.244.1.40`,
      `many-0.many.${S}. 5 A 10.244.1.41`,
      `10-244-1-42.many.${S}. 5 A 10.244.1.42`,
    ],
  },
  { question: `x.db-0.db.${S} A`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `db-0.twin.${S} A`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `db-0.db.${S} TXT`, soa: 'cluster.local' },
  // An address is called by one label: RFC 5952's with dashes.
  { question: `fd00-10-244-0-1-0-0-30.portless.${S} AAAA`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `010-244-1-30.portless.${S} A`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `far.${S} A`, answer: [`far.${S}. 5 A 203.0.113.5`] },
];

t.test('names of a headless Service', async (t) => {
  await checkTable(t, exampleCluster(), table);
});
