import t from 'tap';
import { parseResolvConf } from '../../dns/resolv-conf.ts';
import { ndotsOf, searchGoesOn, searchSteps, stopsInMusl } from '../../dns/search-path.ts';

const pod = 'search shop.svc.cluster.local svc.cluster.local cluster.local example.org\noptions ndots:5\n';

/** What a program looks up, by which resolv.conf, and the names that are asked for. */
const rows: readonly [name: string, conf: string, asked: readonly string[]][] = [
  [
    'web',
    pod,
    ['web.shop.svc.cluster.local', 'web.svc.cluster.local', 'web.cluster.local', 'web.example.org', 'web'],
  ],
  ['web.', pod, ['web']],
  ['a.b.c.d.e', 'search one.test\noptions ndots:5\n', ['a.b.c.d.e.one.test', 'a.b.c.d.e']],
  ['a.b.c.d.e.f', 'search one.test\noptions ndots:5\n', ['a.b.c.d.e.f', 'a.b.c.d.e.f.one.test']],
  ['web', 'search one.test\n', ['web.one.test', 'web']],
  ['www.example.org', 'search one.test\n', ['www.example.org', 'www.example.org.one.test']],
  ['web', 'search one.test. .\noptions ndots:2 ndots:0\n', ['web', 'web.one.test']],
  ['web', '', ['web']],
];

t.test('the names that a resolver asks for', (t) => {
  for (const [name, conf, asked] of rows) {
    const steps = searchSteps(name, parseResolvConf(conf));
    t.strictSame(
      steps.map((step) => step.name),
      asked,
      `${name} by ${JSON.stringify(conf)}`,
    );
  }
  const [first, , , , last] = searchSteps('web', parseResolvConf(pod));
  t.strictSame([first?.domain, last?.domain], ['shop.svc.cluster.local', undefined]);
  t.end();
});

t.test('ndots', (t) => {
  const ndots = (options: string): number => ndotsOf({ options: options.split(' ') });
  t.strictSame([ndots(''), ndots('ndots:3'), ndots('rotate ndots:2 ndots:99 ndots:x')], [1, 3, 15]);
  t.end();
});

t.test('where a search ends', (t) => {
  const outcomes = ['found', 'no-data', 'no-name', 'failed', 'silence'] as const;
  t.strictSame(outcomes.filter(searchGoesOn), ['no-data', 'no-name', 'failed']);
  t.strictSame(outcomes.filter(stopsInMusl), ['no-data', 'failed']);
  t.end();
});
