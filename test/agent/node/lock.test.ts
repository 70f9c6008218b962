import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { acquireLock, isHeld } from '../../../agent/node/lock.ts';

const directory = mkdtempSync(join(tmpdir(), 'weft-lock-'));
t.teardown(() => rmSync(directory, { recursive: true }));

t.test('a second taker learns who holds the lock', (t) => {
  const path = join(directory, 'run', 'agent.lock');
  const first = acquireLock(path);
  t.ok(isHeld(first));
  t.same(acquireLock(path), { pid: process.pid });
  if (isHeld(first)) first.release();
  t.notOk(existsSync(path), 'the file goes with the lock');
  const second = acquireLock(path);
  t.ok(isHeld(second), 'released, it can be taken again');
  if (isHeld(second)) second.release();
  t.end();
});

t.test('a process that dies lets go', (t) => {
  const path = join(directory, 'left.lock');
  const lock = join(import.meta.dirname, '../../../agent/node/lock.ts');
  const program = `import { acquireLock } from ${JSON.stringify(lock)}; acquireLock(${JSON.stringify(path)}); process.kill(process.pid, 'SIGKILL');`;
  t.throws(() => execFileSync(process.execPath, ['--input-type=module', '-e', program]), /Command failed/);
  t.ok(existsSync(path), 'the file is left');
  const again = acquireLock(path);
  t.ok(isHeld(again));
  if (isHeld(again)) again.release();
  t.end();
});

t.test('a file without a number in it hides nobody', (t) => {
  const path = join(directory, 'odd.lock');
  writeFileSync(path, 'nobody');
  const lock = acquireLock(path);
  t.ok(isHeld(lock));
  t.same(acquireLock(path), { pid: process.pid });
  if (isHeld(lock)) lock.release();
  t.end();
});
