import t from 'tap';
import { handlerOf } from './cluster.ts';
import { ask } from './exchange.ts';
import { checkTable, exampleCluster, S, soaOf, type Row } from './example-cluster.ts';

const table: readonly Row[] = [
  { question: 'cluster.local SOA', answer: [soaOf('cluster.local')] },
  {
    question: 'cluster.local NS',
    answer: ['cluster.local. 5 NS ns.dns.cluster.local.'],
    additional: ['ns.dns.cluster.local. 5 A 10.96.0.10', 'ns.dns.cluster.local. 5 AAAA fd00:10:96::a'],
  },
  { question: 'cluster.local A', soa: 'cluster.local' },
  { question: 'cluster.local SRV', soa: 'cluster.local' },
  { question: 'svc.cluster.local A', soa: 'cluster.local' },
  { question: 'pod.cluster.local AAAA', soa: 'cluster.local' },
  { question: 'default.svc.cluster.local A', soa: 'cluster.local' },
  { question: 'default.pod.cluster.local A', soa: 'cluster.local' },
  { question: 'dns.cluster.local A', soa: 'cluster.local' },
  { question: 'ns.dns.cluster.local A', answer: ['ns.dns.cluster.local. 5 A 10.96.0.10'] },
  { question: 'dns-version.cluster.local TXT', answer: ['dns-version.cluster.local. 5 TXT "1.1.0"'] },
  { question: 'dns-version.cluster.local A', soa: 'cluster.local' },
  { question: 'other.svc.cluster.local SRV', soa: 'cluster.local' },
  { question: 'svc.cluster.local SRV', soa: 'cluster.local' },
  { question: 'cluster.local TXT', soa: 'cluster.local' },
  { question: 'ns.dns.cluster.local AAAA', answer: ['ns.dns.cluster.local. 5 AAAA fd00:10:96::a'] },
  { question: 'x.dns.cluster.local A', rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: 'x.dns-version.cluster.local TXT', rcode: 'NXDOMAIN', soa: 'cluster.local' },
  // What is not there  { question: `nothing.${S} A`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: `nothing.${S} SRV`, rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: 'web.other.svc.cluster.local A', rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: 'web.missing.svc.cluster.local A', rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: 'missing.svc.cluster.local A', rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: 'web.cluster.local A', rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: 'www.example.com.cluster.local A', rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: 'missing.svc.cluster.local SOA', rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: 'default.cluster.local A', rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: 'web.default.cluster.local A', rcode: 'NXDOMAIN', soa: 'cluster.local' },
];

t.test('what is in the zone whatever the cluster holds', async (t) => {
  await checkTable(t, exampleCluster(), table);
});

t.test('TTLs and the least of the SOA are those configured', async (t) => {
  const handler = handlerOf(exampleCluster({ ttlSeconds: 30 }));
  t.strictSame((await ask(handler, `web.${S}`, 'A')).answer, [`web.${S}. 30 A 10.96.1.1`]);
  t.strictSame((await ask(handler, 'cluster.local', 'SOA')).answer, [soaOf('cluster.local', 30)]);
  t.strictSame((await ask(handler, `nothing.${S}`, 'A')).authority, [soaOf('cluster.local', 30)]);
});
