import * as fs from 'node:fs';
import t from 'tap';
import { readInside, resolveInside } from '../../../agent/pods/rootfs.ts';

t.test("links in a container's root never lead out of it", (test) => {
  const root = test.testdir({ etc: { real: 'inside' }, usr: { bin: {} }, deep: { er: {} } });
  fs.symlinkSync('usr/bin', `${root}/bin`);
  fs.symlinkSync('/etc/real', `${root}/deep/absolute`);
  fs.symlinkSync('../../../../../../etc/real', `${root}/deep/climbing`);
  fs.symlinkSync('/deep/er/../absolute', `${root}/chain`);
  fs.symlinkSync('loop', `${root}/loop`);
  const table = {
    '/bin/sh': 'usr/bin/sh',
    '/deep/absolute': 'etc/real',
    '/deep/climbing': 'etc/real',
    '/chain': 'etc/real',
    '/../../etc/real': 'etc/real',
    '/new/./file': 'new/file',
  };
  for (const [path, inside] of Object.entries(table))
    test.equal(resolveInside(root, path), `${root}/${inside}`, path);
  test.equal(readInside(root, '/deep/climbing'), 'inside');
  test.equal(readInside(root, '/etc/absent'), '');
  test.throws(() => resolveInside(root, '/loop'), { code: 'RootFilesystem' });
  test.end();
});
