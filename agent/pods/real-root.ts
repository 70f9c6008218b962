import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';

/**
 * Whether our root directory is not the root of our mount namespace, as in a chroot. There a container made by
 * runc is none: pivot_root(2) exchanges roots below the namespace's own, and whoever enters the container's
 * namespace later (`runc exec`) lands in the namespace's root, the host's.
 */
export function isChrooted(): boolean {
  // setns(2) into a mount namespace, even one's own, moves the caller to the namespace's root.
  const args = ['--mount=/proc/self/ns/mnt', 'stat', '--format=%d:%i', '/'];
  const namespaceRoot = execFileSync('nsenter', args, { encoding: 'utf8' }).trim();
  const { dev, ino } = fs.statSync('/');
  return namespaceRoot !== `${dev}:${ino}`;
}

/**
 * Writes a program that runs runc in a mount namespace whose root is our root, for making containers from inside
 * a chroot: it enters the namespace's root with our root as working directory, makes that a mount, and pivots.
 */
export function writeRootedRunc(file: string, runc: string): void {
  const script = `#!/bin/sh
# Runs runc where this chroot's root is the mount namespace's own: see agent/pods/real-root.ts of weft.
exec unshare --mount --propagation private \\
  nsenter --mount=/proc/self/ns/mnt --wd=/ \\
  sh -ec 'mount --rbind . . && cd "$(pwd -P)" && pivot_root . . && umount -l . && exec "$@"' sh ${runc} "$@"
`;
  fs.writeFileSync(file, script, { mode: 0o700 });
}
