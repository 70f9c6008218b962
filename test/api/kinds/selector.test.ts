import t from 'tap';
import {
  compileLabelSelector,
  matchesLabels,
  parseFieldSelector,
  parseLabelSelector,
  selectorOf,
} from '../../../api/kinds/selector.ts';

const labels = { app: 'nginx', tier: 'front', version: '12', empty: '' };

const matching: [string, boolean, string?][] = [
  ['', true],
  ['app=nginx', true],
  ['app==nginx', true, 'app=nginx'],
  ['app = nginx', true, 'app=nginx'],
  ['app=other', false],
  ['app!=nginx', false],
  ['app!=other', true],
  ['missing!=x', true],
  ['missing=x', false],
  ['empty=', true],
  ['app', true],
  ['!app', false],
  ['!missing', true],
  ['app in (nginx,apache)', true],
  ['app in ( nginx , apache )', true, 'app in (nginx,apache)'],
  ['app in (nginx)', true, 'app=nginx'],
  ['app notin (nginx,apache)', false],
  ['missing notin (x,y)', true],
  ['version>11', true],
  ['version>12', false],
  ['version<13', true],
  ['app=nginx,tier in (front,back),!canary', true],
  ['app=nginx,tier=back', false],
  ['example.com/role=a', false],
];

for (const [text, expected, canonical] of matching) {
  t.test(`labels: ${text}`, (t) => {
    const selector = parseLabelSelector(text);
    t.equal(selector.matches(labels), expected);
    t.equal(selector.render(), canonical ?? text);
    t.equal(selector.empty, text === '');
    t.end();
  });
}

for (const text of [
  'a=b=c',
  '=x',
  'a in x',
  'a in (x',
  'a b',
  'a,,b',
  ',a',
  'a=b,',
  'a b=c',
  'x/y/z',
  'a=b c',
  'a>b',
  'a=-x',
]) {
  t.test(`not a label selector: ${text}`, (t) => {
    t.throws(() => parseLabelSelector(text), { name: 'SelectorError', code: 'BadRequest' });
    t.end();
  });
}

t.test('fields', (t) => {
  const fields = { 'metadata.name': 'web', 'status.phase': 'Running', odd: 'a,b=c' };
  t.ok(parseFieldSelector('metadata.name=web').matches(fields));
  t.ok(parseFieldSelector('metadata.name=web,status.phase!=Failed').matches(fields));
  t.notOk(parseFieldSelector('status.phase!=Running').matches(fields));
  t.ok(parseFieldSelector('odd=a\\,b\\=c').matches(fields));
  t.equal(parseFieldSelector('metadata.name==web').exactly('metadata.name'), 'web');
  t.equal(parseFieldSelector('metadata.name!=web').exactly('metadata.name'), undefined);
  t.strictSame(parseFieldSelector('a=b,c=').keys, ['a', 'c']);
  t.throws(() => parseFieldSelector('metadata.name'), { name: 'SelectorError' });
  t.end();
});

t.test("objects' selectors", (t) => {
  t.ok(compileLabelSelector({}).matches(undefined), 'empty selects everything');
  const selector = compileLabelSelector({
    matchLabels: { app: 'nginx' },
    matchExpressions: [
      { key: 'tier', operator: 'In', values: ['front'] },
      { key: 'x', operator: 'DoesNotExist' },
      { key: 'app', operator: 'Exists' },
      { key: 'app', operator: 'NotIn', values: ['y'] },
    ],
  });
  t.ok(selector.matches(labels));
  t.notOk(selector.matches({ ...labels, x: '' }));
  t.throws(() => compileLabelSelector({ matchExpressions: [{ key: 'a', operator: 'Like' }] }), {
    name: 'SelectorError',
  });
  t.equal(selectorOf({ b: '2', a: '1' }).render(), 'a=1,b=2');
  t.ok(matchesLabels({ app: 'nginx' }, labels));
  t.notOk(matchesLabels({ app: 'nginx' }, undefined));
  t.end();
});
