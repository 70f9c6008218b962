import t from 'tap';
import { handlerOf } from './cluster.ts';
import { ask } from './exchange.ts';
import { checkTable, exampleCluster, S, soaOf, type Row } from './example-cluster.ts';

const table: readonly Row[] = [
  { question: '1.1.96.10.in-addr.arpa PTR', answer: [`1.1.96.10.in-addr.arpa. 5 PTR web.${S}.`] },
  { question: '10.1.244.10.in-addr.arpa PTR', answer: [`10.1.244.10.in-addr.arpa. 5 PTR db-0.db.${S}.`] },
  {
    question: '11.1.244.10.in-addr.arpa PTR',
    answer: [
      `11.1.244.10.in-addr.arpa. 5 PTR 10-244-1-11.twin.${S}.`,
      `11.1.244.10.in-addr.arpa. 5 PTR 10-244-1-11.db.${S}.`,
    ],
  },
  {
    question: '1.0.0.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa PTR',
    answer: [`1.0.0.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa. 5 PTR web.${S}.`],
  },
  { question: '1.1.96.10.in-addr.arpa A', soa: '96.10.in-addr.arpa' },
  { question: '9.9.96.10.in-addr.arpa PTR', rcode: 'NXDOMAIN', soa: '96.10.in-addr.arpa' },
  { question: '12.1.244.10.in-addr.arpa PTR', rcode: 'NXDOMAIN', soa: '244.10.in-addr.arpa' },
  { question: '1.96.10.in-addr.arpa PTR', soa: '96.10.in-addr.arpa' },
  { question: '256.96.10.in-addr.arpa PTR', rcode: 'NXDOMAIN', soa: '96.10.in-addr.arpa' },
  { question: 'x.1.1.96.10.in-addr.arpa PTR', rcode: 'NXDOMAIN', soa: '96.10.in-addr.arpa' },
  {
    question: '96.10.in-addr.arpa NS',
    answer: ['96.10.in-addr.arpa. 5 NS ns.dns.cluster.local.'],
    additional: ['ns.dns.cluster.local. 5 A 10.96.0.10', 'ns.dns.cluster.local. 5 AAAA fd00:10:96::a'],
  },
  {
    question: '42.1.244.10.in-addr.arpa PTR',
    answer: [`42.1.244.10.in-addr.arpa. 5 PTR 10-244-1-42.many.${S}.`],
  },
  {
    question: '5.113.0.203.in-addr.arpa PTR',
    answer: [`5.113.0.203.in-addr.arpa. 5 PTR 203-0-113-5.far.${S}.`],
  },
  { question: '96.10.in-addr.arpa SOA', answer: [soaOf('96.10.in-addr.arpa')] },
  { question: '01.1.96.10.in-addr.arpa PTR', rcode: 'NXDOMAIN', soa: '96.10.in-addr.arpa' },
  {
    question: '2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa PTR',
    rcode: 'NXDOMAIN',
    soa: '0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa',
  },
  {
    question: '0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa PTR',
    soa: '0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa',
  },
];

t.test('reverse names', async (t) => {
  await checkTable(t, exampleCluster(), table);
});

t.test('addresses outside of the cluster are asked for elsewhere', async (t) => {
  const handler = handlerOf(exampleCluster());
  // No upstream server is known here: what is not ours fails.
  for (const name of [
    '6.113.0.203.in-addr.arpa',
    '1.1.97.10.in-addr.arpa',
    'in-addr.arpa',
    '10.in-addr.arpa',
  ]) {
    t.equal((await ask(handler, name, 'PTR')).rcode, 'SERVFAIL', name);
  }
});
