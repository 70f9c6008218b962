import * as fs from 'node:fs';
import { join } from 'node:path';

/** The cgroup hierarchies of this host: one on pure v2, one per controller on v1, both on hybrid. */
function listHierarchies(): string[] {
  return fs
    .readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , type]) => type === 'cgroup' || type === 'cgroup2')
    .map(([, path = '']) => path);
}

/** Removes a control group, children first, in every hierarchy. One with processes in it stays. */
export function removeCgroups(path: string): void {
  for (const hierarchy of listHierarchies()) removeCgroup(join(hierarchy, path));
}

function removeCgroup(path: string): void {
  if (!fs.existsSync(path)) return;
  for (const entry of fs.readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) removeCgroup(join(path, entry.name));
  }
  try {
    fs.rmdirSync(path);
  } catch (error) {
    // EBUSY: still in use; ENOENT: somebody was faster. The next removal of the pod tries again.
    if (!['EBUSY', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
