import * as fs from 'node:fs';
import t from 'tap';
import { ImageTable, normalizeImageName } from '../../../agent/pods/images.ts';

t.test('names as Docker writes them in full', (test) => {
  const names = {
    nginx: 'docker.io/library/nginx:latest',
    'nginx:1.25': 'docker.io/library/nginx:1.25',
    'docker.io/nginx': 'docker.io/library/nginx:latest',
    'docker.io/library/nginx:latest': 'docker.io/library/nginx:latest',
    'radial/busyboxplus:curl': 'docker.io/radial/busyboxplus:curl',
    'localhost/mine': 'localhost/mine:latest',
    'registry:5000/team/app': 'registry:5000/team/app:latest',
    'ghcr.io/a/b@sha256:00ff': 'ghcr.io/a/b@sha256:00ff',
  };
  for (const [name, full] of Object.entries(names)) test.equal(normalizeImageName(name), full);
  for (const name of ['', 'a b', 'a/', '../x;y']) {
    test.throws(() => normalizeImageName(name), { code: 'ImageInvalid' }, name);
  }
  test.end();
});

t.test('the table is found again by any form of the name', (test) => {
  const dir = test.testdir({ root: {}, file: '' });
  const table = new ImageTable(dir);
  test.same(table.list(), []);
  table.add('nginx', { hostRoot: true }, { command: ['nginx'], files: { '/etc/x': 'y' } });
  table.add('other', { root: `${dir}/root` }, { user: 'www-data' });
  const other = new ImageTable(dir);
  test.match(other.get('docker.io/library/nginx:latest'), {
    name: 'docker.io/library/nginx:latest',
    root: { hostRoot: true },
    command: ['nginx'],
    entrypoint: [],
    files: { '/etc/x': 'y' },
  });
  test.same(
    other.list().map(({ name }) => name),
    ['docker.io/library/nginx:latest', 'docker.io/library/other:latest'],
  );
  other.remove('nginx:latest');
  other.remove('nginx:latest');
  test.equal(table.get('nginx'), undefined);
  test.strictSame(
    fs.readdirSync(`${dir}/images`).filter((name) => name.endsWith('.tmp')),
    [],
  );
  test.end();
});

t.test('what cannot be an image is refused', (test) => {
  const dir = test.testdir({ file: '' });
  const table = new ImageTable(dir);
  for (const root of ['relative', `${dir}/absent`, `${dir}/file`]) {
    test.throws(() => table.add('x', { root }), { code: 'ImageInvalid' }, root);
  }
  test.throws(() => table.add('x', { hostRoot: true }, { files: { 'etc/x': '' } }), { code: 'ImageInvalid' });
  test.same(table.list(), []);
  test.end();
});
