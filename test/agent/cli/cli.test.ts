import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { AgentError, AgentErrors } from '../../../agent/agent-error.ts';
import { renderFailure } from '../../../agent/cli/failure.ts';

const weft = join(import.meta.dirname, '../../../bin/weft');
const directory = mkdtempSync(join(tmpdir(), 'weft-cli-'));
t.teardown(() => rmSync(directory, { recursive: true }));

function run(
  args: readonly string[],
  environment: Record<string, string> = {},
): { code: number | null; out: string; lines: string[] } {
  const env = { PATH: process.env['PATH'] ?? '', ...environment };
  const result = spawnSync(weft, args, { encoding: 'utf8', env });
  return { code: result.status, out: result.stdout, lines: result.stderr.trimEnd().split('\n') };
}

t.test('a failure is one line per mistake, with what to do; a defect shows its place', (t) => {
  const one = new AgentError('c', 'port 1 is in use', 'free it');
  t.same(renderFailure(one), ['weft: port 1 is in use: free it']);
  t.same(renderFailure(new AgentErrors([one, new AgentError('c', 'wrong', '')])), [
    'weft: port 1 is in use: free it',
    'weft: wrong',
  ]);
  t.same(renderFailure(new AggregateError([one, Object.assign(new Error('a\nb'), { code: 'EBUSY' })])), [
    'weft: port 1 is in use: free it',
    'weft: a; b',
  ]);
  t.match(renderFailure(new TypeError('undefined is not a function')), [/cli\.test\.ts/]);
  t.match(renderFailure(Object.assign(new Error('no such link'), { code: 'ENODEV' })), [
    'weft: no such link',
  ]);
  t.end();
});

t.test('all mistakes of file, environment and flags come at once', (t) => {
  const file = join(directory, 'bad.yaml');
  writeFileSync(file, 'zones: x\nhealthPort: many\nserviceCIDRs: [10.244.0.0/24, fd00:10:96::/112]\n');
  const { code, lines } = run(['agent', '--config', file, '--server', 'ftp://x'], { WEFT_BACKEND: 'ipvs' });
  t.equal(code, 1);
  t.match(lines, [
    /^weft: .*bad\.yaml:1:1: zones: there is no such setting: did you mean zone\?$/,
    /^weft: .*bad\.yaml:2:1: healthPort: "many" is not a whole number/,
    /^weft: WEFT_BACKEND: "ipvs" is not one of iptables, nftables$/,
    /^weft: --server: "ftp:\/\/x" is not the URL/,
    /^weft: .*clusterCIDRs 10\.244\.0\.0\/16 overlaps serviceCIDRs 10\.244\.0\.0\/24: choose/,
  ]);
  t.end();
});

t.test('images are added, listed and removed', (t) => {
  const state = ['--state-dir', directory];
  const options = [...state, '--host-root', '--env', 'A=1'];
  const command = ['--', 'nginx', '-g', 'daemon off;'];
  t.equal(run(['image', 'add', ...options, 'nginx', ...command]).code, 0, 'options before the name');
  t.equal(run(['image', 'remove', ...state, 'nginx']).code, 0);
  const added = run(['image', 'add', 'nginx', ...options, ...command]);
  t.same([added.code, added.out], [0, 'docker.io/library/nginx:latest\n']);
  t.equal(
    run(['image', 'list', ...state]).out,
    'docker.io/library/nginx:latest\tthe host\tnginx -g daemon off;\n',
  );
  t.equal(run(['image', 'remove', ...state, 'nginx']).code, 0);
  t.equal(run(['image', 'list', ...state]).out, '');
  t.match(run(['image', 'add', ...state, 'nginx']), { code: 1, lines: [/--host-root and --root/] });
  t.end();
});

t.test('what is missing is said in one line', (t) => {
  const state = ['--state-dir', directory];
  t.match(run(['token', ...state]), {
    code: 1,
    lines: [/token cannot be read: start `weft server` here first/],
  });
  const isRoot = process.geteuid?.() === 0;
  t.match(run(['lab', '--name', 'no-lab', 'kubeconfig']), {
    code: 1,
    lines: [isRoot ? /there is no lab no-lab: bring it up/ : /must run as root/],
  });
  t.match(run(['lab', '--name', 'No_Lab', 'status']), { code: 1, lines: [/lower-case letters/] });
  t.match(run(['version']).out, /^weft \d+\.\d+\.\d+ /);
  t.end();
});

t.test('a wrong command line is answered in one line', (t) => {
  const wrong = [['nosuch'], ['lab', 'exec', 'node1'], ['lab', 'up', '--nodes', '0'], ['image', 'add', 'x']];
  for (const args of [...wrong, ['lab', 'up', '--backend', 'x'], ['--nosuch']]) {
    const { code, lines } = run(args);
    t.equal(code, 1, args.join(' '));
    t.match(lines, [/^weft: .*--help shows what there is$/], args.join(' '));
    t.equal(lines.length, 1);
  }
  t.end();
});

t.test('without root, what needs it says so in one line', (t) => {
  const asNobody = process.geteuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
  if (spawnSync('test', ['-x', weft], asNobody).status !== 0) {
    t.plan(0, 'nobody but root may enter this clone');
    return;
  }
  for (const command of ['server', 'agent', 'up', 'cleanup', 'lab up', 'lab status', 'image list']) {
    // env takes away what the test runner adds for children: nobody could not write its records.
    const env = ['-i', `PATH=${process.env['PATH'] ?? ''}`, 'WEFT_STATE_DIR=/proc/1/fd/none'];
    const { status, stderr } = spawnSync('env', [...env, weft, ...command.split(' ')], {
      encoding: 'utf8',
      timeout: 10_000,
      ...asNobody,
    });
    t.equal(status, 1, command);
    t.match(stderr, /^weft: .*(must run|run it) as root.*\n$/, command);
  }
  t.end();
});
