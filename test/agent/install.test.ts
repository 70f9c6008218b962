import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';

const root = join(import.meta.dirname, '../..');
const directory = mkdtempSync(join(tmpdir(), 'weft-install-'));
t.teardown(() => rmSync(directory, { recursive: true }));

function isInstalled(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
}

t.test(
  'systemd accepts the units',
  { skip: !isInstalled('systemd-analyze') && 'needs systemd-analyze' },
  (t) => {
    const unit = readFileSync(join(root, 'scripts/weft@.service'), 'utf8');
    for (const role of ['server', 'agent']) {
      const file = join(directory, `weft@${role}.service`);
      // systemd looks whether the program is there: here it is in the clone.
      writeFileSync(file, unit.replaceAll('/opt/weft/', `${root}/`));
      const { status, stderr } = spawnSync('systemd-analyze', ['verify', file], { encoding: 'utf8' });
      t.same([status, stderr], [0, ''], role);
    }
    t.match(unit, /^Type=notify$/m);
    t.match(unit, /^KillMode=process$/m, 'pods outlive the daemon');
    t.match(unit, /^FileDescriptorStoreMax=\d{3,}$/m, "so do DNS's sockets");
    t.end();
  },
);

t.test('Vagrant accepts the Vagrantfile', { skip: !isInstalled('vagrant') && 'needs vagrant' }, (t) => {
  const { status, stderr } = spawnSync('vagrant', ['validate', '--ignore-provider'], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, VAGRANT_HOME: directory, VAGRANT_DOTFILE_PATH: join(directory, 'dot') },
  });
  t.equal(status, 0, stderr);
  t.end();
});
