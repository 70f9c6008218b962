import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { parseMountsUnder } from '../../agent/cleanup/mounts.ts';
import { killAll, listProcesses, readArguments } from '../../agent/processes.ts';
import {
  endProcess,
  findProcess,
  isRunning,
  parseProcessStat,
  writeProcessRecord,
} from '../../agent/lab/process-record.ts';

const directory = mkdtempSync(join(tmpdir(), 'weft-processes-'));
t.teardown(() => rmSync(directory, { recursive: true }));

function startSleeper(): { pid: number; ended: Promise<unknown> } {
  const child = spawn('sleep', ['300.25'], { stdio: 'ignore' });
  t.teardown(() => child.kill('SIGKILL'));
  return {
    pid: child.pid ?? 0,
    ended: new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal))),
  };
}

t.test('the start time is read behind a name that tries to confuse', (t) => {
  const rest = Array.from({ length: 30 }, (_, index) => String(index + 3));
  const stat = `42 (evil) 7 (name)) S ${rest.slice(1).join(' ')}`;
  t.same(parseProcessStat(stat), { state: 'S', startTime: '22', threads: 20 });
  t.end();
});

t.test('a recorded process is found, ended and forgotten', async (t) => {
  const { pid, ended } = startSleeper();
  const file = join(directory, 'sleeper.pid');
  const record = writeProcessRecord(file, pid, 'print');
  t.same(findProcess(file), { ...record, fingerprint: 'print' });
  await endProcess(file, 'SIGTERM');
  t.equal(await ended, 'SIGTERM');
  t.equal(findProcess(file), undefined);
  await endProcess(file, 'SIGTERM');
});

t.test('another process of the same number, and one of an earlier boot, are not ours', (t) => {
  const { pid } = startSleeper();
  const record = writeProcessRecord(join(directory, 'other.pid'), pid, '');
  t.ok(isRunning(record));
  t.notOk(isRunning({ ...record, startTime: '1' }));
  t.notOk(isRunning({ ...record, bootId: 'another' }));
  t.end();
});

t.test('all processes that match are killed, ourselves excepted', async (t) => {
  const { pid, ended } = startSleeper();
  const list = (): number[] => listProcesses((each) => each === process.pid || each === pid);
  t.same(list(), [pid]);
  t.same(readArguments(pid), ['sleep', '300.25']);
  // A zombie keeps its number until its parent, this process, has read its end.
  await Promise.all([killAll(() => list().filter((each) => readArguments(each).length > 0)), ended]);
  t.equal(await ended, 'SIGKILL');
});

t.test('mounts under a directory are found, the newest first', (t) => {
  const line = (path: string): string => `36 35 98:0 / ${path} rw,noatime - ext3 /dev/root rw`;
  const mountinfo = ['/', '/a', '/a/b', '/ab', '/a/with\\040space'].map(line).join('\n');
  t.same(parseMountsUnder(mountinfo, '/a'), ['/a/with space', '/a/b', '/a']);
  t.end();
});
