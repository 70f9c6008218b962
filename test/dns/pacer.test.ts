import t from 'tap';
import { Pacer } from '../../dns/pacer.ts';

t.test('so many in a turn, in order, and none is forgotten', async (t) => {
  const pacer = new Pacer(2);
  const done: number[] = [];
  for (let piece = 0; piece < 5; piece += 1) void pacer.take().then(() => done.push(piece));
  const seen: number[][] = [];
  for (let turn = 0; turn < 5; turn += 1) {
    await new Promise((resolve) => void setImmediate(resolve));
    seen.push([...done]);
  }
  t.strictSame(seen[0], [0, 1, 2, 3].slice(0, seen[0]?.length));
  t.ok((seen[0]?.length ?? 0) < 5, 'not all at once');
  t.strictSame(seen.at(-1), [0, 1, 2, 3, 4]);
  await pacer.take();
  t.pass('and who comes alone does not wait');
});
