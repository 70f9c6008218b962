import { execFileSync } from 'node:child_process';
import { existsSync, rmdirSync } from 'node:fs';

/** Below which runtimes put their containers: a name by which the residue check knows what is left. */
export const cgroupParent = '/weft-runtimes';

/** Directories that every CNI library makes for results it caches, and runc; only what a test made is removed. */
const newDirectories = ['/var/lib/cni/results', '/var/lib/cni', '/run/runc'].filter(
  (path) => !existsSync(path),
);

/** Removes what runtimes leave on the machine although their containers are gone. */
export function removeRuntimeResidue(): void {
  const where = ['/sys/fs/cgroup', '-depth', '-type', 'd', '-path', `*${cgroupParent}*`];
  execFileSync('find', [...where, '-exec', 'rmdir', '{}', ';']);
  for (const path of newDirectories) if (existsSync(path)) rmdirSync(path);
}
