import t from 'tap';

import type { ResourceRecord } from '../../dns/records.ts';
import type { RecordSource } from '../../dns/service-records.ts';
import { recordsIn, ZoneEntries } from '../../dns/zone-entries.ts';

/** A source of records with one text each, by name; counts how often it was asked. */
function source(texts: Record<string, string>) {
  const counter = { asked: 0 };
  const records = () => {
    counter.asked += 1;
    return new Map(
      Object.entries(texts).map(([name, data]): [string, ResourceRecord[]] => [
        name,
        data === '' ? [] : [{ name, type: 1, ttlSeconds: 5, data }],
      ]),
    );
  };
  return { counter, records };
}

const texts = (entries: ZoneEntries, name: string): string[] | undefined => {
  const entry = entries.get(name);
  return entry && recordsIn(entry, 1).map(({ data }) => data);
};

t.test('a name is made once, when it is asked for, and again when it changed', (t) => {
  const entries = new ZoneEntries();
  const first = source({ a: '1', b: '' });
  entries.replace('owner', first);
  const { asked } = first.counter;
  const entry = entries.get('a');
  t.strictSame(texts(entries, 'a'), ['1']);
  t.equal(entries.get('a'), entry);
  t.equal(first.counter.asked, asked + 1);
  t.strictSame(texts(entries, 'b'), [], 'a name without records exists');
  t.equal(entries.get('c'), undefined);
  entries.replace('owner', source({ a: '2', c: '3' }));
  t.strictSame([texts(entries, 'a'), texts(entries, 'b'), texts(entries, 'c')], [['2'], undefined, ['3']]);
  t.strictSame([entries.has('a'), entries.has('b')], [true, false]);
  entries.replace('owner', undefined);
  t.strictSame([texts(entries, 'a'), entries.has('c')], [undefined, false]);
  t.end();
});

t.test('a name that two owners have', (t) => {
  const entries = new ZoneEntries();
  entries.replace('x', source({ a: '1' }));
  entries.replace('y', source({ a: '2' }));
  t.strictSame(texts(entries, 'a'), ['2', '1']);
  entries.replace('y', source({}));
  t.strictSame(texts(entries, 'a'), ['1']);
  entries.replace('z', source({ a: '3' }));
  entries.replace('x', undefined);
  t.strictSame(texts(entries, 'a'), ['3']);
  t.end();
});

t.test('a source that cannot be expressed leaves everything as it was', (t) => {
  const entries = new ZoneEntries();
  entries.replace('owner', source({ a: '1' }));
  const broken: RecordSource = {
    records: () => {
      throw new RangeError('too long');
    },
  };
  t.throws(() => entries.replace('owner', broken), RangeError);
  t.strictSame(texts(entries, 'a'), ['1']);
  t.end();
});
