import t from 'tap';

import { CompiledServices } from '../../../agent/services/compiled.ts';
import type { CompiledService } from '../../../iptables/model.ts';

/** Services by key, each with the one thing that can change about it here; counts what is compiled. */
function setup(services: Record<string, string>) {
  const compiles: string[] = [];
  const known = new Map(Object.entries(services));
  const compiled = new CompiledServices({
    keys: () => [...known.keys()],
    compile: (key): CompiledService | undefined => {
      compiles.push(key);
      const created = known.get(key);
      if (created === undefined) return undefined;
      if (created === 'nonsense') throw new TypeError('endpoints is not iterable');
      return { key, created, frontends: [], problems: [] };
    },
  });
  const changes = (): string[] =>
    [...compiled.changes()].map(
      ({ key, before, after }) => `${key}: ${before?.created ?? 'none'} → ${after?.created ?? 'none'}`,
    );
  return { compiled, known, changes, compiles: () => compiles.splice(0) };
}

const context = { nodeName: 'node1', dnsIPs: [] };

t.test('a change costs the Services that it concerns', (t) => {
  const { compiled, known, changes, compiles } = setup({ a: '1', b: '1' });
  t.strictSame([...compiled.update(context)], ['a', 'b']);
  t.strictSame(compiles(), ['a', 'b'], 'everything at first');
  compiled.noteSynced();
  t.strictSame([...compiled.update(context)], []);
  t.strictSame(compiles(), [], 'nothing without a mark');
  known.set('a', '2');
  compiled.mark(['a', 'a']);
  t.equal(compiled.waiting, 1);
  t.strictSame([...compiled.update(context)], ['a']);
  t.strictSame(compiles(), ['a']);
  t.strictSame(changes(), ['a: 1 → 2']);
  compiled.noteSynced();
  compiled.mark(['b']);
  t.strictSame([...compiled.update(context)], [], 'a mark without a change');
  t.equal(compiled.waiting, 0);
  t.end();
});

t.test('what could not be programmed stays, with what was before it', (t) => {
  const { compiled, known, changes } = setup({ a: '1' });
  compiled.update(context);
  compiled.noteSynced();
  known.set('a', '2');
  compiled.mark(['a']);
  compiled.update(context);
  known.delete('a');
  compiled.mark(['a']);
  t.strictSame([...compiled.update(context)], ['a']);
  t.strictSame(changes(), ['a: 1 → none']);
  t.equal(compiled.all.size, 0);
  compiled.mark(['b']);
  t.equal(compiled.waiting, 2);
  t.end();
});

t.test('another context concerns all, also those that are gone', (t) => {
  const { compiled, known, compiles } = setup({ a: '1' });
  compiled.update(context);
  compiles();
  known.delete('a');
  known.set('b', '1');
  compiled.update({ ...context, zone: 'z' });
  t.strictSame(compiles(), ['a', 'b']);
  t.end();
});

t.test('an object that cannot be understood keeps what it had, and is named', (t) => {
  const { compiled, known } = setup({ a: '1', b: 'nonsense' });
  t.strictSame([...compiled.update(context)], ['a', 'b']);
  t.match(compiled.all.get('b'), { frontends: [], problems: [/cannot be understood: endpoints is not/] });
  compiled.noteSynced();
  known.set('a', 'nonsense');
  compiled.mark(['a']);
  t.strictSame([...compiled.update(context)], ['a']);
  t.match(compiled.all.get('a'), { created: '1', problems: [/cannot be understood/] });
  compiled.mark(['a']);
  compiled.noteSynced();
  t.strictSame([...compiled.update(context)], [], 'once');
  known.set('a', '1');
  compiled.mark(['a']);
  compiled.update(context);
  t.strictSame(compiled.all.get('a')?.problems, []);
  t.end();
});
