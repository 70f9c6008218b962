import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import {
  endProcess,
  findProcess,
  parseProcessStat,
  writeProcessRecord,
} from '../../../agent/lab/process-record.ts';

const directory = mkdtempSync(join(tmpdir(), 'weft-process-record-'));
t.teardown(() => rmSync(directory, { recursive: true }));
const file = join(directory, 'node1.pid');

t.test('a command may be called anything', (t) => {
  const stat = `7 (a) S (b) R 1 ${Array.from({ length: 17 }, (_, index) => index).join(' ')} 4711 0`;
  t.match(parseProcessStat(stat), { state: 'R', startTime: '4711', threads: 15 });
  t.end();
});

t.test('what is written down is found while it runs, and ended', async (t) => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  const exit = once(child, 'exit');
  writeProcessRecord(file, child.pid ?? 0, 'print');
  t.match(findProcess(file), { pid: child.pid, fingerprint: 'print' });
  await endProcess(file, 'SIGTERM');
  t.same((await exit)[1], 'SIGTERM');
  t.equal(findProcess(file), undefined);
});

t.test('a number that belongs to another process now is nobody to signal', async (t) => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  t.teardown(() => child.kill('SIGKILL'));
  const ours = writeProcessRecord(file, child.pid ?? 0, 'print');
  for (const other of [{ startTime: '1' }, { bootId: 'an earlier one' }, { startTime: '' }]) {
    writeFileSync(file, JSON.stringify({ ...ours, ...other }));
    t.equal(findProcess(file), undefined, JSON.stringify(other));
    await endProcess(file, 'SIGKILL');
  }
  const stat = readFileSync(`/proc/${child.pid ?? 0}/stat`, 'utf8');
  t.not(parseProcessStat(stat).state, 'Z', 'it lives on');
  t.equal(child.exitCode ?? child.signalCode, null);
});

t.test('a damaged record names no process', (t) => {
  for (const text of ['', '{"pid":1', 'null', '{}', '{"pid":1}', '[]']) {
    writeFileSync(file, text);
    t.equal(findProcess(file), undefined, text);
  }
  t.end();
});
