import { spawn } from 'node:child_process';
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import t from 'tap';
import { removeCgroups } from '../../../agent/pods/cgroups.ts';
import { skipUnlessRoot } from '../../root.ts';

const name = `/weft-test${process.pid}`;
const hierarchies = readFileSync('/proc/self/mounts', 'utf8')
  .split('\n')
  .map((line) => line.split(' '))
  .filter(([, , type]) => type === 'cgroup' || type === 'cgroup2')
  .map(([, path = '']) => path);

if (skipUnlessRoot(t)) {
  t.test('a group goes though what was in it is still dying', async (t) => {
    const [first = ''] = hierarchies;
    const group = join(first, name, 'main');
    mkdirSync(group, { recursive: true });
    // Much memory to give back: the end takes a while.
    const script = 'my $x = "x" x 50_000_000; print "up\\n"; sleep 1000';
    const children = Array.from({ length: 4 }, () => spawn('perl', ['-e', `$| = 1; ${script}`]));
    await Promise.all(children.map((child) => once(child.stdout, 'data')));
    for (const { pid } of children) writeFileSync(join(group, 'cgroup.procs'), String(pid));
    for (const child of children) child.kill('SIGKILL');
    await removeCgroups(name);
    t.same(globSync(hierarchies.map((path) => `${path}${name}`)), []);
    await removeCgroups(name);
  });

  t.test('one that lives on stays, and the next removal takes it', async (t) => {
    const [first = ''] = hierarchies;
    const group = join(first, name);
    mkdirSync(group);
    const child = spawn('sleep', ['1000']);
    writeFileSync(join(group, 'cgroup.procs'), String(child.pid));
    await removeCgroups(name);
    t.ok(existsSync(group));
    child.kill('SIGKILL');
    await once(child, 'exit');
    await removeCgroups(name);
    t.notOk(existsSync(group));
  });
}
