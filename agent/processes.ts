import { readdirSync, readFileSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isErrno } from '../netns/kernel-error.ts';

/** The numbers of the processes for which `matches` holds; our own and those that end meanwhile are left out. */
export function listProcesses(matches: (pid: number) => boolean): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && unlessGone(() => matches(pid)));
}

/** A process's arguments; empty for kernel threads and zombies. */
export function readArguments(pid: number): string[] {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
}

/** What tells a network namespace from others: device and inode of its file. */
export function namespaceIdentity(path: string): string {
  const { dev, ino } = statSync(path);
  return `${dev}:${ino}`;
}

/** The processes that live in one of these network namespaces. */
export function listProcessesIn(identities: ReadonlySet<string>): number[] {
  if (identities.size === 0) return [];
  return listProcesses((pid) => identities.has(namespaceIdentity(`/proc/${pid}/ns/net`)));
}

/** Kills the processes that `list` finds until it finds none; those that will not go are left after five seconds. */
export async function killAll(list: () => number[]): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (performance.now() < deadline) {
    const pids = list();
    if (pids.length === 0) return;
    for (const pid of pids) unlessGone(() => process.kill(pid, 'SIGKILL'));
    await sleep(20);
  }
}

function unlessGone(action: () => boolean): boolean {
  try {
    return action();
  } catch (error) {
    // EACCES: another user's namespace that even root may not look at (a hardened /proc).
    if (isErrno(error, 'ENOENT', 'ESRCH', 'EACCES')) return false;
    throw error;
  }
}
