import t from 'tap';
import { SharedValues } from '../../agent/shared-values.ts';

const shared = new SharedValues();
const first = shared.of({ ready: true });
t.equal(shared.of({ ready: true }), first);
t.not(shared.of({ ready: false }), first);
t.strictSame(shared.of('{"ready":true}'), '{"ready":true}', 'a text that looks like an object');
t.strictSame(shared.of({ ready: true }), { ready: true });
for (let i = 0; i < 20_000; i += 1) shared.of(`text ${String(i)}`);
t.strictSame(shared.of({ ready: true }), { ready: true }, 'after more values than are remembered');
