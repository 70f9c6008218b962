import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import type { LinkManager } from '../../../agent/host/link-managers.ts';
import {
  checkLinks,
  installFiles,
  linkManagers,
  listRunningManagers,
  removeFiles,
} from '../../../agent/host/link-managers.ts';

const links = [
  { name: 'weft0', ifindex: 7 },
  { name: 'weft-vxlan', ifindex: 8 },
];

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

t.test('files are written once, only what a running manager reads, and go again', (t) => {
  const directories = { etc: join(t.testdir(), 'etc'), run: join(t.testdir({}), 'run') };
  t.same(listRunningManagers(directories), []);
  mkdirSync(join(directories.run, 'NetworkManager'), { recursive: true });
  const running = listRunningManagers(directories);
  t.same(
    running.map(({ name }) => name),
    ['NetworkManager'],
  );
  t.same(
    running.map((manager) => installFiles(manager, directories)),
    [true],
  );
  t.same(
    running.map((manager) => installFiles(manager, directories)),
    [false],
  );
  const file = join(directories.etc, 'NetworkManager/conf.d/90-weft.conf');
  t.match(readFileSync(file, 'utf8'), /^\[keyfile\]\nunmanaged-devices\+=interface-name:weft\*$/m);
  writeFileSync(file, 'unmanaged-devices=none\n');
  t.same(
    running.map((manager) => installFiles(manager, directories)),
    [true],
    'a changed one is mended',
  );
  write(join(directories.etc, 'NetworkManager/conf.d/other.conf'), '');
  t.same(
    removeFiles(directories).map(({ name }) => name),
    ['NetworkManager'],
  );
  t.same(readdirSync(join(directories.etc, 'NetworkManager/conf.d')), ['other.conf']);
  t.same(removeFiles(directories), []);
  t.end();
});

const states: Record<string, { manager: string; says: string; taken: boolean }> = {
  'NetworkManager manages': {
    manager: 'NetworkManager',
    says: '[device]\nmanaged=true\nnm-owned=false\n',
    taken: true,
  },
  'NetworkManager keeps off': { manager: 'NetworkManager', says: '[device]\nmanaged=false\n', taken: false },
  'networkd manages': {
    manager: 'systemd-networkd',
    says: 'ADMIN_STATE=configured\nOPER_STATE=routable\n',
    taken: true,
  },
  'networkd keeps off': {
    manager: 'systemd-networkd',
    says: 'ADMIN_STATE=unmanaged\nOPER_STATE=carrier\n',
    taken: false,
  },
};
for (const [what, { manager, says, taken }] of Object.entries(states)) {
  t.test(what, (t) => {
    const run = t.testdir();
    const { mark, stateOf } = linkManagers.find(({ name }) => name === manager) as LinkManager;
    mkdirSync(join(run, mark), { recursive: true });
    write(join(run, stateOf(8)), says);
    const found = checkLinks(links, { etc: '/nowhere', run });
    if (taken) {
      t.match(found, [
        { state: 'trouble', found: `${manager} manages the link weft-vxlan`, remedy: /weft-vxlan/ },
      ]);
      t.equal(found.length, 1);
    } else t.match(found, [{ state: 'well', found: `${manager} keeps off` }]);
    t.end();
  });
}
