import * as fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isErrno } from '../../netns/kernel-error.ts';

/** The cgroup hierarchies of this host: one on pure v2, one per controller on v1, both on hybrid. */
function listHierarchies(): string[] {
  return fs
    .readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , type]) => type === 'cgroup' || type === 'cgroup2')
    .map(([, path = '']) => path);
}

/** How long dying processes may hold a control group: its list of processes leaves them out already. */
const dyingMs = 2_000;
const lookMs = 10;

/** Removes a control group, children first, in every hierarchy. One with processes in it stays. */
export async function removeCgroups(path: string): Promise<void> {
  const deadline = performance.now() + dyingMs;
  for (const hierarchy of listHierarchies()) {
    // EBUSY: still in use. What lives on is left to the next removal of the pod.
    while (!removeCgroup(join(hierarchy, path)) && performance.now() < deadline) await sleep(lookMs);
  }
}

/** Whether it is gone. */
function removeCgroup(path: string): boolean {
  if (!fs.existsSync(path)) return true;
  for (const entry of fs.readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) removeCgroup(join(path, entry.name));
  }
  try {
    fs.rmdirSync(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return true;
    if (isErrno(error, 'EBUSY')) return false;
    throw error;
  }
}
