import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { eventually } from '../../api/eventually.ts';
import type { Kube, Result } from './kube.ts';
import { countingPod, runImage, typedPod } from './objects.ts';

/** A command, what it is given, and what it prints and ends with. */
interface Check {
  readonly args: readonly string[];
  readonly input?: string;
  readonly stdout?: RegExp | string;
  readonly stderr?: RegExp;
  readonly code?: number;
}

async function expectAll(t: Test, kube: Kube, checks: readonly Check[]): Promise<void> {
  for (const { args, input, stdout = '', stderr, code = 0 } of checks) {
    const name = args.join(' ');
    const result: Result = await kube.run(args, input);
    t.equal(result.code, code, `${name} ends with ${code}: ${result.stderr}`);
    if (typeof stdout === 'string') t.equal(result.stdout, stdout, name);
    else t.match(result.stdout, stdout, name);
    if (stderr) t.match(result.stderr, stderr, name);
  }
}

const sh = (script: string): string[] => ['--', 'sh', '-c', script];

export async function checkExec(t: Test, kube: Kube): Promise<void> {
  await expectAll(t, kube, [
    {
      args: ['exec', 'shell', ...sh('echo out; echo err >&2; exit 7')],
      stdout: 'out\n',
      stderr: /^err\n.*exit code 7/s,
      code: 7,
    },
    { args: ['exec', '-i', 'shell', '--', 'cat'], input: 'hello', stdout: 'hello' },
    { args: ['exec', 'shell', '--', 'cat'], input: 'nobody reads it', stdout: '' },
    { args: ['exec', 'pair', '-c', 'other', '--', 'echo', 'hi'], stdout: 'hi\n' },
    { args: ['exec', 'rc/echo', '--', 'echo', 'hi'], stdout: 'hi\n' },
    { args: ['exec', 'shell', ...sh('echo to >/dev/stderr')], stderr: /^to\n/ },
    {
      args: ['exec', 'shell', '--', 'no-such'],
      stderr: /"no-such": executable file not found in \$PATH\n.*exit code 127/s,
      code: 127,
    },
    {
      args: ['exec', 'shell', '--', '/etc/passwd'],
      stderr: /permission denied\n.*exit code 126/s,
      code: 126,
    },
    {
      args: ['exec', 'shell', '-c', 'no-such', '--', 'true'],
      stderr: /container no-such is not valid for pod shell/,
      code: 1,
    },
    { args: ['exec', 'nobody', '--', 'true'], stderr: /pods "nobody" not found/, code: 1 },
    {
      args: ['exec', 'steps', '--', 'true'],
      stderr: /(completed pod; current phase is Succeeded|"main" in pod "steps" is not running)/,
      code: 1,
    },
    {
      args: ['exec', 'waits', '--', 'true'],
      stderr: /container "main" in pod "waits" is not running/,
      code: 1,
    },
  ]);
  const terminal = kube.terminal(t, ['exec', '-it', 'shell', '--', 'sh'], { columns: 101, rows: 31 });
  await terminal.expect(/[$#] $/);
  terminal.type('stty size; tty\r');
  await terminal.expect(/31 101\r\n\/dev\/pts\/\d+\r\n/);
  terminal.resize(77, 22);
  terminal.type(untilSize('22 77'));
  await terminal.expect(/size 22 77\r\n/);
  // Ctrl-C ends what runs in the container, not kubectl.
  terminal.type('sleep 1000\r');
  await terminal.expect(/sleep 1000\r\n/);
  terminal.type('\x03');
  await terminal.expect(/[$#] $/);
  terminal.type('exit 9\r');
  t.equal(await terminal.exitCode, 9, 'exec -it');
}

/** Typed at a shell: a size that is on its way is waited for, one that is lost never comes. */
function untilSize(size: string): string {
  return `until [ "$(stty size)" = "${size}" ]; do sleep 0.1; done; echo size $(stty size)\r`;
}

export async function checkLogs(t: Test, kube: Kube): Promise<void> {
  await eventually('steps is over', async () =>
    (await kube.run(['logs', 'steps'])).stdout.includes('step 3'),
  );
  const times = (await kube.expect(['logs', 'steps', '--timestamps']))
    .split('\n')
    .map((line) => line.split(' ')[0]);
  const all = 'step 1\nstep 2\nstep 3\n';
  await expectAll(t, kube, [
    { args: ['logs', 'steps'], stdout: all },
    { args: ['logs', 'steps', '--tail=1'], stdout: 'step 3\n' },
    { args: ['logs', 'steps', '--tail=0'], stdout: '' },
    { args: ['logs', 'steps', '--limit-bytes=8'], stdout: 'step 1\ns' },
    { args: ['logs', 'steps', '--since=1h'], stdout: all },
    { args: ['logs', 'steps', `--since-time=${times[2]}`], stdout: 'step 3\n' },
    {
      args: ['logs', 'steps', '--timestamps', '--tail=1'],
      stdout: /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}\S+ step 3\n$/,
    },
    { args: ['logs', 'pair', '-c', 'other'], stdout: 'other\n' },
    { args: ['logs', 'pair', '--all-containers'], stdout: /^(talk\nother|other\ntalk)\n$/ },
    {
      args: ['logs', '-l', 'app=pair', '--all-containers', '--prefix'],
      stdout: /^(\[pod\/pair\/(talk\] talk|other\] other)\n){2}$/,
    },
    { args: ['logs', 'rc/echo'], stdout: '', stderr: /^(Found .*)?$/s },
    { args: ['logs', 'crash', '--previous'], stdout: 'crashed\n' },
    { args: ['logs', 'crash'], stdout: /^(crashed\n)?$/ },
    {
      args: ['logs', 'shell', '--previous'],
      stderr: /previous terminated container "main" in pod "shell" not found/,
      code: 1,
    },
    {
      args: ['logs', 'waits'],
      stderr:
        /container "main" in pod "waits" is waiting to start: (trying and failing to pull image|image can't be pulled)/,
      code: 1,
    },
    {
      args: ['logs', 'shell', '-c', 'no-such'],
      stderr: /container no-such is not valid for pod shell/,
      code: 1,
    },
    { args: ['logs', 'nobody'], stderr: /pods "nobody" not found/, code: 1 },
  ]);
  const name = `counting${kube.minor}`;
  await kube.expect(['create', '-f', '-'], countingPod(name));
  await kube.expect(['wait', '--for=condition=Ready', `pod/${name}`]);
  await expectAll(t, kube, [{ args: ['logs', '-f', name], stdout: 'count 1\ncount 2\ncount 3\n' }]);
}

export async function checkRun(t: Test, kube: Kube): Promise<void> {
  const name = `run${kube.minor}`;
  const run = ['run', name, '--restart=Never', `--image=${runImage}`];
  await expectAll(t, kube, [
    {
      args: [...run, '--rm', '-i', ...sh('cat; echo bad >&2; exit 4')],
      input: 'from stdin\n',
      stdout: /^(If you don't.*\n)?from stdin\n(pod ".*" deleted.*\n)?$/,
      stderr: /bad\n/,
      code: 4,
    },
    {
      args: [...run, '--attach', ...sh('sleep 1; echo attached; exit 5')],
      stdout: /attached\n/,
      stderr: new RegExp(`pod default/${name} terminated`),
      code: 5,
    },
    { args: ['delete', 'pod', name, '--grace-period=1'], stdout: /deleted/ },
    { args: [...run, ...sh('echo plain')], stdout: `pod/${name} created\n` },
    { args: ['delete', 'pod', name, '--grace-period=1'], stdout: /deleted/ },
  ]);
  const terminal = kube.terminal(t, [...run, '--rm', '-it', '--', 'sh'], { columns: 90, rows: 30 });
  await terminal.expect(/press(ing)? enter/);
  terminal.type('\r');
  await terminal.expect(/[$#] $/);
  // kubectl first makes the terminal one line and column larger, so that the screen is drawn again.
  terminal.type(untilSize('30 90'));
  await terminal.expect(/size 30 90\r\n/);
  terminal.type('exit 8\r');
  t.equal(await terminal.exitCode, 8, 'run -it --rm');
  const typed = `typed${kube.minor}`;
  await kube.expect(['create', '-f', '-'], typedPod(typed));
  await kube.expect(['wait', '--for=condition=Ready', `pod/${typed}`]);
  await expectAll(t, kube, [
    {
      args: ['attach', '-i', typed],
      input: 'one\ntwo\n',
      stdout: /got one\ngot two\nover\n/,
      stderr: /heard one\nheard two\n/,
    },
    {
      args: ['attach', 'waits'],
      stderr: /container "main" in pod "waits" is not running|not running/,
      code: 1,
    },
  ]);
}

export async function checkCopy(t: Test, kube: Kube): Promise<void> {
  const here = mkdtempSync(join(tmpdir(), 'weft-cp-'));
  t.teardown(() => rmSync(here, { recursive: true, force: true }));
  mkdirSync(join(here, 'tree/below'), { recursive: true });
  writeFileSync(join(here, 'tree/one'), 'first');
  writeFileSync(join(here, 'tree/below/two'), 'second', { mode: 0o700 });
  const there = `/tmp/tree${kube.minor}`;
  await kube.expect(['cp', join(here, 'tree'), `shell:${there}`]);
  t.equal(
    await kube.expect(['exec', 'shell', '--', 'cat', `${there}/one`, `${there}/below/two`]),
    'firstsecond',
  );
  t.equal(await kube.expect(['exec', 'shell', '--', 'stat', '-c', '%a', `${there}/below/two`]), '700\n');
  await kube.expect(['cp', `shell:${there}`, join(here, 'back')]);
  t.equal(readFileSync(join(here, 'back/below/two'), 'utf8'), 'second');
  await kube.expect(['cp', 'default/shell:/etc/hostname', join(here, 'hostname'), '-c', 'main']);
  t.equal(readFileSync(join(here, 'hostname'), 'utf8'), 'shell\n');
}
