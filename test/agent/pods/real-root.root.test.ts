import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { skipUnlessRoot } from '../../root.ts';

if (skipUnlessRoot(t)) {
  t.test('in a chroot, what makes containers gets the chroot’s root as its namespace’s', (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'weft-chroot-'));
    t.teardown(() => rmSync(dir, { recursive: true, force: true }));
    for (const name of ['upper', 'scratch', 'root']) mkdirSync(join(dir, name));
    writeFileSync(join(dir, 'upper/mark'), 'chroot\n');
    const child = join(import.meta.dirname, 'chroot-process.ts');
    // Its mounts go with its mount namespace.
    const script = `
      mount -t tmpfs tmpfs "$1/scratch" && mkdir "$1/scratch/u" "$1/scratch/w" && cp "$1/upper/mark" "$1/scratch/u/"
      mount -t overlay overlay -o "lowerdir=/,upperdir=$1/scratch/u,workdir=$1/scratch/w" "$1/root"
      mount --rbind /proc "$1/root/proc"
      exec chroot "$1/root" "$2" --no-warnings "$3" /rooted-runc`;
    const args = [
      '--mount',
      '--propagation',
      'private',
      'sh',
      '-ec',
      script,
      'sh',
      dir,
      process.execPath,
      child,
    ];
    const found = JSON.parse(execFileSync('unshare', args, { encoding: 'utf8' })) as Record<string, unknown>;
    const mark = 'chroot\n';
    t.same(found, { chrooted: true, mark, inside: { chrooted: false, mark } });
    t.end();
  });
}
