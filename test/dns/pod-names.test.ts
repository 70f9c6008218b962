import t from 'tap';
import { handlerOf } from './cluster.ts';
import { ask } from './exchange.ts';
import { checkTable, exampleCluster, type Row } from './example-cluster.ts';

const table: readonly Row[] = [
  {
    question: '10-244-1-10.default.pod.cluster.local A',
    answer: ['10-244-1-10.default.pod.cluster.local. 5 A 10.244.1.10'],
  },
  {
    question: 'fd00-10-244--10.default.pod.cluster.local AAAA',
    answer: ['fd00-10-244--10.default.pod.cluster.local. 5 AAAA fd00:10:244::10'],
  },
  { question: '10-244-1-10.default.pod.cluster.local AAAA', soa: 'cluster.local' },
  { question: '10-244-1-10.other.pod.cluster.local A', rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: '10-244-9-9.default.pod.cluster.local A', rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: '10-244-1-256.default.pod.cluster.local A', rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: 'name.default.pod.cluster.local A', rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: 'x.10-244-1-10.default.pod.cluster.local A', rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: '10-244-1-10.default.pod.cluster.local TXT', soa: 'cluster.local' },
  { question: '10-244-1-10.missing.pod.cluster.local A', rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: 'missing.pod.cluster.local A', rcode: 'NXDOMAIN', soa: 'cluster.local' },
  { question: 'default.pod.cluster.local A', soa: 'cluster.local' },
  {
    question: 'fd00-10-244-0-0-0-0-10.default.pod.cluster.local AAAA',
    answer: ['fd00-10-244-0-0-0-0-10.default.pod.cluster.local. 5 AAAA fd00:10:244::10'],
  },
];

t.test('names of pods', async (t) => {
  await checkTable(t, exampleCluster(), table);
});

t.test('pod names by mode', async (t) => {
  const name = '10-244-9-9.default.pod.cluster.local';
  const insecure = handlerOf(exampleCluster({ pods: 'insecure' }));
  t.strictSame((await ask(insecure, name, 'A')).answer, [`${name}. 5 A 10.244.9.9`]);
  t.equal((await ask(insecure, '10-244-9-9.missing.pod.cluster.local', 'A')).rcode, 'NXDOMAIN');
  const disabled = handlerOf(exampleCluster({ pods: 'disabled' }));
  t.equal((await ask(disabled, '10-244-1-10.default.pod.cluster.local', 'A')).rcode, 'NXDOMAIN');
  t.equal((await ask(disabled, 'pod.cluster.local', 'A')).rcode, 'NOERROR');
});
