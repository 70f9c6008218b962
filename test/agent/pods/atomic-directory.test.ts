import * as fs from 'node:fs';
import t from 'tap';
import { writeAtomically } from '../../../agent/pods/atomic-directory.ts';

function filesOf(contents: Record<string, string>, mode = 0o644) {
  return new Map(
    Object.entries(contents).map(([path, text]) => [path, { content: Buffer.from(text), mode }]),
  );
}

/** What a user sees: each name that is not our own, with where it leads. */
function links(dir: string): Record<string, string> {
  const names = fs.readdirSync(dir).filter((name) => !name.startsWith('..'));
  return Object.fromEntries(names.map((name) => [name, fs.readlinkSync(`${dir}/${name}`)]));
}

t.test('files are seen through ..data, as the kubelet lays them out', (test) => {
  const dir = test.testdir({});
  test.equal(
    writeAtomically(dir, filesOf({ 'nginx.crt': 'c', 'tls/ca/root.crt': 'r', 'tls/key': 'k' })),
    true,
  );
  test.match(fs.readlinkSync(`${dir}/..data`), /^\.\.\d{4}_\d\d_\d\d_\d\d_\d\d_\d\d\.\w+$/);
  test.strictSame(links(dir), { 'nginx.crt': '..data/nginx.crt', tls: '..data/tls' });
  test.equal(fs.readFileSync(`${dir}/tls/ca/root.crt`, 'utf8'), 'r');
  test.end();
});

t.test('a second time nothing is written; a change replaces all at once', (test) => {
  const dir = test.testdir({});
  writeAtomically(dir, filesOf({ old: '1', both: '1', 'deep/one': '1' }));
  const first = fs.readlinkSync(`${dir}/..data`);
  test.equal(writeAtomically(dir, filesOf({ old: '1', both: '1', 'deep/one': '1' })), false);
  test.equal(fs.readlinkSync(`${dir}/..data`), first);
  const open = fs.openSync(`${dir}/both`, 'r');
  test.equal(writeAtomically(dir, filesOf({ both: '2', new: '2', 'deep/two': '2' })), true);
  test.strictSame(links(dir), { both: '..data/both', deep: '..data/deep', new: '..data/new' });
  test.strictSame(fs.readdirSync(`${dir}/deep`), ['two']);
  test.equal(fs.readFileSync(`${dir}/both`, 'utf8'), '2');
  test.equal(fs.readFileSync(open, 'utf8'), '1', 'who has the old file open keeps it');
  fs.closeSync(open);
  test.equal(fs.readdirSync(dir).filter((name) => /^\.\.\d/.test(name)).length, 1, 'one state is left');
  test.equal(writeAtomically(dir, new Map()), true);
  test.strictSame(links(dir), {});
  test.end();
});

t.test('what a crash left is mended', (test) => {
  const dir = test.testdir({
    '..2026_01_02_03_04_05.abcdef': { both: 'never shown' },
    '..data_tmp': 'left',
    plain: 'in the way',
    foreign: { file: 'a subPath made this' },
  });
  fs.symlinkSync('..2025_gone', `${dir}/..data`);
  writeAtomically(dir, filesOf({ plain: 'p' }));
  test.equal(fs.readFileSync(`${dir}/plain`, 'utf8'), 'p');
  test.strictSame(
    fs.readdirSync(dir).sort(),
    ['..data', fs.readlinkSync(`${dir}/..data`), 'foreign', 'plain'].sort(),
  );
  test.end();
});

t.test('modes are exact, whatever the umask', (test) => {
  const umask = process.umask(0o077);
  test.teardown(() => process.umask(umask));
  const dir = test.testdir({});
  writeAtomically(dir, filesOf({ 'a/b': 'x' }, 0o666));
  test.equal(fs.statSync(`${dir}/a/b`).mode & 0o7777, 0o666);
  test.equal(fs.statSync(`${dir}/a`).mode & 0o7777, 0o755);
  writeAtomically(dir, filesOf({ 'a/b': 'y' }, 0o400), process.getgid?.());
  test.equal(fs.statSync(`${dir}/a/b`).mode & 0o7777, 0o440, 'its group may read it');
  test.equal(fs.statSync(`${dir}/a`).mode & 0o7777, 0o2755);
  test.end();
});
